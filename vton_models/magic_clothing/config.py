"""What a user sets and reads of Magic Clothing: its options, published recipe and terms."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.magic_clothing.sampling import Sampling
from vton_models.networks import components, sizes, stable_diffusion
from vton_models.networks.components import Network
from vton_models.networks.stable_diffusion import Arguments, differing
from vton_models.system import (
    About,
    Encoded,
    Encodes,
    NoFinishing,
    Preset,
    Purpose,
    Reads,
    Tokenizer,
    check_between,
    check_kind,
)

if TYPE_CHECKING:
    from vton_models.magic_clothing.prepare import Prepare

ABOUT = About(
    title="Magic Clothing: Controllable Garment-Driven Image Synthesis",
    paper="arXiv:2404.09512",
    repository="https://github.com/ShineChen1024/MagicClothing",
    licence="CC BY-NC-SA 4.0",
    base="stable-diffusion-v1-5/stable-diffusion-v1-5, stabilityai/sd-vae-ft-mse as its vae",
    parameters=1_925_756_271,  # two U-Nets, VAE and text encoder
    trainable=859_520_964,
)

PRESETS = {
    "vitonhd": Preset(
        "VITON-HD, 11,647 pairs, with captions of the person by BLIP",
        768,
        576,
        100_000,
        16,
        5e-5,
        "arXiv:2404.09512; released as magic_clothing_768_vitonhd_joint",
    )
}

FUSIONS = ("concatenation", "hybrid")
_DROPOUTS = ("garment_dropout", "text_dropout", "both_dropout")


@dataclass(frozen=True)
class Config:
    """Raises UsageError for a value that isn't allowed; `check_size` is apart, as the networks decide on sizes."""

    tasks: ClassVar[tuple[str, ...]] = ("garment_to_person",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing

    height: int = option(768, "height of the pictures in pixels")
    width: int = option(576, "width of the pictures in pixels")
    inpainting: bool = option(False, "an inpainting base repaints a person's photo, without text")
    fusion: str = option("concatenation", "how the garment enters; hybrid: by trained keys and values apart", FUSIONS)
    garment_dropout: float = option(0.05, "share of items without garment")
    text_dropout: float = option(0.05, "share of items without text")
    both_dropout: float = option(0.05, "share of items with neither")
    unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel", "SD 1.5's"))
    garment_unet: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("the garment's UNet2DConditionModel", "SD 1.5's")
    )
    vae: Arguments = field(default_factory=dict, hash=False, metadata=differing("AutoencoderKL", "SD 1.5's"))
    scheduler: Arguments = field(default_factory=dict, hash=False, metadata=differing("DDIMScheduler", "SD 1.5's"))
    text_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("CLIPTextModel", "CLIP-L's"))

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise UsageError(f"fusion {self.fusion!r}; allowed are {', '.join(FUSIONS)}")
        for name in _DROPOUTS:
            check_between(name, getattr(self, name), 0, 1)
        check_between("both_dropout", sum(getattr(self, name) for name in _DROPOUTS), 0, 1)

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        """64x48 pictures and random networks that take a step in tens of milliseconds on a CPU."""
        networks = {
            "unet": stable_diffusion.TINY_UNET | {"in_channels": 9 if changes.get("inpainting") else 4},
            "garment_unet": stable_diffusion.TINY_UNET,
            "vae": stable_diffusion.TINY_VAE,
            "text_encoder": stable_diffusion.TINY_TEXT_ENCODER,
        }
        return cls(**({"height": 64, "width": 48} | networks | changes))

    @property
    def networks(self) -> dict[str, Network]:
        """Denoiser, garment network, VAE and text encoder; hybrid also the keys and values of garments."""
        unet = stable_diffusion.unet({"in_channels": self.in_channels} | self.unet)
        networks = {
            "unet": unet,
            "garment_unet": stable_diffusion.unet(self.garment_unet, (".",), published="unet"),
            "vae": stable_diffusion.vae(self.vae),
            "text_encoder": stable_diffusion.text_encoder(self.text_encoder),
        }
        if self.fusion == "hybrid":
            widths = {"widths": stable_diffusion.self_attention_widths(unet.arguments)}
            networks["key_values"] = components.derived("attention.KeyValues", widths)
        return networks

    @property
    def published_base(self) -> str:
        if self.inpainting:
            text = "garment_unet=stable-diffusion-v1-5/stable-diffusion-v1-5"
            return f"stable-diffusion-v1-5/stable-diffusion-inpainting,{text},vae=stabilityai/sd-vae-ft-mse"
        return "SG161222/Realistic_Vision_V4.0_noVAE,vae=stabilityai/sd-vae-ft-mse"

    @property
    def scheduler_arguments(self) -> Arguments:
        return stable_diffusion.SCHEDULER | self.scheduler

    @property
    def in_channels(self) -> int:
        """Of the denoiser: latents 4 and, for inpainting, mask 1 and the masked person's latents 4."""
        return 9 if self.inpainting else 4

    @property
    def decode_size(self) -> tuple[int, int]:
        """Every picture is brought to the network's size, so larger ones may be halved while decoding."""
        return self.height, self.width

    @property
    def official_needs_base(self) -> bool:
        """All that is published is trained."""
        return False

    def reads(self, kind: str) -> Reads:
        """Of try-on records: the photos, the garment's mask, and the caption or, for inpainting, the mask."""
        check_kind("Magic Clothing", kind)
        needed = ("person_image", "garment_image", "garment_mask")
        return Reads((*needed, "agnostic_mask")) if self.inpainting else Reads(needed, ("caption",))

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        """Everything is stretched to the size, but users' photos of persons are cropped to its aspect."""
        from vton_models.magic_clothing.prepare import Prepare
        from vton_models.networks import text  # torch waits until records are prepared

        words = tokenizer or text.random_tokenizer(self.networks["text_encoder"].arguments)
        return Prepare((self.height, self.width), words, self.inpainting, crop=purpose is Purpose.PHOTOS)

    def encodes(self, kind: str) -> dict[str, Encodes]:
        """The person, and the garment on grey, by the VAE, for inpainting also the masked person; else the caption."""
        columns = {
            "latents_person_image": Encoded("person", ("person_image",)),
            "latents_masked_garment_image": Encoded("shown_garment", ("garment_image", "garment_mask")),
        }
        if self.inpainting:
            columns["latents_masked_person_image"] = Encoded("shown_person", ("person_image", "agnostic_mask"))
        spared = tuple(name for name in self.reads(kind).needed if name != "agnostic_mask")
        encodes = {"vae": Encodes(columns, spared, {"height": self.height, "width": self.width})}
        if not self.inpainting:
            words = {"text_embeddings": Encoded("input_ids", ("caption",))}
            encodes["text_encoder"] = Encodes(words, ("caption",), {})
        return encodes

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, when a U-Net level would split a latent."""
        sizes.check_whole("Magic Clothing", self.height, self.width, self.networks)
