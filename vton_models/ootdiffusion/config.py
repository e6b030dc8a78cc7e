"""What a user sets and reads of OOTDiffusion: its options, published recipes and terms."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.networks import image_encoder, sizes, stable_diffusion
from vton_models.networks.components import Network
from vton_models.networks.stable_diffusion import Arguments, differing
from vton_models.ootdiffusion.sampling import Sampling
from vton_models.system import About, Encoded, Encodes, NoFinishing, Preset, Purpose, Reads, Tokenizer, check_kind

if TYPE_CHECKING:
    from vton_models.ootdiffusion.prepare import Prepare

ABOUT = About(
    title="OOTDiffusion: Outfitting Fusion based Latent Diffusion for Controllable Virtual Try-on",
    paper="arXiv:2403.01779",
    repository="https://github.com/levihsu/OOTDiffusion",
    licence="CC BY-NC-SA 4.0",
    base="stable-diffusion-v1-5/stable-diffusion-v1-5, openai/clip-vit-large-patch14 as its image_encoder",
    parameters=2_229_733_999,  # both U-Nets, VAE, and CLIP's two towers
    trainable=1_719_053_448,  # both U-Nets, of which 2,455,044 lie behind the last features and get no gradient
)

MODEL_TYPES = ("hd", "dc")
_VITONHD, _DRESSCODE = "VITON-HD, 11,647 pairs", "Dress Code, 48,392 pairs"
_ISSUES = "noise and precision as the authors told (repository's issues 75, 96, 124)"


def _recipe(data: str, height: int, width: int, batch: int, model_type: str, released: str = "") -> Preset:
    source = f"arXiv:2403.01779 §4.1; {_ISSUES}{released}"
    return Preset(data, height, width, 36_000, batch, 5e-5, source, model={"model_type": model_type})


PRESETS = {
    "vitonhd-512": _recipe(_VITONHD, 512, 384, 64, "hd"),
    "vitonhd-1024": _recipe(_VITONHD, 1024, 768, 16, "hd", "; released as ootd_hd/checkpoint-36000"),
    "dresscode-512": _recipe(_DRESSCODE, 512, 384, 64, "dc"),
    "dresscode-1024": _recipe(_DRESSCODE, 1024, 768, 16, "dc", "; released as ootd_dc/checkpoint-36000"),
}

NOISY, SHOWN = 4, 4  # channels of the denoiser's input: noisy latents, those of the masked person


@dataclass(frozen=True)
class Config:
    """Raises UsageError for a value that isn't allowed; `check_size` is apart, as the networks decide on sizes."""

    tasks: ClassVar[tuple[str, ...]] = ("try_on",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing

    height: int = option(1024, "height of the pictures in pixels")
    width: int = option(768, "width of the pictures in pixels")
    model_type: str = option("hd", "hd: upper bodies (VITON-HD); dc: told the category (Dress Code)", MODEL_TYPES)
    garment_dropout: float = option(0.1, "share of items whose garment latents are zeros, for guidance")
    unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel", "SD 1.5's"))
    garment_unet: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel of the garment", "SD 1.5's")
    )
    vae: Arguments = field(default_factory=dict, hash=False, metadata=differing("AutoencoderKL", "SD 1.5's"))
    scheduler: Arguments = field(default_factory=dict, hash=False, metadata=differing("the schedule", "SD 1.5's"))
    text_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("CLIPTextModel", "CLIP-L's"))
    image_encoder: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("CLIPVisionModelWithProjection", "CLIP-L's")
    )

    def __post_init__(self) -> None:
        if self.model_type not in MODEL_TYPES:
            raise UsageError(f"model_type {self.model_type!r}; allowed are {', '.join(MODEL_TYPES)}")
        if not 0 <= self.garment_dropout <= 1:
            raise UsageError(f"garment_dropout {self.garment_dropout}; allowed is 0 to 1")

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        """64x48 pictures and random networks that take a step in tens of milliseconds on a CPU."""
        networks = {
            "unet": stable_diffusion.TINY_UNET,
            "garment_unet": stable_diffusion.TINY_UNET,
            "vae": stable_diffusion.TINY_VAE,
            "text_encoder": stable_diffusion.TINY_TEXT_ENCODER,
            "image_encoder": image_encoder.TINY,
        }
        return cls(**({"height": 64, "width": 48} | networks | changes))

    @property
    def networks(self) -> dict[str, Network]:
        """Both U-Nets are trained. A base of 4 channels is widened; the encoders stay in float32, as upstream's do."""
        text, image = stable_diffusion.text_encoder(self.text_encoder), image_encoder.network(self._image_encoder)
        return {
            "unet": stable_diffusion.unet(self.unet | {"in_channels": NOISY + SHOWN}, (".",)),
            "garment_unet": stable_diffusion.unet(self.garment_unet, (".",), published="unet"),
            "vae": stable_diffusion.vae(self.vae),
            "text_encoder": replace(text, may_be_half=False),
            "image_encoder": replace(image, may_be_half=False),
        }

    @property
    def published_base(self) -> str:
        return "stable-diffusion-v1-5/stable-diffusion-v1-5,image_encoder=openai/clip-vit-large-patch14"

    @property
    def scheduler_arguments(self) -> Arguments:
        return stable_diffusion.SCHEDULER | self.scheduler

    @property
    def decode_size(self) -> tuple[int, int]:
        """Every picture is brought to the network's size, so larger ones may be halved while decoding."""
        return self.height, self.width

    @property
    def official_needs_base(self) -> bool:
        """The two U-Nets are published, and they are what is trained."""
        return False

    def reads(self, kind: str) -> Reads:
        """Of try-on records: both photos and the mask, of the form of its recipe; for "dc" the category too."""
        check_kind("OOTDiffusion", kind)
        needed = ("person_image", "agnostic_mask", "garment_image")
        told = ("category",) if self.model_type == "dc" else ()
        options = {"model_type": self.model_type}
        return Reads((*needed, *told), mask_recipe="ootdiffusion", mask_options=options)

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        """Records and users' photos alike are stretched to the size."""
        from vton_models.networks import text  # torch waits until records are prepared
        from vton_models.ootdiffusion.prepare import Prepare

        words = tokenizer or text.random_tokenizer(self.networks["text_encoder"].arguments)
        seen = self._image_encoder["image_size"]
        return Prepare((self.height, self.width), self.model_type, words, seen)

    def encodes(self, kind: str) -> dict[str, Encodes]:
        """The photos and the masked person by the VAE, CLIP's vector of the garment, and for "dc" the category."""
        size = {"height": self.height, "width": self.width}
        columns = {
            "latents_person_image": Encoded("person", ("person_image",)),
            "latents_masked_person_image": Encoded("masked_person", ("person_image", "agnostic_mask")),
            "latents_garment_image": Encoded("garment", ("garment_image",)),
        }
        tokens = {"clip_tokens_garment_image": Encoded("garment_view", ("garment_image",))}
        encodes = {
            "vae": Encodes(columns, ("person_image", "garment_image"), size),
            "image_encoder": Encodes(tokens, ("garment_image",), size),
        }
        if self.model_type == "dc":
            words = {"text_embeddings": Encoded("input_ids", ("category",))}
            encodes["text_encoder"] = Encodes(words, ("category",), {"model_type": self.model_type})
        return encodes

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, when a U-Net level would split a latent."""
        sizes.check_whole("OOTDiffusion", self.height, self.width, self.networks)

    @property
    def _image_encoder(self) -> Arguments:
        return image_encoder.VIT_L | self.image_encoder
