"""The weights that a command line names: a run of ours, or published ones on their base."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from schemas.cli.flags import UsageError, flag, one_line
from vton_models.command_line import model_flags
from vton_models.training.run_folder import Run
from vton_models.training.settings import MEMORY

_SIZE = ("height", "width")
_ALLOWED = "the folder of a run, base:PATH (with --official PATH) or random"


@dataclass(frozen=True)
class WeightsFlags:
    """Which weights, and where they compute."""

    weights: str = flag(help=_ALLOWED, metavar="RUN|base:PATH")
    official: str = flag("", help="published weights of the model, beside base:PATH", metavar="PATH")
    base: str = flag("", help="where the base of a RUN lies, if not where it lay in training", metavar="PATH")
    tiny: bool = flag(False, help="with `--weights random`: small networks, to try the command")
    memory: str = flag("full", help="low and medium need less and are slower", choices=MEMORY)
    device: str = flag("auto", help="where to compute", choices=("auto", "cpu", "cuda"))


@dataclass(frozen=True)
class Given:
    """Checked flags: `config` is None for a run, which has its own."""

    name: str
    module: ModuleType
    flags: WeightsFlags
    options: Mapping[str, Any]
    config: Any

    @property
    def mask_free(self) -> bool:
        """Whether the model reads no mask, known before anything is loaded."""
        if self.config is not None:
            return bool(getattr(self.config, "mask_free", False))
        described = Run(_run_folder(self.flags.weights)).described() or {}
        return bool(described.get("config", {}).get("mask_free", False))


def check(name: str, module: ModuleType, flags: WeightsFlags, options: Mapping[str, Any]) -> Given:
    """Raises UsageError for weights that aren't there or don't fit the flags; loads nothing."""
    is_run = flags.weights != "random" and not flags.weights.startswith("base:")
    if flags.tiny and flags.weights != "random":
        raise UsageError("--tiny stands beside --weights random only")
    if is_run:
        _check_run(name, flags, options)
        return Given(name, module, flags, options, None)
    if flags.base:
        raise UsageError(f"--base {flags.base} stands beside the folder of a run; here allowed is --weights base:PATH")
    path = flags.weights.removeprefix("base:")
    if flags.weights != "random" and not Path(path).is_dir():
        raise UsageError(f"--weights {flags.weights}: no such folder; allowed are {_ALLOWED}")
    if flags.official and not Path(flags.official).exists():
        raise UsageError(f"--official {flags.official}: no such file or folder")
    return Given(name, module, flags, options, model_flags.configure(module, None, flags.tiny, options))


def build(given: Given) -> tuple[Any, str]:
    """(model, digest of all its weights), ready to sample on its device. Raises UsageError for what can't be loaded."""
    from vton_models.networks import memory

    device = pick_device(given.flags.device)
    model = _loaded(given)
    digest = model.digest()
    memory.apply_memory(model, given.flags.memory)
    model.to(device)
    return model, digest


def outline(given: Given) -> Any:
    """The model in shapes alone, to ask what it reads. Raises UsageError for a size that it can't hold."""
    import torch

    from vton_models.networks import weights

    config = given.config
    try:
        if config is None:
            described = Run(_run_folder(given.flags.weights)).described() or {}
            config = replace(weights.config_from_json(given.module.Config, described["config"]), **given.options)
        with torch.device("meta"):
            return given.module.build(config)
    except (ValueError, KeyError) as error:
        raise UsageError(f"--weights {given.flags.weights}: {one_line(error)}") from None


def pick_device(wanted: str) -> str:
    """ "cpu" or "cuda". Raises UsageError for a GPU that isn't there."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda, but there is no GPU here; allowed are auto, cpu")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def _check_run(name: str, flags: WeightsFlags, options: Mapping[str, Any]) -> None:
    if flags.official:
        raise UsageError("--official stands beside --weights base:PATH; a run has its own weights")
    if not Path(flags.weights).is_dir():
        raise UsageError(f"--weights {flags.weights}: no such folder; allowed are {_ALLOWED}")
    described = Run(_run_folder(flags.weights)).described()
    if described is None:
        raise UsageError(f"--weights {flags.weights} is no training run (no config.json); allowed are {_ALLOWED}")
    if described.get("model") != name:
        raise UsageError(f"--weights {flags.weights} holds model {described.get('model')!r}; allowed is {name!r}")
    for option in options:
        if option not in _SIZE:
            word = option.replace("_", "-")
            raise UsageError(f"--{word} beside a run, which has its own; allowed are --height and --width")


def _run_folder(path: str) -> Path:
    """Of a run, or of the run to which a checkpoint belongs."""
    folder = Path(path)
    return folder.parent.parent if (folder / "state.json").is_file() else folder


def _loaded(given: Given) -> Any:
    from vton_models.training import loading

    if given.config is not None:
        path = given.flags.weights.removeprefix("base:")
        return loading.build(given.module, given.config, loading.Start(path, given.flags.official), None)
    _, model, _ = loading.load(given.flags.weights, given.flags.base)
    model.config = replace(model.config, **given.options)
    model.config.check_size()
    return model
