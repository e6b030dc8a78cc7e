"""What a build was asked for, and what that resolves to: which annotators run, with which settings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar, get_type_hints

import annotators
from annotators.common import registry
from annotators.functional.keypoints import PERSON_CHOICES
from pipelines import runners, sources
from schemas import json_shape, kinds, shards
from schemas.cli import options
from schemas.cli.flags import UsageError, flag
from schemas.cli.suggestions import suggestion
from schemas.folders import places
from schemas.kinds import Kind

DEFAULT_ANNOTATORS = (
    *("parsing", "pose", "densepose", "category", "caption_tags", "garment_mask", "agnostic", "high_frequency"),
    "quality",
)
# Promised by a build without `--annotators`, also where the annotator isn't built.
AWAITED = ("parse", "keypoints", "densepose_image")


@dataclass(frozen=True)
class Defaults:
    """What shards of a kind get without being asked: by which annotators, and columns that stand in them all."""

    annotators: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


DEFAULTS = {kinds.TRYON.name: Defaults(DEFAULT_ANNOTATORS, (*AWAITED, "caption", "garment_caption"))}
# Written along with others, but never the reason for a run.
NEVER_A_REASON = frozenset({"densepose", "captions", "person_box"})
FITS = ("crop", "pad", "stretch")
DEFAULT_FIT = "pad"


@dataclass(frozen=True)
class RunFlags:
    """Flags of every command that makes shards."""

    output: str | None = flag(None, help="folder for the shards (default output/<command>)")
    runner: str = flag(
        "DirectRunner", help="engine; further flags go to it", choices=lambda: list(runners.names()), checked=False
    )
    max_reject_rate: float = flag(0.1, help="exit 3 above this share of rejected records")
    overwrite: bool = flag(False, help="replace another build in the output folder")
    verify: bool = flag(False, help="hash finished shards again instead of trusting their size")
    retry_rejects: bool = flag(False, help="build units again whose receipt lists rejects")


@dataclass(frozen=True)
class AnnotatorFlags(RunFlags):
    """Flags of every command that runs annotators: they go into all their Configs."""

    person: str = flag("largest", help="who counts where a photo shows several people", choices=PERSON_CHOICES)
    nobody: str = flag("reject", help="a photo without anybody", choices=("reject", "null"))
    weights: str | None = flag(None, help="folder with model weights (also $VTON_WEIGHTS)")
    device: str = flag("cpu", help="where models run: cpu, cuda, cuda:1, mps")


@dataclass(frozen=True)
class Flags(AnnotatorFlags):
    """Flags that all builders share."""

    input: str | None = flag(None, help="dataset folder, or a URL that fsspec knows")
    split: str = flag("all", help="which split", choices=("train", "test", "all"))
    pairing: str = flag("unpaired", help="garment of a test record", choices=("paired", "unpaired"))
    shard_size: int = flag(256, help="records per shard")
    format: str = flag("parquet", help="file format of the shards", choices=shards.FORMATS)
    annotators: tuple[str, ...] | None = flag(None, help="run exactly these, comma-separated", metavar="A,B")
    skip: tuple[str, ...] = flag((), help="never compute these columns or annotators", metavar="A,B")
    recompute: tuple[str, ...] = flag((), help="compute these even where the dataset ships them", metavar="A,B")
    size: str | None = flag(None, help="store pictures at this height x width", metavar="HxW")
    fit: str | None = flag(None, help="how a picture of another shape meets --size (default pad)", choices=FITS)
    seed: int = flag(0, help="seed of everything drawn at random")
    limit: int | None = flag(None, help="only the first so many list entries")


Own = TypeVar("Own", bound=RunFlags, covariant=True)


@dataclass(frozen=True)
class Line(Generic[Own]):
    """The command line of a command that makes shards; `configs` are those of all annotators, whichever run."""

    command: str
    flags: Own
    engine: runners.Chosen
    configs: Mapping[str, Any]


@dataclass(frozen=True)
class Configuration:
    """Everything that a worker needs beside the plan; small and picklable."""

    dataset: str
    input: str
    output: str
    source: str
    split: str
    pairing: str
    limit: int | None
    shard_size: int
    format: str
    size: tuple[int, int] | None
    fit: str
    seed: int
    annotators: tuple[tuple[str, Any], ...]  # (name, Config) in the order they run; those not yet built are left out
    skip: tuple[str, ...]  # columns
    recompute: tuple[str, ...]  # columns
    digests: tuple[tuple[str, str], ...] = ()  # annotator → sha256 of its weights, for those that have any
    complete: bool = True  # no --annotators given: all default columns are promised
    columns: tuple[str, ...] = ()  # of the shards, in order
    source_options: tuple[tuple[str, str], ...] = ()  # what the source was told beside split and pairing
    kind: str = kinds.TRYON.name  # of the records
    device: str = "cpu"  # for sources that run models
    weights_dir: str = ""
    garment_canvas: str = "none"  # "vitonhd": garments are placed as in VITON-HD, see annotators.functional.canvas

    def configs(self) -> dict[str, Any]:
        return dict(self.annotators)

    def identity(self) -> dict[str, Any]:
        """The flags that make it this build and no other (design.md §2); what a manifest shows."""
        return {
            "source": self.source,
            "split": self.split,
            "pairing": self.pairing,
            "limit": self.limit,
            "shard_size": self.shard_size,
            "size": list(self.size) if self.size else None,
            "fit": self.fit,
            "source_options": dict(self.source_options),
            "garment_canvas": self.garment_canvas,
            "format": self.format,
            "seed": self.seed,
            "annotators": {name: options.settings(config) for name, config in sorted(self.annotators)},
            "skip": list(self.skip),
            "recompute": list(self.recompute),
        }


def configs_of(flags: AnnotatorFlags, options: Mapping[str, Mapping[str, Any]], remote: bool = False) -> dict[str, Any]:
    """Annotator → its Config with its own `options`, and what depends on this machine resolved.

    Raises UsageError for a value that it refuses. Where work is `remote`, only the workers need the folder of weights.
    """
    if flags.weights and not remote:
        places.readable("--weights", flags.weights)
    common = {"weights_dir": flags.weights, "device": flags.device, "person": flags.person, "nobody": flags.nobody}
    try:
        configs = {name: annotators.config(name, **common, **options.get(name, {})) for name in annotators.names()}
    except ValueError as error:
        raise UsageError(str(error)) from None
    return {name: config.resolved() if hasattr(config, "resolved") else config for name, config in configs.items()}


def configure(flags: Flags, source: str, dataset: str, input_root: str, configs: Mapping[str, Any]) -> Configuration:
    """Flags and the annotators' Configs → Configuration. Raises UsageError naming a bad value."""
    _check_numbers(flags)
    kind = sources.kind(source)
    running = chosen(flags.annotators, configs, kind)
    skip = skipped(flags.skip, flags.annotators, [name for name, _ in running], kind)
    recompute = columns_of("recompute", flags.recompute, kind)
    both = sorted(set(skip) & set(recompute))
    if both:
        raise UsageError(f"{both[0]!r} is in both --skip and --recompute; allowed is one of them")
    return Configuration(
        dataset=dataset,
        input=input_root,
        output=flags.output or "",
        source=source,
        split=flags.split,
        pairing=flags.pairing,
        limit=flags.limit,
        shard_size=flags.shard_size,
        format=flags.format,
        size=parse_size(flags.size),
        fit=flags.fit or DEFAULT_FIT,
        seed=flags.seed,
        annotators=running,
        skip=skip,
        recompute=recompute,
        complete=flags.annotators is None and kind is kinds.TRYON,
        kind=kind.name,
        device=flags.device,
        weights_dir=flags.weights or "",
    )


def parse_size(text: str | None) -> tuple[int, int] | None:
    """ "1024x768" → (1024, 768), height first. Raises UsageError."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and 8 <= int(side) <= 8192 for side in sides):
        raise UsageError(f"--size {text!r}; allowed is HEIGHTxWIDTH, each 8 to 8192, such as 1024x768")
    return int(sides[0]), int(sides[1])


def _check_numbers(flags: Flags) -> None:
    if flags.shard_size < 1:
        raise UsageError(f"--shard-size {flags.shard_size}; allowed is 1 or more")
    if flags.limit is not None and flags.limit < 1:
        raise UsageError(f"--limit {flags.limit}; allowed is 1 or more")
    if not 0 <= flags.max_reject_rate <= 1:
        raise UsageError(f"--max-reject-rate {flags.max_reject_rate}; allowed is 0 to 1")


def columns_of(name: str, words: Sequence[str], kind: Kind = kinds.TRYON) -> tuple[str, ...]:
    """Columns that a list of columns and annotators means; an annotator's name means all that it writes."""
    groups = registry.groups()
    known = set(kind.fields) - set(kind.base) | {column for columns in groups.values() for column in columns}
    found: list[str] = []
    for word in words:
        if word not in groups and word not in known:
            allowed = sorted(known | set(groups))
            raise UsageError(f"--{name} {word!r}; allowed are {', '.join(allowed)}{suggestion(word, allowed)}")
        found += groups.get(word, (word,))
    return tuple(sorted(set(found)))


def skipped(
    words: Sequence[str], named: Sequence[str] | None, running: Sequence[str], kind: Kind = kinds.TRYON
) -> tuple[str, ...]:
    """Columns that `--skip` means: a column's name that column, an annotator's what no other running one writes.

    Raises UsageError for an annotator that `--annotators` names too.
    """
    columns_of("skip", words, kind)
    groups = registry.groups()
    clash = sorted(set(words) & set(groups) & set(named or ()))
    if clash:
        raise UsageError(f"{clash[0]!r} is in both --annotators and --skip; allowed is one of them")
    others = {column for name in running if name not in words for column in groups[name]}
    found: set[str] = set()
    for word in words:
        found.update(column for column in groups.get(word, (word,)) if word not in groups or column not in others)
    return tuple(sorted(found))


def chosen(
    names: Sequence[str] | None, configs: Mapping[str, Any], kind: Kind = kinds.TRYON
) -> tuple[tuple[str, Any], ...]:
    """(name, Config) of the named annotators, or of the kind's default ones, in the order they run.

    Raises UsageError.
    """
    asked = names if names is not None else DEFAULTS.get(kind.name, Defaults()).annotators
    known = annotators.names()
    for name in asked:
        if name not in known:
            near = suggestion(name, known)
            raise UsageError(f"--annotators {name!r}; allowed are {', '.join(known)}{near}")
    running = {name: configs[name] for name in asked}
    return tuple((name, running[name]) for name in annotators.order(running))


def run_of(configuration: Configuration) -> dict[str, Any]:
    """What `_run.json` says of a build from a dataset; `from_json` reads its configuration back."""
    plain = {key: getattr(configuration, key) for key in configuration.__dataclass_fields__ if key != "annotators"}
    configs = [[name, asdict(config)] for name, config in configuration.annotators]
    return {"build": "dataset", "configuration": plain | {"annotators": configs}}


def from_json(plain: dict[str, Any]) -> Configuration:
    """Raises UsageError where this version no longer knows an annotator or a setting of it."""
    try:
        hints = get_type_hints(Configuration) | {"annotators": list[tuple[str, dict[str, Any]]]}
        misfit = json_shape.misfit(plain, hints)
        if misfit or plain["format"] not in shards.FORMATS or plain["kind"] not in kinds.KINDS:
            raise ValueError(misfit or "format or kind is unknown")
        running = tuple((name, annotators.load(name).Config(**values)) for name, values in plain["annotators"])
        rest: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        for pairs in ("digests", "source_options"):
            rest[pairs] = tuple((name, value) for name, value in rest[pairs])
        return Configuration(**{**rest, "annotators": running})
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"_run.json is of another version: {error}") from None
