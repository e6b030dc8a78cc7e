"""What a user sets and reads of CatVTON: its options, published recipes and terms."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.catvton.sampling import Finishing, Sampling
from vton_models.networks import sizes, stable_diffusion
from vton_models.networks.components import Network
from vton_models.networks.stable_diffusion import Arguments, differing
from vton_models.system import About, Encoded, Encodes, Preset, Purpose, Reads, Tokenizer, check_kind

if TYPE_CHECKING:
    from vton_models.catvton.prepare import Prepare

ABOUT = About(
    title="CatVTON: Concatenation Is All You Need for Virtual Try-On with Diffusion Models",
    paper="arXiv:2407.15886",
    repository="https://github.com/Zheng-Chong/CatVTON",
    licence="CC BY-NC-SA 4.0",
    base="stable-diffusion-v1-5/stable-diffusion-inpainting, stabilityai/sd-vae-ft-mse as its vae; "
    "mask-free: timbrooks/instruct-pix2pix",
    parameters=899_226_667,  # U-Net without its inert attn2, and VAE
    trainable=49_574_080,
)

_TRAINED = {"self_attention": (".attn1.",), "transformer": (".attentions.",), "unet": (".",)}
TRAINABLE = tuple(_TRAINED)
_TABLE = "arXiv:2407.15886"


def _recipe(data: str, source: str, **model: Any) -> Preset:
    return Preset(data, 512, 384, 16_000, 128, 1e-5, source, model=model)


def _mix(source: str, **model: Any) -> Preset:
    data = "VITON-HD (11,647 pairs), Dress Code (48,392) and DeepFashion in-shop (13,098), together"
    return Preset(data, 1024, 768, 48_000, 32, 1e-5, source, model=model)


_VITONHD, _DRESSCODE = "VITON-HD, 11,647 pairs", "Dress Code, 48,392 pairs"
_MASK_FREE = f"{_TABLE} §3.4; steps and batch are unpublished: those of the mask-based model"
PRESETS = {
    "vitonhd": _recipe(_VITONHD, f"{_TABLE} §4.2; released as vitonhd-16k-512"),
    "dresscode": _recipe(_DRESSCODE, f"{_TABLE} §4.2; released as dresscode-16k-512"),
    "mix": _mix(f"{_TABLE} §4.2; released as mix-48k-1024"),
    "vitonhd-transformer": _recipe(_VITONHD, f"{_TABLE}, ablation of trainable modules", trainable="transformer"),
    "vitonhd-unet": _recipe(_VITONHD, f"{_TABLE}, ablation of trainable modules", trainable="unet"),
    "vitonhd-text": _recipe(_VITONHD, f"{_TABLE}, ablation of text", text_cross_attention=True),
    "vitonhd-dream-0": _recipe(_VITONHD, f"{_TABLE}, ablation of DREAM", dream=0.0),
    "vitonhd-dream-1": _recipe(_VITONHD, f"{_TABLE}, ablation of DREAM", dream=1.0),
    "vitonhd-dream-20": _recipe(_VITONHD, f"{_TABLE}, ablation of DREAM", dream=20.0),
    "vitonhd-dream-inf": _recipe(_VITONHD, f"{_TABLE}, ablation of DREAM", dream=float("inf")),
    "vitonhd-mask-free": _recipe(_VITONHD, _MASK_FREE, mask_free=True),
    "dresscode-mask-free": _recipe(_DRESSCODE, _MASK_FREE, mask_free=True),
    "mix-mask-free": _mix(f"{_MASK_FREE}; released as CatVTON-MaskFree", mask_free=True),
}


@dataclass(frozen=True)
class Config:
    """Raises UsageError for a value that isn't allowed; `check_size` is apart, as the networks decide on sizes."""

    tasks: ClassVar[tuple[str, ...]] = ("try_on",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[Finishing]] = Finishing

    height: int = option(512, "height of the pictures in pixels")
    width: int = option(384, "width of the pictures in pixels")
    mask_free: bool = option(False, "read a photo of the person in other clothes instead of a mask")
    trainable: str = option("self_attention", "what is trained", TRAINABLE)
    text_cross_attention: bool = option(False, "keep the base's text cross-attention and read captions")
    dream: float = option(10.0, "exponent of DREAM's correction: 0 corrects fully, inf not at all")
    garment_dropout: float = option(0.1, "share of items whose condition has no garment, for guidance")
    loss_on: str = option("both", "whether the garment's half counts in the loss", ("both", "person"))
    axis: str = option("auto", "along which latents are joined; auto: width if mask-free", ("auto", "height", "width"))
    unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel", "SD 1.5's"))
    vae: Arguments = field(default_factory=dict, hash=False, metadata=differing("AutoencoderKL", "SD 1.5's"))
    scheduler: Arguments = field(default_factory=dict, hash=False, metadata=differing("DDIMScheduler", "SD 1.5's"))
    text_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("CLIPTextModel", "CLIP-L's"))

    def __post_init__(self) -> None:
        for name, allowed in (("trainable", TRAINABLE), ("loss_on", ("both", "person")), ("axis", _AXES)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        if not self.dream >= 0:
            raise UsageError(f"dream {self.dream}; allowed is 0 or more, or inf")
        if not 0 <= self.garment_dropout <= 1:
            raise UsageError(f"garment_dropout {self.garment_dropout}; allowed is 0 to 1")

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        """64x48 pictures and random networks that take a step in tens of milliseconds on a CPU."""
        networks = {
            "unet": stable_diffusion.TINY_UNET | {"in_channels": 8 if changes.get("mask_free") else 9},
            "vae": stable_diffusion.TINY_VAE,
            "text_encoder": stable_diffusion.TINY_TEXT_ENCODER,
        }
        return cls(**({"height": 64, "width": 48} | networks | changes))

    @property
    def networks(self) -> dict[str, Network]:
        """U-Net and VAE; with text also its encoder. The U-Net's 9 input channels: latents 4, mask 1, condition 4."""
        unet = {"in_channels": self.in_channels} | self.unet
        text = {"text_encoder": stable_diffusion.text_encoder(self.text_encoder)} if self.text_cross_attention else {}
        return {
            "unet": stable_diffusion.unet(unet, _TRAINED[self.trainable]),
            "vae": stable_diffusion.vae(self.vae),
        } | text

    @property
    def published_base(self) -> str:
        unet = "timbrooks/instruct-pix2pix" if self.mask_free else "stable-diffusion-v1-5/stable-diffusion-inpainting"
        return f"{unet},vae=stabilityai/sd-vae-ft-mse"

    @property
    def scheduler_arguments(self) -> Arguments:
        return stable_diffusion.SCHEDULER | self.scheduler

    @property
    def in_channels(self) -> int:
        """Mask-free there is no mask."""
        return 8 if self.mask_free else 9

    @property
    def dim(self) -> int:
        """The axis of [b c h w] along which person and garment are joined: -2 or -1."""
        axis = ("width" if self.mask_free else "height") if self.axis == "auto" else self.axis
        return -2 if axis == "height" else -1

    @property
    def decode_size(self) -> tuple[int, int]:
        """Every picture is brought to the network's size, so larger ones may be halved while decoding."""
        return self.height, self.width

    @property
    def official_needs_base(self) -> bool:
        """Self-attention is published by itself, anything more as the whole U-Net."""
        return self.trainable != "self_attention"

    def reads(self, kind: str) -> Reads:
        """Of try-on records: both photos, and the mask or, mask-free, the person in other clothes."""
        check_kind("CatVTON", kind)
        shown = "source_person_image" if self.mask_free else "agnostic_mask"
        needed = ("person_image", shown, "garment_image")
        recipe = "" if self.mask_free else "catvton"
        return Reads(needed, ("caption",) if self.text_cross_attention else (), recipe)

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        """Records are stretched to the size, users' photos cropped to its aspect."""
        from vton_models.catvton.prepare import Prepare
        from vton_models.networks import text  # torch waits until records are prepared

        words = None
        if self.text_cross_attention:
            words = tokenizer or text.random_tokenizer(self.networks["text_encoder"].arguments)
        return Prepare((self.height, self.width), self.mask_free, words, crop=purpose is Purpose.PHOTOS)

    def encodes(self, kind: str) -> dict[str, Encodes]:
        """By the VAE both photos and the person as the condition shows it; with text the caption."""
        needed = self.reads(kind).needed
        shown = {"latents_masked_person_image": Encoded("shown_person", ("person_image", "agnostic_mask"))}
        if self.mask_free:
            shown = {"latents_source_person_image": Encoded("source_person", ("source_person_image",))}
        columns = {
            "latents_person_image": Encoded("person", ("person_image",)),
            **shown,
            "latents_garment_image": Encoded("garment", ("garment_image",)),
        }
        spared = tuple(name for name in needed if name != "agnostic_mask")
        encodes = {"vae": Encodes(columns, spared, {"height": self.height, "width": self.width})}
        if self.text_cross_attention:
            words = {"text_embeddings": Encoded("input_ids", ("caption",))}
            encodes["text_encoder"] = Encodes(words, ("caption",), {})
        return encodes

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, when a U-Net level would split a latent.

        The joined axis has twice as many latents, so half the unit does (but a whole latent).
        """
        latent, whole = sizes.units(self.networks["vae"].arguments, self.networks["unet"].arguments)
        joined = max(latent, whole // 2)
        units = (joined, whole) if self.dim == -2 else (whole, joined)
        sizes.check("CatVTON", self.height, self.width, units)


_AXES = ("auto", "height", "width")
