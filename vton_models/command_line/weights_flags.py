"""The weights that a command line names: a run of ours, or published ones on their base."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from schemas.cli.flags import UsageError, flag, one_line
from schemas.folders import copies
from vton_models.command_line import model_flags
from vton_models.system import Config, Model, System
from vton_models.training.run_folder import Run
from vton_models.training.settings import MEMORY

if TYPE_CHECKING:
    from vton_models.networks.memory import Use

_SIZE = ("height", "width")
_ALLOWED = (
    "the folder of a run or its hub id owner/name, base:PATH or base:owner/name (with --official PATH), or random"
)


@dataclass(frozen=True)
class WeightsFlags:
    """Which weights, and where they compute."""

    weights: str = flag(help=_ALLOWED, metavar="RUN|base:PATH")
    official: str = flag("", help="published weights of the model, beside base:PATH", metavar="PATH")
    base: str = flag("", help="where the base of a RUN lies, if not where it lay in training", metavar="PATH")
    tiny: bool = flag(False, help="with `--weights random`: small networks, to try the command")
    memory: str = flag("full", help="low and medium need less and are slower", choices=MEMORY)
    device: str = flag("auto", help="where to compute", choices=("auto", "cpu", "cuda"))

    @property
    def of_a_run(self) -> bool:
        return self.weights != "random" and not self.weights.startswith("base:")


@dataclass(frozen=True)
class ChosenWeights:
    """Checked flags, and the Config of the model that they will give; nothing is loaded yet."""

    name: str
    system: System
    flags: WeightsFlags
    options: Mapping[str, Any]  # of the Config, as the command line names them
    config: Config


def check(name: str, system: System, flags: WeightsFlags, options: Mapping[str, Any]) -> ChosenWeights:
    """Raises UsageError for weights that aren't there or don't fit the flags; loads nothing."""
    if flags.tiny and flags.weights != "random":
        raise UsageError("--tiny stands beside --weights random only")
    flags = replace(flags, official=_here("--official", flags.official))
    if flags.of_a_run:
        flags = replace(flags, weights=_run_here(flags.weights))
        return ChosenWeights(name, system, flags, options, _config_of_run(name, system, flags, options))
    if flags.base:
        raise UsageError(f"--base {flags.base} stands beside the folder of a run; here allowed is --weights base:PATH")
    if flags.official and not Path(flags.official).exists():
        raise UsageError(f"--official {flags.official}: no such file or folder")
    config = model_flags.configure(system, None, flags.tiny, options)
    if flags.weights != "random":
        from vton_models.training import loading

        loading.check_base(flags.weights.removeprefix("base:"), config.networks, f"--weights {flags.weights}")
    return ChosenWeights(name, system, flags, options, config)


def _here(flag_name: str, place: str) -> str:
    """The place, or that of its copy on this machine. Raises UsageError for a URL where nothing is."""
    if not copies.is_far(place):
        return place
    copies.check(flag_name, place)
    return str(copies.local(place))


def _run_here(place: str) -> str:
    """The folder of a run, or that of its copy on this machine where it lies on the hub or on a store."""
    from vton_models.networks import hub

    if not hub.is_id(place):
        return _here("--weights", place)
    try:
        return str(hub.run(place))
    except UsageError as error:
        raise UsageError(f"--weights {place}: no such folder; {error}; allowed are {_ALLOWED}") from None


def build(chosen: ChosenWeights) -> tuple[Model, str]:
    """(model, digest of all its weights), ready to sample on its device. Raises UsageError for what can't be loaded."""
    from vton_models.networks import memory

    device = pick_device(chosen.flags.device)
    model = _loaded(chosen, memory.Use(chosen.flags.memory, device))
    digest = model.digest()
    memory.apply_memory(model, chosen.flags.memory)
    model.to(device)
    return model, digest


def is_tiny(chosen: ChosenWeights) -> bool:
    """Whether the networks are those of `--tiny`, drawn now or trained before."""
    if chosen.flags.of_a_run:
        return bool(_described(chosen.name, chosen.flags).get("tiny"))
    return chosen.flags.tiny


def trained_masks(chosen: ChosenWeights) -> Mapping[str, Sequence[str]]:
    """Category → the recipes of the masks that a run was trained with; empty where that isn't known."""
    if not chosen.flags.of_a_run:
        return {}
    counts = _described(chosen.name, chosen.flags).get("counts") or {}
    return dict(counts.get("mask_recipes") or {})


def pick_device(asked: str) -> str:
    """ "cpu" or "cuda". Raises UsageError for a GPU that isn't there."""
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda, but there is no GPU here; allowed are auto, cpu")
    return "cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu"


def _config_of_run(name: str, system: System, flags: WeightsFlags, options: Mapping[str, Any]) -> Config:
    from vton_models.networks import weights

    described = _described(name, flags)
    for option in options:
        if option not in _SIZE:
            word = option.replace("_", "-")
            raise UsageError(f"--{word} beside a run, which has its own; allowed are --height and --width")
    try:
        config = replace(weights.config_from_json(cast(Any, system.Config), described["config"]), **options)
        config.check_size()
    except (ValueError, KeyError) as error:
        raise UsageError(f"--weights {flags.weights}: {one_line(error)}") from None
    return cast(Config, config)


def _described(name: str, flags: WeightsFlags) -> dict[str, Any]:
    """config.json of the run that `--weights` names, or to whose checkpoint it leads. Raises UsageError."""
    if flags.official:
        raise UsageError("--official stands beside --weights base:PATH; a run has its own weights")
    folder = Path(flags.weights)
    if not folder.is_dir():
        raise UsageError(f"--weights {flags.weights}: no such folder; allowed are {_ALLOWED}")
    is_checkpoint = (folder / "state.json").is_file()
    described = Run(folder.parent.parent if is_checkpoint else folder).described()
    if described is None:
        raise UsageError(f"--weights {flags.weights} is no training run (no config.json); allowed are {_ALLOWED}")
    if described.get("model") != name:
        raise UsageError(f"--weights {flags.weights} holds model {described.get('model')!r}; allowed is {name!r}")
    return described


def _loaded(chosen: ChosenWeights, use: "Use") -> Model:
    from vton_models.training import loading

    flags = chosen.flags
    if not flags.of_a_run:
        start = loading.Start(flags.weights.removeprefix("base:"), flags.official)
        return loading.build(chosen.system, chosen.config, start, None, use)
    _, model, _ = loading.load(flags.weights, flags.base, use)
    model.config = replace(model.config, **chosen.options)
    model.config.check_size()
    return model
