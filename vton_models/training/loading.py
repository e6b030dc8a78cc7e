"""What a model starts from: a published base, an official checkpoint, another run, or random networks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import vton_models
from schemas.cli.flags import UsageError, one_line
from schemas.folders import atomic
from vton_models.networks import weights
from vton_models.system import Config, Model, System
from vton_models.training import checkpoints
from vton_models.training.run_folder import Run

RANDOM = "random"


@dataclass(frozen=True)
class Start:
    """Paths as given; `base` may be "random"."""

    base: str = ""
    official: str = ""
    run: str = ""

    def described(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Base:
    """A folder in diffusers' layout, or "random"; `random` when a run saved its random networks there."""

    folder: str
    random: bool = False


def parse(words: Sequence[str], tiny: bool) -> Start:
    """`--init` words: base:PATH, official:PATH, random, or the folder of a run. Raises UsageError."""
    found: dict[str, str] = {}
    for word in words:
        kind, _, path = word.partition(":")
        kind, path = (RANDOM, RANDOM) if word == RANDOM else (kind, path)
        if kind not in ("base", "official", RANDOM):
            kind, path = "run", word
        key = "base" if kind == RANDOM else kind
        if key in found:
            raise UsageError(f"--init {word!r} after {found[key]!r}; allowed is one {key}")
        if kind != RANDOM and not Path(path).exists():
            raise UsageError(f"--init {word!r}: {path or 'no path'} doesn't exist; allowed are {_ALLOWED}")
        found[key] = path
    start = Start(**found)
    if start.run and (start.base or start.official):
        raise UsageError(f"--init {start.run!r} beside another; allowed is a run alone")
    if start.run:
        _description(Run(start.run))
    elif not start.base:
        if not tiny:
            raise UsageError(f"--init is missing; allowed are {_ALLOWED}, or --tiny for random networks")
        start = Start(RANDOM, start.official)
    return start


_ALLOWED = "base:PATH, official:PATH beside a base, the folder of a run, random"


def build(system: System, config: Config, start: Start, run: Run | None) -> Model:
    """The model with its weights, on the CPU; networks that `run` has saved count before the given base.

    Raises UsageError for what can't be loaded.
    """
    base = _base_folder(start, run)
    try:
        model = _with_base(system, config, base)
        if base.random and not start.run:
            model.config = config  # as when they were drawn; files on disk spell out more of the networks' defaults
        if start.official:
            model.load_official(start.official)
        if start.run:
            _load_run(model, Run(start.run))
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    return model


def save_random_base(model: Model, run: Run) -> None:
    """So that a model on random networks can be built again, whatever the version of torch."""
    if model.base["path"] == RANDOM and not run.base.is_dir():
        with atomic.new_folder(run.base) as folder:
            model.save_base(folder)


def load(path: str | Path, base: str = "") -> tuple[System, Model, dict[str, Any]]:
    """(system, model, config.json) of a run, or of one of its checkpoints `RUN/checkpoints/step-N`.

    Final weights if the run has ended, else those of its newest checkpoint; averages where they are kept. `base`
    takes the place of the path that the run was started with. Raises UsageError.
    """
    path = Path(path)
    is_checkpoint = (path / checkpoints.STATE).is_file()
    run = Run(path.parent.parent if is_checkpoint else path)
    description = _description(run)
    system = vton_models.load(description["model"])
    config = weights.config_from_json(system.Config, description["config"])
    try:
        model = _with_base(system, config, Base(base) if base else _resolved(run, description))
        if not is_checkpoint and run.model.is_dir():
            model.load(run.model)
        else:
            checkpoint = path if is_checkpoint else checkpoints.newest(run.checkpoints)
            if checkpoint is None:
                raise UsageError(f"{path} has no checkpoint yet")
            file = _weights_file(checkpoint)
            checkpoints.load_weights(file, model.trainable())
            model.lay([file])
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    return system, model, description


def _with_base(system: System, config: Config, base: Base) -> Model:
    """Shapes alone until a base fills them: full-size random weights would take a minute to draw."""
    if base.folder == RANDOM:
        return system.build(config)
    with torch.device("meta"):
        model = system.build(config)
    model.load_base(base.folder)
    if base.random:
        model.base = model.base | {"path": RANDOM}
    return model


def _base_folder(start: Start, run: Run | None) -> Base:
    if run is not None and run.base.is_dir():
        return Base(str(run.base), random=True)
    if start.run:
        return _resolved(Run(start.run), _description(Run(start.run)))
    return Base(start.base)


def _resolved(run: Run, description: dict[str, Any]) -> Base:
    """The base of a run: its own random networks, or the path that it was started with. Raises UsageError."""
    if run.base.is_dir():
        return Base(str(run.base), random=True)
    path: str = description["base"]["path"]
    if path != RANDOM and not Path(path).exists():
        raise UsageError(
            f"{run.path} was trained from base {path}, which isn't there (digest {description['base']['digest']});"
            " allowed is its folder"
        )
    return Base(path)


def _load_run(model: Model, run: Run) -> None:
    """The other run's weights, which may be fewer than what is trained now, but not more. Raises UsageError."""
    checkpoint = checkpoints.newest(run.checkpoints)
    if checkpoint is None:
        raise UsageError(f"--init {run.path} has no checkpoint; allowed is a run with checkpoints")
    file = _weights_file(checkpoint)
    stored = weights.read(file)
    trained = model.trainable()
    frozen = sorted(set(stored) - set(trained))
    if frozen:
        raise UsageError(
            f"--init {run.path} trained {frozen[0]}, which is frozen here; allowed is to train at least that"
        )
    weights.assign({name: trained[name] for name in stored}, stored, run.path)
    model.lay([file])


def _weights_file(checkpoint: Path) -> Path:
    averaged = checkpoint / checkpoints.EMA
    return averaged if averaged.is_file() else checkpoint / checkpoints.WEIGHTS


def _description(run: Run) -> dict[str, Any]:
    found = run.described()
    if found is None:
        raise UsageError(f"{run.path} is no training run (no config.json)")
    return found
