"""Which model, in which configuration: a preset, `--tiny`, and the model's own options as flags."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import vton_models
from schemas.cli import flags
from schemas.cli.flags import Dataclass, Parsed, Section, UsageError
from schemas.cli.suggestions import suggestion
from vton_models.system import Preset, System
from vton_models.training.settings import Settings

Flags = TypeVar("Flags", bound=Dataclass)


@dataclass(frozen=True)
class Line(Generic[Flags]):
    """A command line about one model; `options` are the fields of the model's Config that it names."""

    name: str
    module: System
    flags: Flags
    options: Mapping[str, Any]
    parsed: Parsed


def parse(
    arguments: Sequence[str],
    config: type[Flags],
    *,
    prog: str,
    description: str,
    examples: str,
    sections: Callable[[System], Sequence[Section[Any]]] = lambda module: (),
    about: Callable[[System], str] = lambda module: str(module.__doc__),
) -> Line[Flags]:
    """The flags of a command, after the model's name its options, and those of further `sections` that it brings.

    `about` is what the help says of the model. Raises UsageError; `--help` prints and ends the process, as does a
    line without any word.
    """
    own = Section(config)
    if not arguments or arguments[0] in ("-h", "--help"):
        told = f"{description}\n\nmodels: {', '.join(vton_models.names())}"
        flags.parse_sections(["--help"], [own], prog=f"{prog} MODEL", description=told, examples=examples)
    module = named(arguments)
    further = list(sections(module))
    taken = {section.flag_of(item) for section in (own, *further) for item in section.fields}
    model = Section(module.Config, only=lambda item: not item.metadata.get("runtime"))
    offered = {item.name for item in model.fields if model.flag_of(item) not in taken}
    model = replace(model, only=lambda item: item.name in offered)
    told, prog = f"{description}\n\n{about(module)}", f"{prog} {arguments[0]}"
    parsed = flags.parse_sections(arguments[1:], [own, *further, model], prog=prog, description=told, examples=examples)
    return Line(arguments[0], module, parsed.of(own), parsed.named(model), parsed)


def named(arguments: Sequence[str]) -> System:
    """The model module that a command's first word names. Raises UsageError."""
    word = arguments[0] if arguments else ""
    if word not in vton_models.names():
        there = ", ".join(vton_models.names())
        near = suggestion(word, vton_models.names())
        raise UsageError(f"{f'unknown model {word!r}' if word else 'a model is missing'}; there are {there}{near}")
    return vton_models.load(word)


def preset(module: System, name: str) -> Preset | None:
    """Raises UsageError for an unknown name."""
    if name and name not in module.PRESETS:
        near = suggestion(name, module.PRESETS)
        raise UsageError(f"--preset {name!r}; allowed are {', '.join(module.PRESETS)}{near}")
    return module.PRESETS[name] if name else None


def configure(
    module: System, chosen: Preset | None, tiny: bool, given: Mapping[str, Any], begun_from: Any = None
) -> Any:
    """The model's Config: flags before preset before defaults; a tiny one keeps its size whatever the preset says.

    `begun_from`, the Config of the run that this one starts from, takes the place of the defaults. Raises UsageError
    for a value or a size that the network can't hold.
    """
    values: dict[str, Any] = dict(chosen.model) if chosen else {}
    if chosen and not tiny:
        values |= {"height": chosen.height, "width": chosen.width}
    try:
        values |= given
        if begun_from is not None:
            config = replace(begun_from, **values)
        else:
            config = (module.Config.tiny if tiny else module.Config)(**values)
        config.check_size()
    except ValueError as error:
        raise UsageError(flags.one_line(error)) from None
    return config


def presets_table(module: System) -> list[tuple[str, ...]]:
    """A head and a row per preset: name, data, size, steps, batch, learning rate, changed options."""
    rows: list[tuple[str, ...]] = [("preset", "data", "size", "steps", "batch", "lr", "options", "source")]
    for name, item in module.PRESETS.items():
        options = " ".join(f"{key}={value}" for key, value in item.model.items()) or "-"
        size, rate = f"{item.height}x{item.width}", f"{item.learning_rate:g} {item.lr_schedule or Settings.lr_schedule}"
        rows.append((name, item.data, size, str(item.steps), str(item.global_batch_size), rate, options, item.source))
    return rows
