"""What a system brings, in types: the package `vton_models.<name>`, its Config, and the model that it builds.

Importing a system's package imports no torch: whatever a command must know before networks are built, it asks of the
Config. The model's class lies in `vton_models/<name>/model.py` and stands on `vton_models.networks.model.Model`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from schemas.cli.flags import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from vton_models.networks.bases import Bases
    from vton_models.networks.components import Network
    from vton_models.networks.graphs import Graphs
    from vton_models.networks.lora import Lora

    Generators = torch.Generator | Sequence[torch.Generator]

Record = Mapping[str, Any]  # column → array, text or number, None where null
Box = tuple[int, int, int, int]  # x0 y0 x1 y1 in pixels
IN_VIEW = "in_view"  # of photos' records, beside the columns: mask of all that the tensors must show, or None
PROMPT = "prompt"  # the same: the text that the network gets, where it isn't the record's caption
INIT_IMAGE = "init_image"  # the same: a picture that sampling begins with, uint8 [h w 3]


@dataclass(frozen=True)
class About:
    """Paper, repository, licences; `parameters` and `trainable` count the full-size networks."""

    title: str
    paper: str
    repository: str
    licence: str  # of the published code and weights
    base: str  # the weights that training starts from
    parameters: int
    trainable: int


@dataclass(frozen=True)
class Preset:
    """What a paper trained with; every value can be overridden by its flag. `source` says where it is published.

    None stands for the trainer's default (`training.settings.Settings`).
    """

    data: str
    height: int
    width: int
    steps: int
    global_batch_size: int
    learning_rate: float
    source: str
    lr_schedule: str | None = None
    lr_warmup_steps: int | None = None
    weight_decay: float | None = None
    optimizer: str | None = None
    model: dict[str, Any] = field(default_factory=dict)  # fields of the model's Config that differ from its defaults


class Purpose(Enum):
    """What a record is prepared for: it decides how pictures are fitted, and whether chance has a say."""

    TRAINING = "training"  # augmented
    VALIDATION = "validation"  # as in training, but never augmented
    RECORDS = "records"  # records of shards to sample from, fitted as the original loaders do
    PHOTOS = "photos"  # users' photos, fitted as the original demos do


@dataclass(frozen=True)
class Shape:
    """What a system asks of photos' sides that it cuts a crop of: the shorter as long as the crop's, the other enough.

    `pads`: its `prepare` adds what other pictures lack; else their records aren't trained on.
    """

    columns: tuple[str, ...]
    height: int
    width: int
    pads: bool

    def holds(self, height: int, width: int) -> bool:
        """Whether a picture of this size has room for the crop."""
        short, shorter = min(self.height, self.width), min(height, width)
        return short * height >= self.height * shorter and short * width >= self.width * shorter


@dataclass(frozen=True)
class Reads:
    """What a system reads of one kind of record: columns that a record must have, and columns used where present.

    Where `needed` names `agnostic_mask` and a record has `agnostic_mask_<mask_recipe>`, that one takes its place; the
    mask of a photo is drawn by this recipe, `mask_options` being further settings of the annotator `agnostic`. `view`
    tells under which other names `prepare` sees columns: name → column of the kind. Records whose pictures haven't the
    `shape` are counted before training.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    mask_recipe: str = ""
    view: Mapping[str, str] = field(default_factory=dict)
    mask_options: Mapping[str, str] = field(default_factory=dict)
    shape: Shape | None = None


@runtime_checkable
class Prepare(Protocol):
    """One record → tensors without the batch axis, uint8 where they are pictures.

    It runs in the reader's workers: picklable, and without networks. Of chance it takes only what the generator draws,
    and only where it prepares for training.
    """

    def __call__(self, record: Record, generator: "torch.Generator | None" = None) -> "dict[str, Tensor]": ...

    def seen(self, prepared: "Mapping[str, Any]") -> "dict[str, Any]":
        """The tensors of a prepared record, for people: with what the networks are shown in place of what is hidden."""
        ...

    def visible(self, record: Record) -> Box:
        """The part of the person's photo that the tensors show, and so the place of a result in that photo.

        It reaches beyond the photo where that is padded. What is to be repainted must lie inside; tasks that don't fit
        are refused. `networks.crops` places a crop of the network's aspect so.
        """
        ...


class Tokenizer(Protocol):
    """A text → as many ids as the encoder takes, of several encoders one after another; picklable for the workers."""

    def __call__(self, text: str) -> list[int]: ...


@runtime_checkable
class Sampling(Protocol):
    """A frozen dataclass of what changes a system's results beside seed, weights and pictures.

    Its fields are flags of `sample` with the system's own defaults. Raises UsageError for a value out of range.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def num_inference_steps(self) -> int: ...


@runtime_checkable
class TextSampling(Sampling, Protocol):
    """Of a system that answers the task "garment_to_person": a text says what is to be seen, a picture may begin it."""

    @property
    def negative_prompt(self) -> str:
        """What isn't to be seen."""
        ...

    @property
    def first_step(self) -> int:
        """How many steps are left out of a run that begins with a picture; 0 without one, and at strength 1."""
        ...

    def prompt(self, text: str) -> str:
        """A user's text, or "" where there is none, as the network gets it."""
        ...


@runtime_checkable
class Finishing(Protocol):
    """A frozen dataclass of a system's own ways to join a try-on result with the person; its fields are flags."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """The way that is asked for; empty where none is."""
        ...

    def join(self, person: "np.ndarray", mask: "np.ndarray", result: "np.ndarray") -> "np.ndarray":
        """uint8 [h w 3] at the result's size; person and mask are the part of the photo that the network saw."""
        ...


@dataclass(frozen=True)
class NoFinishing:
    """What a system has that leaves its results as they are."""

    @property
    def name(self) -> str:
        return ""

    def join(self, person: "np.ndarray", mask: "np.ndarray", result: "np.ndarray") -> "np.ndarray":
        """The result itself."""
        return result


@runtime_checkable
class Config(Protocol):
    """A frozen dataclass whose fields are flags. It raises UsageError for a value that isn't allowed."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    tasks: ClassVar[tuple[str, ...]]  # the kinds of task that it answers, files of `vton_models.sampling.tasks`
    sampling: ClassVar[type[Sampling]]
    finishing: ClassVar[type[Finishing]]

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def networks(self) -> "Mapping[str, Network]":
        """How each network is built, where it lies in a base, and what of it is trained."""
        ...

    @property
    def published_base(self) -> str:
        """The base that the published weights lie over, as `--init base:` takes it."""
        ...

    @property
    def decode_size(self) -> tuple[int, int] | None:
        """The height and width to which pictures may be halved while decoding; None: `prepare` wants them whole."""
        ...

    @property
    def official_needs_base(self) -> bool:
        """Whether the published layout holds more than what is trained, so that `convert` must load the base."""
        ...

    @classmethod
    def tiny(cls, **changes: Any) -> Self:
        """Small pictures and networks, which run on a CPU in seconds."""
        ...

    def check_size(self) -> None:
        """Raises UsageError, naming the nearest legal size, for pictures that the networks can't hold."""
        ...

    def reads(self, kind: str) -> Reads:
        """What is read of a record of this kind. Raises UsageError for a kind that the system can't read."""
        ...

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> Prepare:
        """How a record becomes tensors. The tokenizer is that of the loaded base; None stands for a random one's."""
        ...


@dataclass(frozen=True)
class Encoded:
    """A column of encoded shards: which tensor of a batch it takes the place of, and of which columns that is made.

    `sources` are named as `reads` names them: `agnostic_mask` is the mask of any recipe.
    """

    tensor: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Encodes:
    """What one frozen network makes of a record, before anything that is trained has a say.

    Where all `columns` are stored, `spared` columns aren't read for this network. `augmented` says why training can't
    take them ("photos are cropped at random"); empty where it prepares a record the same way each time. `settings` are
    what of the Config decides their values.
    """

    columns: Mapping[str, Encoded]
    spared: tuple[str, ...]
    settings: Mapping[str, Any]
    augmented: str = ""


@runtime_checkable
class EncodingConfig(Protocol):
    """A Config some of whose frozen networks' results can be stored; its model is an `EncodingModel`."""

    def encodes(self, kind: str) -> Mapping[str, Encodes]:
        """What is encoded of a record of this kind, by the name of the network."""
        ...


@runtime_checkable
class EncodingPrepare(Protocol):
    """The Prepare of an EncodingConfig."""

    def without(self, tensors: frozenset[str]) -> Prepare:
        """The same but for tensors that are stored: it makes no such one, and reads no column for it alone."""
        ...


@runtime_checkable
class EncodingModel(Protocol):
    """Its `loss` takes, in place of a prepared tensor, what `encoded` gave of it."""

    def encoded(self, batch: Mapping[str, Any], encodes: Mapping[str, Encodes]) -> "dict[str, Tensor]":
        """Column → float [b …] of collated prepared records, as `encodes` of the Config says."""
        ...


class Model(Protocol):
    """Networks of a Config. `train_only` parameters aside, all are frozen and in eval mode."""

    name: str
    config: Any  # the system's own Config
    networks: "dict[str, nn.Module]"
    denoisers: tuple[str, ...]  # of the networks those that are at work in every step
    base: dict[str, Any]  # where the networks come from, and their digests: one of all, and each one's
    device: "torch.device"
    sequential_guidance: bool  # both are set by `networks.memory.apply_memory`
    offload: bool
    graphs: "Graphs"  # of its networks' passes, where an accelerator has such
    laid_frozen: set[str]  # names of parameters that what a run starts from laid over the base, and that stay so
    sampling_dtype: "torch.dtype | None"  # 16 bits in which an accelerator samples whatever the memory mode
    dtypes: "dict[str, torch.dtype]"  # of networks that aren't in float32, by `networks.memory.choose_dtypes`
    frozen_dtype: "torch.dtype | None"  # of what is frozen in networks that are trained in part, by the same
    lora: "Lora | None"  # of adapters, where `networks.lora.add` has put them; they alone are trained then

    @property
    def alphas(self) -> "Tensor":
        """ᾱ of the training schedule."""
        ...

    @property
    def approximated(self) -> dict[str, float]:
        """What was sampled nearly only, and the largest error seen, a share of the exact."""
        ...

    def prepare(self, purpose: Purpose) -> Prepare:
        """As the Config's, with what was loaded beside the networks."""
        ...

    def loss(
        self, batch: Mapping[str, Any], generator: "torch.Generator", timesteps: "Tensor | None" = None
    ) -> "Tensor":
        """Scalar, of collated prepared records. The draws are the same whatever `timesteps` int64 [b] are."""
        ...

    def sample(
        self,
        batch: Mapping[str, Any],
        settings: Any,
        generator: "Generators",
        *,
        on_step: "Callable[[int, Tensor], None] | None" = None,
    ) -> "Tensor":
        """Pictures float32 [b 3 h w] in [0, 1]; `settings` is an object of the system's `Sampling`.

        `on_step` gets the number of a step that is done and the latents after it.
        """
        ...

    def train_only(self, names: Iterable[str]) -> None:
        """Freezes everything but the parameters of these names."""
        ...

    def parameters(self) -> "dict[str, nn.Parameter]":
        """All parameters, by "NETWORK.NAME"."""
        ...

    def trainable(self) -> "dict[str, nn.Parameter]":
        """The parameters that are trained, by "NETWORK.NAME"."""
        ...

    def unused(self) -> frozenset[str]:
        """Names in `trainable` that never receive a gradient."""
        ...

    def to(self, device: "str | torch.device", dtype: "torch.dtype | None" = None) -> object: ...

    def load_base(self, base: "str | Path | Bases") -> None:
        """Reads the networks, those in `dtypes` of which nothing is trained in their dtype, and notes their base."""
        ...

    def save_base(self, path: str | Path) -> None: ...

    def load_official(self, path: str | Path) -> None: ...

    def save_official(self, path: str | Path) -> None: ...

    def load_whole(self, path: str | Path) -> bool:
        """Reads all networks, and their base, from published weights that hold them; False where those hold fewer."""
        ...

    def save(self, path: str | Path, extra: Mapping[str, Any] | None = None) -> None: ...

    def load(self, path: str | Path) -> None: ...

    def lay(self, files: Sequence[Path]) -> None:
        """Notes that values read from files now lie over those of the base."""
        ...

    def digest(self) -> str:
        """Of all weights as they were loaded; "" where a network has no values."""
        ...


class System(Protocol):
    """The package of a system, found by its `Config`."""

    __name__: str
    __doc__: str | None
    ABOUT: About
    PRESETS: Mapping[str, Preset]
    Config: type[Config]
    build: Callable[[Any], Model]  # a Config → the model on random networks


def check_kind(title: str, kind: str, allowed: str = "tryon") -> None:
    """Raises UsageError for records of another kind than the one that a system reads."""
    if kind != allowed:
        raise UsageError(f"{title} can't read records of kind {kind!r}; allowed is {allowed!r}")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raises UsageError for a setting outside a range that includes both ends."""
    if not low <= value <= high:
        raise UsageError(f"--{name.replace('_', '-')} {value}; allowed are {low} to {high}")
