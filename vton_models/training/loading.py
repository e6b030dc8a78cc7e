"""What a model starts from: a published base, an official checkpoint, another run, or random networks."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import vton_models
from schemas.cli.flags import UsageError, one_line
from schemas.folders import atomic, copies
from vton_models.networks import bases, components, hub, lora, memory, weights
from vton_models.networks.bases import Bases
from vton_models.networks.components import Network
from vton_models.networks.lora import Lora
from vton_models.networks.memory import Use
from vton_models.system import Config, Model, System
from vton_models.training import checkpoints
from vton_models.training.run_folder import Run

RANDOM = "random"


@dataclass(frozen=True)
class Start:
    """Paths as on the command line; `base` is words of `networks.bases`, or "random"."""

    base: str = ""
    official: str = ""
    run: str = ""

    def described(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Base:
    """Where networks come from, None being random ones; `random` when a run saved its random networks there."""

    bases: Bases | None
    random: bool = False


def parse(words: Sequence[str], tiny: bool, networks: Mapping[str, Network]) -> Start:
    """`--init` words: base:BASE, official:PATH, random, or the folder of a run. Raises UsageError.

    A base is checked as far as can be without asking the hub; `networks` are those that it must bring.
    """
    named: dict[str, str] = {}
    for word in words:
        kind, _, path = word.partition(":")
        kind, path = (RANDOM, RANDOM) if word == RANDOM else (kind, path)
        if kind not in ("base", "official", RANDOM):
            kind, path = "run", word
        key = "base" if kind == RANDOM else kind
        if key in named:
            raise UsageError(f"--init {word!r} after {named[key]!r}; allowed is one {key}")
        if kind == "base":
            check_base(path, networks, f"--init {word!r}")
        elif kind == "run" and hub.is_id(path):
            path = _run_of_hub(word)
        elif kind != RANDOM and copies.is_far(path):
            copies.check(f"--init {word!r}:", path)
            path = str(copies.local(path))
        elif kind != RANDOM and not Path(path).exists():
            raise UsageError(f"--init {word!r}: {path or 'no path'} doesn't exist; allowed are {ALLOWED}")
        named[key] = path
    start = Start(**named)
    if start.run and (start.base or start.official):
        raise UsageError(f"--init {start.run!r} beside another; allowed is a run alone")
    if start.run:
        _description(Run(start.run))
    elif not start.base:
        if not tiny:
            raise UsageError(f"--init is missing; allowed are {ALLOWED}, or --tiny for random networks")
        start = Start(RANDOM, start.official)
    return start


def _run_of_hub(place: str) -> str:
    try:
        return str(hub.run(place))
    except UsageError as error:
        raise UsageError(f"--init {place!r}: it doesn't exist here; {error}; allowed are {ALLOWED}") from None


BASE = "base:PATH or base:owner/name[@revision] of the hub, for some networks base:NETWORK=…,…"
ALLOWED = f"{BASE}, official:PATH beside a base, the folder of a run or its hub id, random"


def check_base(words: str, networks: Mapping[str, Network], flag: str) -> None:
    """Raises UsageError, led by the flag, for a base that isn't there or doesn't name what it must."""
    try:
        bases.check(bases.parse(words), networks)
    except UsageError as error:
        raise UsageError(f"{flag}: {error if words else 'no path'}; allowed are {BASE}") from None


def build(
    system: System, config: Config, start: Start, run: Run | None, use: Use, adapters: Lora | None = None
) -> Model:
    """The model with its weights, on the CPU; networks that `run` has saved count before the base of `start`.

    Raises UsageError for what can't be loaded, and for adapters that the system can't have.
    """
    base = _base_folder(start, run)
    try:
        model = _with_base(system, config, base, use, adapters)
        if base.random and not start.run:
            model.config = config  # as when they were drawn; files on disk spell out more of the networks' defaults
        if run is not None and run.beneath.is_file():
            _load_beneath(model, run)
        elif start.official or start.run:
            _lay(model, start)
        if adapters:
            lora.add(model, adapters)
            memory.choose_dtypes(model, use)
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    return model


def _lay(model: Model, start: Start) -> None:
    """Published weights or those of another run over the base, and a note of what isn't trained of them."""
    parameters = model.parameters()
    frozen = {name: parameter._version for name, parameter in parameters.items() if not parameter.requires_grad}
    if start.official:
        model.load_official(start.official)
    else:
        _load_run(model, Run(start.run))
    model.laid_frozen = {name for name, version in frozen.items() if parameters[name]._version != version}


def save_start(system: System, model: Model, run: Run, start: Start, adapters: Lora | None) -> None:
    """What a trained model stands on where no base holds it.

    Random networks, so that it can be built again whatever the version of torch; and weights that were read over the
    base of what isn't trained now: all of them beneath adapters, which are then all that is stored.
    """
    begun = bool(start.official or start.run)
    if model.base["path"] == RANDOM and not run.base.is_dir():
        bare = _with_base(system, model.config, _base_folder(start, None), Use()) if begun else model
        with atomic.new_folder(run.base) as folder:
            bare.save_base(folder)
    if begun and (adapters or model.laid_frozen) and not run.beneath.is_file():
        with lora.removed(model):
            parameters = model.parameters()
            names = components.trained(model.config.networks, parameters) if adapters else []
            weights.write(run.beneath, {name: parameters[name] for name in {*names, *model.laid_frozen}})


def not_in_base(model: Model) -> list[str]:
    """The trained networks that the model's base lacks; random ones are a base, too."""
    noted = model.base.get("networks") or {}
    trained = [name for name, network in model.config.networks.items() if network.trained]
    return [name for name in trained if name in noted and not noted[name]["path"]]


def _load_beneath(model: Model, run: Run) -> None:
    stored, parameters = weights.read(run.beneath), model.parameters()
    weights.assign({name: parameters[name] for name in stored}, stored, run.beneath)
    model.lay([run.beneath])


def load(path: str | Path, base: str = "", use: Use | None = None) -> tuple[System, Model, dict[str, Any]]:
    """(system, model, config.json) of a run, or of one of its checkpoints `RUN/checkpoints/step-N`.

    Final weights if the run has ended, else those of its newest checkpoint; averages where they are kept, and adapters
    as a part of the weights. `base` takes the place of the path that the run was started with. Raises UsageError.
    """
    path = Path(path)
    is_checkpoint = (path / checkpoints.STATE).is_file()
    run = Run(path.parent.parent if is_checkpoint else path)
    description = _description(run)
    system = vton_models.load(description["model"])
    config = weights.config_from_json(system.Config, description["config"])
    try:
        chosen = Base(bases.parse(base)) if base else _resolved(run, description)
        model = _with_base(system, config, chosen, use or Use())
        if run.beneath.is_file():
            _load_beneath(model, run)
        if not is_checkpoint and run.model.is_dir():
            model.load(run.model)
        else:
            checkpoint = path if is_checkpoint else checkpoints.newest(run.checkpoints)
            if checkpoint is None:
                raise UsageError(f"{path} has no checkpoint yet")
            checkpoints.check(checkpoint)
            _take(model, lora.of_note(description), _weights_file(checkpoint))
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    return system, model, description


def _take(model: Model, adapters: Lora | None, file: Path) -> None:
    """What a checkpoint has of a model that isn't in training."""
    if adapters:
        lora.lay(model, adapters, weights.read(file), file)
    else:
        checkpoints.load_weights(file, model.trainable())
    model.lay([file])


def _with_base(system: System, config: Config, base: Base, use: Use, adapters: Lora | None = None) -> Model:
    """Shapes alone until a base fills them: full-size random weights would take a minute to draw.

    Raises UsageError, before anything is read, for adapters that the system can't have.
    """
    with torch.device("meta") if base.bases else nullcontext():
        model = system.build(config)
    if adapters:
        lora.check(model, adapters)
    if base.bases is None:
        memory.choose_dtypes(model, use)
        return model
    memory.choose_dtypes(model, use)
    model.load_base(base.bases)
    if base.random:
        model.base = _as_random(model.base)
    return model


def _as_random(noted: Mapping[str, Any]) -> dict[str, Any]:
    """The note of a base that the run's own random networks are: it names no folder, as that of the first start."""
    networks = noted.get("networks")
    places = {} if networks is None else {"networks": {name: one | {"path": RANDOM} for name, one in networks.items()}}
    return dict(noted) | {"path": RANDOM} | places


def _base_folder(start: Start, run: Run | None) -> Base:
    if run is not None and run.base.is_dir():
        return Base(Bases(str(run.base)), random=True)
    if start.run:
        return _resolved(Run(start.run), _description(Run(start.run)))
    return Base(None if start.base == RANDOM else bases.parse(start.base))


def _resolved(run: Run, description: dict[str, Any]) -> Base:
    """The base of a run: its own random networks, or where it was started from. Raises UsageError."""
    if run.base.is_dir():
        return Base(Bases(str(run.base)), random=True)
    noted = description["base"]
    if noted["path"] == RANDOM:
        return Base(None)
    base = bases.of_note(noted)
    try:
        bases.check(base, {})
    except UsageError as error:
        raise UsageError(
            f"{run.path} was trained from base {noted['path']}, which isn't there (digest {noted['digest']}): {error};"
            " allowed is its folder"
        ) from None
    return Base(base)


def _load_run(model: Model, run: Run) -> None:
    """The other run's weights, which may be fewer than what is trained now, or more. Raises UsageError.

    Its adapters become part of them.
    """
    adapters = lora.of_note(_description(run))
    if run.beneath.is_file():
        _load_some(model, run, run.beneath)
    checkpoint = checkpoints.newest(run.checkpoints)
    if checkpoint is None:
        raise UsageError(f"--init {run.path} has no checkpoint; allowed is a run with checkpoints")
    file = _weights_file(checkpoint)
    if adapters:
        _take(model, adapters, file)
    else:
        _load_some(model, run, file)


def _load_some(model: Model, run: Run, file: Path) -> None:
    """A part of the parameters, trained now or not."""
    stored, parameters = weights.read(file), model.parameters()
    strange = sorted(set(stored) - set(parameters))
    if strange:
        raise UsageError(f"--init {run.path} trained {strange[0]}, which isn't there in this configuration")
    weights.assign({name: parameters[name] for name in stored}, stored, run.path)
    model.lay([file])


def _weights_file(checkpoint: Path) -> Path:
    averaged = checkpoint / checkpoints.EMA
    return averaged if averaged.is_file() else checkpoint / checkpoints.WEIGHTS


def _description(run: Run) -> dict[str, Any]:
    description = run.described()
    if description is None:
        raise UsageError(f"{run.path} is no training run (no config.json)")
    return description
