"""What every builder command shares: flags, the annotators' own flags, and how failures end."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import annotators
from pipelines.building.configuration import Flags, RunFlags
from schemas.cli import flags

Given = TypeVar("Given", bound=RunFlags)


def parser(command: str, description: str, examples: str, config: type[RunFlags] = Flags) -> flags.Parser:
    """The flags of `config`, and `--<annotator>-<option>` for every option of every annotator."""
    made = flags.parser(f"python -m pipelines.{command}", description, examples, config)
    for name in annotators.names():
        flags.add_flags(made, annotators.load(name).Config, prefix=f"{name}_", only=_is_option)
    return made


def parse(
    made: flags.Parser, arguments: Sequence[str], config: type[Given]
) -> tuple[Given, dict[str, dict[str, Any]], tuple[str, ...]]:
    """The command's flags, annotator → its own settings as given, and what is left for the engine."""
    shared, values, rest = parse_own(made, arguments, config)
    settings = {}
    for name in annotators.names():
        own = [item.name for item in fields(annotators.load(name).Config) if _is_option(item)]
        settings[name] = {option: values[f"{name}_{option}"] for option in own}
    return shared, settings, rest


def parse_own(
    made: flags.Parser, arguments: Sequence[str], config: type[Given]
) -> tuple[Given, dict[str, Any], tuple[str, ...]]:
    """The command's flags, all values as given, and what is left for the engine."""
    given, rest = made.parse_known_args(list(arguments))
    values = vars(given)
    stray = [word for word in rest if not word.startswith("-")]
    if stray and (rest.index(stray[0]) == 0 or not rest[rest.index(stray[0]) - 1].startswith("--")):
        raise flags.UsageError(f"unexpected word {stray[0]!r}; allowed are flags only, see --help")
    return config(**{item.name: values[item.name] for item in fields(config)}), values, tuple(rest)


def run(request: Any) -> int:
    """Builds; ends as `guarded` does."""
    from pipelines.building.build import build

    return guarded(request.command, lambda: build(request))


def guarded(command: str, work: Callable[[], int]) -> int:
    """The exit code; a build that can't go on ends as one line on stderr and exit code 1."""
    from pipelines.building.build import BuildError
    from pipelines.building.finishing import Incomplete

    try:
        return work()
    except (BuildError, Incomplete) as error:
        print(f"python -m pipelines.{command}: {flags.one_line(error)}", file=sys.stderr)
        return 1


def _is_option(item: Any) -> bool:
    """Runtime fields follow from --device and --weights, the choice of a person from --person and --nobody."""
    return not item.metadata.get("runtime") and item.name not in ("person", "nobody")
