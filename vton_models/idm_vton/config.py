"""What a user sets and reads of IDM-VTON: its options, published recipe and terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.cli import options
from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.idm_vton.sampling import Sampling
from vton_models.networks import image_encoder, sizes, stable_diffusion_xl
from vton_models.networks.components import Network
from vton_models.networks.stable_diffusion import Arguments, differing
from vton_models.system import About, NoFinishing, Preset, Purpose, Reads, Tokenizer, check_kind

if TYPE_CHECKING:
    from vton_models.idm_vton.prepare import Prepare

ABOUT = About(
    title="IDM-VTON: Improving Diffusion Models for Authentic Virtual Try-on in the Wild",
    paper="arXiv:2403.05139",
    repository="https://github.com/yisol/IDM-VTON",
    licence="CC BY-NC-SA 4.0",
    base="diffusers/stable-diffusion-xl-1.0-inpainting-0.1, stabilityai/stable-diffusion-xl-base-1.0 as its "
    "garment_unet, h94/IP-Adapter's ip-adapter-plus_sdxl_vit-h as its ip_adapter",
    parameters=7_086_907_695,  # all networks, but for the garment network's add_embedding, which nothing reads
    trainable=2_991_238_468,
)

# What is trained of TryonNet: all of it, or for `customize` parts of its decoder.
_DECODER = "up_blocks."
_TRAINED: dict[str, tuple[str, ...]] = {
    "tryon_net": (".",),
    "attention": (f".{_DECODER}*.attn1.", f".{_DECODER}*.attn2."),
    "attention_ip": (f".{_DECODER}*.attn1.", f".{_DECODER}*.attn2."),
    "attentions": (f".{_DECODER}*.attentions.",),
    "decoder": (f".{_DECODER}",),
}
_WITH_PROMPT = ("attention_ip", "attentions", "decoder")  # the decoder's keys and values of the image prompt too
TRAINABLE = tuple(_TRAINED)
LAYERS = ("attention_ip", "attention", "attentions", "decoder")
CAPTIONS = ("detailed", "category", "none")

_DATA = "VITON-HD, 11,647 pairs"
_SOURCE = "yisol/IDM-VTON train_xl.py: 130 epochs of 486 batches of 24"


def _recipe(source: str, **model: Any) -> Preset:
    return Preset(_DATA, 1024, 768, 63_180, 24, 1e-5, source, weight_decay=0.01, model=model)


_ABLATION = "arXiv:2403.05139, ablation"
PRESETS = {
    "vitonhd": _recipe(_SOURCE),
    "vitonhd-without-garment-net": _recipe(f"{_ABLATION} of GarmentNet", garment_net="off"),
    "vitonhd-category": _recipe(f"{_ABLATION} of captions", captions="category"),
    "vitonhd-without-captions": _recipe("ours", captions="none"),
    "vitonhd-min-snr": _recipe("train_xl.py's --snr_gamma, which its authors leave off", min_snr=5.0),
}


@dataclass(frozen=True)
class Config:
    """Raises UsageError for a value that isn't allowed; `check_size` is apart, as the networks decide on sizes."""

    tasks: ClassVar[tuple[str, ...]] = ("try_on",)
    layers: ClassVar[tuple[str, ...]] = LAYERS  # of `customize`, the default first
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing

    height: int = option(1024, "height of the pictures in pixels")
    width: int = option(768, "width of the pictures in pixels")
    masks: str = option("vitonhd", "whose masks it repaints", ("vitonhd", "dresscode"))
    garment_net: str = option("on", "whether the garment network is there", ("on", "off"))
    captions: str = option("detailed", "what captions say of the garment; none: nothing", CAPTIONS)
    trainable: str = option("tryon_net", "what is trained: TryonNet, or parts of its decoder (customize)", TRAINABLE)
    min_snr: float = option(0.0, "gamma of the loss's weights by signal-to-noise ratio; 0: none")
    unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel", "SDXL's"))
    garment_unet: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("the garment network", "SDXL's U-Net's")
    )
    ip_adapter: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("the image prompt's Resampler", "IP-Adapter-Plus's")
    )
    image_encoder: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("CLIPVisionModelWithProjection", "ViT-H/14's")
    )
    vae: Arguments = field(default_factory=dict, hash=False, metadata=differing("AutoencoderKL", "SDXL's"))
    scheduler: Arguments = field(default_factory=dict, hash=False, metadata=differing("DDPMScheduler", "the released"))
    text_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("CLIPTextModel", "CLIP-L's"))
    text_encoder_2: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("CLIPTextModelWithProjection", "ViT-bigG/14's")
    )

    def __post_init__(self) -> None:
        try:
            options.check(self)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if not self.min_snr >= 0:
            raise UsageError(f"min_snr {self.min_snr}; allowed is 0 (none) or more")

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        """64x48 pictures and random networks that take a step in tens of milliseconds on a CPU."""
        networks = {
            "unet": stable_diffusion_xl.TINY_UNET,
            "garment_unet": stable_diffusion_xl.TINY_UNET,
            "vae": stable_diffusion_xl.TINY_VAE,
            "text_encoder": stable_diffusion_xl.TINY_TEXT_ENCODER,
            "text_encoder_2": stable_diffusion_xl.TINY_TEXT_ENCODER_2,
            "image_encoder": image_encoder.TINY,
            "ip_adapter": {"dim": 16, "depth": 2, "dim_head": 8, "heads": 2},
        }
        return cls(**({"height": 64, "width": 48} | networks | changes))

    @property
    def networks(self) -> dict[str, Network]:
        """TryonNet's 13 input channels: latents 4, mask 1, masked person 4, DensePose 4."""
        garment = stable_diffusion_xl.unet(
            self.garment_unet | {"addition_embed_type": None}, published="unet_encoder", in_bases=("unet",)
        )
        unet = stable_diffusion_xl.unet(self.unet | {"in_channels": CHANNELS}, _TRAINED[self.trainable])
        vision = image_encoder.network(image_encoder.VIT_H | self.image_encoder)
        vision = replace(vision, published="models/image_encoder")  # IP-Adapter's repository
        return {
            "unet": unet,
            **({"garment_unet": garment} if self.garment_net == "on" else {}),
            "ip_adapter": self._ip_adapter(unet.arguments, vision.arguments),
            "image_encoder": vision,
            **stable_diffusion_xl.text_encoders(self.text_encoder, self.text_encoder_2),
            "vae": stable_diffusion_xl.vae(self.vae),
        }

    def _ip_adapter(self, unet: Mapping[str, Any], vision: Mapping[str, Any]) -> Network:
        """Its widths follow from the U-Net's. It is published with TryonNet; bases of training don't have it."""
        blocks = stable_diffusion_xl.blocks(unet)
        resampler = {
            "dim": 1280, "depth": 4, "dim_head": 64, "heads": 20, "num_queries": 16, "ff_mult": 4,
            "embedding_dim": vision["hidden_size"], "output_dim": unet["cross_attention_dim"],
        }  # fmt: skip
        trained: tuple[str, ...] = (".",) if self.trainable == "tryon_net" else ()
        if self.trainable in _WITH_PROMPT:
            decoder = [place for place, block in enumerate(blocks) if block.startswith(_DECODER)]
            trained = tuple(f".ip_adapter.{2 * place + 1}." for place in decoder)
        arguments = {"widths": tuple(blocks.values())} | resampler | self.ip_adapter
        name = "vton_models.networks.image_prompt.ImagePromptAdapter"
        return Network(name, arguments, trained, published="unet", derived=True)

    @property
    def published_base(self) -> str:
        return "yisol/IDM-VTON"

    @property
    def scheduler_arguments(self) -> Arguments:
        """Noise reaches a signal of zero, in training and in sampling."""
        return stable_diffusion_xl.SCHEDULER | {"rescale_betas_zero_snr": True} | self.scheduler

    @property
    def decode_size(self) -> tuple[int, int]:
        """Every picture is brought to the network's size, so larger ones may be halved while decoding."""
        return self.height, self.width

    @property
    def official_needs_base(self) -> bool:
        """TryonNet is published as a whole."""
        return self.trainable != "tryon_net"

    def reads(self, kind: str) -> Reads:
        """Of try-on records: both photos, the person's DensePose picture and the mask; what captions are made of."""
        check_kind("IDM-VTON", kind)
        needed = ("person_image", "densepose_image", "agnostic_mask", "garment_image")
        words = {"detailed": ("garment_caption", "tags"), "category": ("category",), "none": ()}[self.captions]
        if self.masks == "dresscode":
            return Reads(needed, words, "idm_vton")
        return Reads(needed, words, "ootdiffusion", mask_options={"model_type": "hd"})

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        """Records are stretched to the size, users' photos cropped to its aspect; training is augmented."""
        from vton_models.idm_vton.prepare import Prepare
        from vton_models.networks import text  # torch waits until records are prepared

        networks = self.networks
        encoders = [network.arguments for network in networks.values() if network.tokenizer]
        words = tokenizer or text.together(map(text.random_tokenizer, encoders))
        assert words is not None
        return Prepare(
            size=(self.height, self.width),
            prompt_size=networks["image_encoder"].arguments["image_size"],
            captions=self.captions,
            tokenizer=words,
            purpose=purpose,
        )

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, when a U-Net level would split a latent."""
        sizes.check_whole("IDM-VTON", self.height, self.width, self.networks)


CHANNELS = 13
