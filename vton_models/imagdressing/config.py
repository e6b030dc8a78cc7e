"""What a user sets and reads of IMAGDressing-v1: its options, published recipe and terms."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.imagdressing.sampling import Sampling
from vton_models.networks import components, image_encoder, sizes, stable_diffusion
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
    Shape,
    Tokenizer,
    check_kind,
)

if TYPE_CHECKING:
    from vton_models.imagdressing.prepare import Prepare

ABOUT = About(
    title="IMAGDressing-v1: Customizable Virtual Dressing",
    paper="arXiv:2407.12705",
    repository="https://github.com/muzishen/IMAGDressing",
    licence="research use only",
    base="stable-diffusion-v1-5/stable-diffusion-v1-5, stabilityai/sd-vae-ft-mse as its vae, the image encoder of"
    " h94/IP-Adapter; released weights lie over SG161222/Realistic_Vision_V4.0_noVAE",
    parameters=2_612_532_079,
    trainable=914_219_972,
)

_SOURCE = "arXiv:2407.12705, §4.1 and supplement; the released run.sh has 1e-5 and no warm-up"


def _recipe(source: str, **model: Any) -> Preset:
    data, schedule = "IGPair, 324,857 pairs", "constant_with_warmup"
    return Preset(data, 640, 512, 200_000, 50, 5e-5, source, schedule, 2000, weight_decay=0.01, model=model)


PRESETS = {
    "igpair": _recipe(_SOURCE),
    "igpair-no-hybrid": _recipe(f"{_SOURCE}; ablation", hybrid_attention=False),
    "igpair-base": _recipe(f"{_SOURCE}; ablation", image_branch=False, hybrid_attention=False),
    "igpair-zero-snr": _recipe("train.py of the repository, at the paper's learning rate", zero_terminal_snr=True),
}

RESAMPLER: Arguments = {"dim": 768, "depth": 4, "dim_head": 64, "heads": 12, "num_queries": 16, "ff_mult": 4}
_TINY_RESAMPLER = RESAMPLER | {"dim": 16, "depth": 1, "dim_head": 8, "heads": 2, "num_queries": 4}
_SHARES = ("image_dropout", "text_dropout", "both_dropout")


@dataclass(frozen=True)
class Config:
    """Raises UsageError for a value that isn't allowed; `check_size` is apart, as the networks decide on sizes."""

    tasks: ClassVar[tuple[str, ...]] = ("garment_to_person",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing

    height: int = option(640, "height of the pictures in pixels")
    width: int = option(512, "width of the pictures in pixels")
    image_branch: bool = option(True, "the garment network reads CLIP's tokens of the garment; off: an empty text")
    hybrid_attention: bool = option(
        True, "trained keys and values of the garment beside the denoiser's own; off: concatenated to them"
    )
    image_dropout: float = option(0.05, "share of items whose picture for CLIP is empty, for guidance")
    text_dropout: float = option(0.05, "share of items whose text is empty")
    both_dropout: float = option(0.05, "share of items whose picture for CLIP and text are empty")
    noise_offset: float = option(0.05, "share of a further noise that is one value per channel")
    min_snr: float = option(0.0, "γ of Min-SNR weights of the loss; 0: none")
    zero_terminal_snr: bool = option(False, "train on the published betas, whose last step is pure noise")
    flat_pictures: str = option(
        "pad", "pictures flatter than the crop that is cut of them: pad them, or filter records", ("pad", "filter")
    )
    unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel", "SD 1.5's"))
    garment_unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("the garment's", "SD 1.5's"))
    vae: Arguments = field(default_factory=dict, hash=False, metadata=differing("AutoencoderKL", "SD 1.5's"))
    scheduler: Arguments = field(default_factory=dict, hash=False, metadata=differing("DDIMScheduler", "SD 1.5's"))
    text_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("CLIPTextModel", "CLIP-L's"))
    image_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("CLIP's tower", "ViT-H/14's"))
    resampler: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("the Resampler", "IP-Adapter-Plus's")
    )

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name)}; allowed is 0 to 1")
        if sum(getattr(self, name) for name in _SHARES) > 1:
            raise UsageError(f"{' + '.join(_SHARES)} is more than 1; allowed are shares of all items")
        for name in ("noise_offset", "min_snr"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} {getattr(self, name)}; allowed is 0 or more")
        if self.flat_pictures not in ("pad", "filter"):
            raise UsageError(f"flat_pictures {self.flat_pictures!r}; allowed are pad, filter")

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        """64x48 pictures and random networks that take a step in a tenth of a second on a CPU."""
        networks = {
            "unet": stable_diffusion.TINY_UNET,
            "garment_unet": stable_diffusion.TINY_UNET,
            "vae": stable_diffusion.TINY_VAE,
            "text_encoder": stable_diffusion.TINY_TEXT_ENCODER,
            "image_encoder": image_encoder.TINY,
            "resampler": _TINY_RESAMPLER,
        }
        return cls(**({"height": 64, "width": 48} | networks | changes))

    @property
    def networks(self) -> dict[str, Network]:
        """Two U-Nets, VAE and text encoder; for the image branch CLIP's tower and its projection; keys and values."""
        networks = {
            "unet": stable_diffusion.unet(self.unet),
            "garment_unet": stable_diffusion.unet(self.garment_unet, (".",), published="unet"),
            "vae": stable_diffusion.vae(self.vae),
            "text_encoder": stable_diffusion.text_encoder(self.text_encoder),
        }
        if self.image_branch:
            tower = image_encoder.network(image_encoder.VIT_H | self.image_encoder)
            networks["image_encoder"] = replace(tower, published="models/image_encoder")
            arguments = RESAMPLER | self.resampler
            arguments["embedding_dim"] = tower.arguments["hidden_size"]
            arguments["output_dim"] = networks["garment_unet"].arguments["cross_attention_dim"]
            networks["projection"] = components.derived("resampler.Resampler", arguments)
        if self.hybrid_attention:
            widths = stable_diffusion.self_attention_widths(networks["unet"].arguments)
            networks["garment_attention"] = components.derived("attention.KeyValues", {"widths": widths})
        return networks

    @property
    def published_base(self) -> str:
        tower = ",image_encoder=h94/IP-Adapter" if self.image_branch else ""
        return f"SG161222/Realistic_Vision_V4.0_noVAE,vae=stabilityai/sd-vae-ft-mse{tower}"

    @property
    def scheduler_arguments(self) -> Arguments:
        """Of sampling; training differs with `zero_terminal_snr`."""
        return stable_diffusion.SCHEDULER | self.scheduler

    @property
    def decode_size(self) -> tuple[int, int]:
        """No picture is enlarged by halving it as long as its shorter side covers the crop's."""
        return self.height, self.width

    @property
    def official_needs_base(self) -> bool:
        """The published file holds what is trained."""
        return False

    def reads(self, kind: str) -> Reads:
        """Of try-on records: both photos, and what is said of the person."""
        check_kind("IMAGDressing", kind)
        photos = ("person_image", "garment_image")
        shape = Shape(photos, self.height, self.width, pads=self.flat_pictures == "pad")
        return Reads(photos, ("caption", "captions"), shape=shape)

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        """Training crops both photos at random, validation in the middle; to sample from, garments are stretched."""
        from vton_models.imagdressing.prepare import Prepare
        from vton_models.networks import text  # torch waits until records are prepared

        networks = self.networks
        words = tokenizer or text.random_tokenizer(networks["text_encoder"].arguments)
        unit = sizes.units(networks["vae"].arguments, networks["unet"].arguments)[1]
        seen = networks["image_encoder"].arguments["image_size"] if self.image_branch else 0
        return Prepare((self.height, self.width), purpose, words, unit, seen)

    def encodes(self, kind: str) -> dict[str, Encodes]:
        """CLIP's tower sees the garment's photo as it is; what the others read is left to chance in training."""
        needed = self.reads(kind).needed
        latents = {f"latents_{name}": Encoded(name.removesuffix("_image"), (name,)) for name in needed}
        size = {"height": self.height, "width": self.width}
        words = {"text_embeddings": Encoded("input_ids", ("caption", "captions"))}
        encodes = {
            "vae": Encodes(latents, needed, size, augmented="photos are cropped at random"),
            "text_encoder": Encodes(words, ("caption", "captions"), {}, augmented="one of several captions is drawn"),
        }
        if self.image_branch:
            tokens = {"clip_tokens_garment_image": Encoded("clip_garment", ("garment_image",))}
            # By size, as larger photos may be halved while decoding.
            encodes["image_encoder"] = Encodes(tokens, ("garment_image",), size)
        return encodes

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, when a U-Net level would split a latent."""
        sizes.check_whole("IMAGDressing", self.height, self.width, self.networks)
