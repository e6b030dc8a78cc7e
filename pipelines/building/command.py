"""What every command that makes shards shares: its flags, those of annotators and engines, and how failures end."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import Any, TypeVar

import annotators
from pipelines import runners
from pipelines.building.configuration import AnnotatorFlags, Line, RunFlags, configs_of
from schemas.cli import flags
from schemas.cli.flags import Section

Own = TypeVar("Own", bound=RunFlags)


def parse(command: str, description: str, examples: str, config: type[Own], arguments: Sequence[str]) -> Line[Own]:
    """The flags of `config`, those of every engine and, where annotators run, `--<annotator>-<option>` for each option.

    Raises UsageError, also for a flag that the chosen engine doesn't know.
    """
    own = Section(config)
    of_annotators = _annotator_sections() if issubclass(config, AnnotatorFlags) else {}
    parsed = flags.parse_sections(
        arguments,
        [own, *runners.sections(), *of_annotators.values()],
        prog=f"python -m pipelines.{command}",
        description=description,
        examples=examples,
        rest=True,
    )
    parsed_flags = parsed.of(own)
    engine = runners.chosen(parsed_flags.runner, parsed)
    configs = {}
    if isinstance(parsed_flags, AnnotatorFlags):
        options = {name: parsed.named(section) for name, section in of_annotators.items()}
        configs = configs_of(parsed_flags, options, engine.engine.REMOTE)
    return Line(command, parsed_flags, engine, configs)


def _annotator_sections() -> dict[str, Section[Any]]:
    return {
        name: Section(annotators.load(name).Config, prefix=f"{name}_", only=_is_option) for name in annotators.names()
    }


def run(request: Any) -> int:
    """Builds; ends as `guarded` does."""
    from pipelines.building.build import build

    return guarded(request.line.command, lambda: build(request))


def guarded(command: str, work: Callable[[], int]) -> int:
    """The exit code; a build that can't go on ends as one line on stderr and exit code 1."""
    from pipelines.building.build import BuildError
    from pipelines.building.finishing import Incomplete

    try:
        return work()
    except (BuildError, Incomplete) as error:
        print(f"python -m pipelines.{command}: {flags.one_line(error)}", file=sys.stderr)
        return 1


def _is_option(item: Field[Any]) -> bool:
    """Runtime fields follow from --device and --weights, the choice of a person from --person and --nobody."""
    return not item.metadata.get("runtime") and item.name not in ("person", "nobody")
