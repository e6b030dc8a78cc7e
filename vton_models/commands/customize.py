"""Fine-tunes a system on one person's photo, with or without a photo of the garment that is worn there.

The photos become a shard of one record, RUN/pair, and the run is one of `train`. Without --garment the worn garment is
cut out of the photo onto white.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.cli.flags import Section, UsageError, flag
from schemas.folders import copies, places
from schemas.labels import Category
from vton_models.command_line import model_flags
from vton_models.command_line.weights_flags import pick_device
from vton_models.commands import train
from vton_models.system import Config, System
from vton_models.training.run_folder import Run
from vton_models.training.settings import MEMORY, PRECISIONS

if TYPE_CHECKING:
    import numpy as np

PROG = "python -m vton_models customize"
EXAMPLES = """\
  python -m vton_models customize idm_vton --person me.jpg --garment shirt.jpg --weights base:yisol/IDM-VTON \\
      --output output/me
  python -m vton_models customize idm_vton --person me.jpg --weights output/train/idm_vton --layers attention \\
      --lora-rank 16 --learning-rate 1e-4 --output output/me
  python -m vton_models sample idm_vton --weights output/me --person me.jpg --garment other.jpg"""
_CATEGORIES = tuple(category.value for category in Category)
_REGIONS = {Category.UPPER_BODY: "upper", Category.LOWER_BODY: "lower", Category.DRESSES: "overall"}
_OURS = ("trainable",)  # of the system's options: what --layers says


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    person: str = flag(help="photo of the person", metavar="FILE")
    weights: str = flag(help="what to start from: a RUN, base:BASE or random", metavar="RUN|base:PATH")
    garment: str = flag("", help="photo of the garment that is worn there (default: it is cut out)", metavar="FILE")
    mask: str = flag("", help="what is repainted, white; else annotators draw it", metavar="FILE")
    densepose: str = flag("", help="DensePose picture of the photo; else an annotator draws it", metavar="FILE")
    garment_caption: str = flag("", help='what the garment is: "Long Sleeve T-shirts"')
    category: str = flag(Category.UPPER_BODY.value, help="of the garment", choices=_CATEGORIES)
    annotator_weights: str = flag("", help="folder of the annotators' weights (default as annotators)", metavar="DIR")
    official: str = flag("", help="published weights of the model, beside base:PATH", metavar="PATH")
    layers: str = flag("", help="what is trained of the decoder (default the first of those that the help names)")
    output: str | None = flag(None, help="folder of the run (default output/customize/MODEL)", metavar="RUN")
    tiny: bool = flag(False, help="with `--weights random`: small networks, to try the command")
    overwrite: bool = flag(False, help="begin anew in a folder that holds a run")
    steps: int = flag(100, help="optimizer steps")
    learning_rate: float = flag(1e-6, help="of the optimizer")
    optimizer: str = flag("adam", help="how steps follow from gradients, as for `train`")
    lora_rank: int | None = flag(None, help="train adapters of this rank in place of the layers: less memory")
    seed: int = flag(0, help="of noise and augmentation")
    mixed_precision: str = flag("no", help="of the computation; weights stay float32", choices=PRECISIONS)
    memory: str = flag("full", help="low and medium need less and are slower", choices=MEMORY)
    device: str = flag("auto", help="where to compute", choices=("auto", "cpu", "cuda"))
    threads: int | None = flag(None, help="threads of the CPU, as for `train`")


def main(arguments: Sequence[str]) -> int:
    """The exit code, as `train`'s. Raises UsageError before any work."""
    line = model_flags.parse(
        arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES, about=_with_layers
    )
    flags, output = line.flags, line.flags.output or f"output/customize/{line.name}"
    check(line.name, line.module, flags, line.options)
    words = train_arguments(line.name, flags, line.options, output)
    request = train.parse(words)
    from vton_models.training import pair

    run = Run(output)
    run.held()
    pair.check(run.pair)
    pair.write(run.pair, record(flags, request.config))
    return train.main(words)


def check(name: str, module: System, flags: Flags, options: Any) -> None:
    """Raises UsageError for a system that can't be customised, layers that it hasn't, and folders that aren't there."""
    layers = layers_of(module)
    if not layers:
        raise UsageError(f"{name} can't be customised; `python -m vton_models train {name}` trains it")
    if flags.layers and flags.layers not in layers:
        raise UsageError(f"--layers {flags.layers}; allowed are {', '.join(layers)}")
    for option in _OURS:
        if option in options:
            raise UsageError(f"--{option} beside customize, where --layers says it")
    if flags.annotator_weights:
        places.readable("--annotator-weights", flags.annotator_weights)


def train_arguments(name: str, flags: Flags, options: Any, output: str) -> list[str]:
    """The command line of `train` that this one stands for."""
    module = model_flags.named([name])
    words = [name, "--shards", str(Run(output).pair), "--output", output, *_init(flags)]
    words += ["--trainable", flags.layers or layers_of(module)[0], "--global-batch-size", "1", "--workers", "0"]
    for flag_name in ("steps", "learning_rate", "optimizer", "seed", "mixed_precision", "memory", "device"):
        words += [f"--{flag_name.replace('_', '-')}", str(getattr(flags, flag_name))]
    for flag_name in ("lora_rank", "threads"):
        if getattr(flags, flag_name) is not None:
            words += [f"--{flag_name.replace('_', '-')}", str(getattr(flags, flag_name))]
    words += ["--weight-decay", "0", "--log-every", "1"]
    words += [f"--{word}" for word in ("tiny", "overwrite") if getattr(flags, word)]
    section = Section(module.Config)
    for item in section.fields:
        if item.name in options:
            words += [section.flag_of(item), str(options[item.name])]
    return words


def _init(flags: Flags) -> list[str]:
    """Runs by their whole path, as the new run goes on from wherever it is started."""
    if flags.weights == "random" or flags.weights.startswith("base:"):
        official = ["--init", f"official:{_absolute(flags.official)}"] if flags.official else []
        return ["--init", flags.weights, *official]
    if flags.official:
        raise UsageError("--official stands beside --weights base:PATH; a run has its own weights")
    return ["--init", _absolute(flags.weights)]


def _absolute(place: str) -> str:
    from vton_models.networks import hub

    return place if copies.is_far(place) or hub.is_id(place) else os.path.abspath(place)


def layers_of(module: System) -> tuple[str, ...]:
    """What a system offers to be trained on one pair, values of its option `trainable`; empty where it offers none."""
    layers: tuple[str, ...] = getattr(module.Config, "layers", ())
    return layers


def _with_layers(module: System) -> str:
    layers = layers_of(module)
    return f"{module.__doc__}\n\nlayers: {', '.join(layers) or 'none: it can not be customised'}"


def record(flags: Flags, config: Config) -> dict[str, Any]:
    """The pair with all that the system reads of it, the photo cut as users' photos are. Raises UsageError."""
    from vton_models.networks import crops
    from vton_models.sampling import photo_columns, photo_masks, photos
    from vton_models.system import Purpose

    device, reads = pick_device(flags.device), config.reads("tryon")
    region = _REGIONS[Category(flags.category)]
    masks = photo_masks.of(reads, flags.annotator_weights, device, "--mask FILE")
    columns = photo_columns.of(reads, {"densepose_image": flags.densepose}, flags.annotator_weights, device)
    if not flags.mask:
        masks.check()
    columns.check()
    photo = photos.read(flags.person, "--person")
    garment = photos.read(flags.garment, "--garment") if flags.garment else cut_out(photo, flags, device)
    size = (photo.shape[0], photo.shape[1])
    mask = (
        photos.read_mask(flags.mask, "--mask", size).value if flags.mask else masks.draw(photo, (region,)).masks[region]
    )
    aligned = {"person_image": photo, "agnostic_mask": mask, **columns.read(photo)}
    box = config.prepare(Purpose.PHOTOS).visible(aligned)
    name = f"{photos.name_of(flags.person)}+{photos.name_of(flags.garment) if flags.garment else 'worn'}"
    return {
        "record_id": f"customize/{name}",
        "category": flags.category,
        "person_id": photos.name_of(flags.person),
        "garment_id": photos.name_of(flags.garment or flags.person),
        "garment_image": garment,
        "garment_view": "flat",
        "garment_caption": flags.garment_caption or None,
        **{column: crops.cut(value, box) for column, value in aligned.items()},
    }


def cut_out(photo: "np.ndarray", flags: Flags, device: str) -> "np.ndarray":
    """The garment that the person wears, on white, by a parse of the photo. Raises UsageError."""
    import annotators
    from annotators.common import registry
    from schemas.cli.flags import one_line
    from vton_models.sampling import photo_masks

    column = "worn_garment_image"
    common = {"weights_dir": flags.annotator_weights or None, "device": device}
    configs = {name: registry.config(name, **common) for name in registry.names()}
    configs |= {
        "garment_mask": registry.config("garment_mask", garment_from_person=True, backend="classical", **common)
    }
    lacking = list(photo_masks.missing(configs, "parse"))
    if lacking:
        raise UsageError(
            f"the worn garment is cut out by a parse, and weights for it are missing ({', '.join(lacking)}); ways on:"
            f" --garment FILE, or `python -m annotators fetch {' '.join(lacking)}`"
        )
    seen = {"person_image": photo, "garment_image": photo, "garment_view": "worn", "category": flags.category}
    try:
        (parsed,) = annotators.annotate([seen], ("parse",), device=device, configs=configs)
        (found,) = annotators.annotate([parsed], (column,), device=device, configs=configs)
    except (ValueError, RuntimeError) as error:
        raise UsageError(
            f"no garment can be cut out of --person: {one_line(error)}; allowed is --garment FILE"
        ) from None
    if found.get(column) is None:
        raise UsageError(f"no {flags.category} garment is seen in --person; allowed is --garment FILE")
    cut: np.ndarray = found[column]
    return cut
