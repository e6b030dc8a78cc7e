"""What every builder command shares: flags, the annotators' own flags, and how failures end."""

import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import annotators
from annotators.common import flags
from pipelines.configuration import Flags


def parser(command: str, description: str, examples: str) -> flags.Parser:
    """The shared flags, and `--<annotator>-<option>` for every option of every annotator."""
    made = flags.parser(f"python -m pipelines.{command}", description, examples, Flags)
    for name in annotators.names():
        flags.add_flags(made, annotators.load(name).Config, prefix=f"{name}_", only=_is_option)
    return made


def parse(made: flags.Parser, arguments: Sequence[str]) -> tuple[Flags, dict[str, dict[str, Any]], tuple[str, ...]]:
    """Shared flags, annotator → its own settings as given, and what is left for the engine."""
    given, rest = made.parse_known_args(list(arguments))
    values = vars(given)
    shared = Flags(**{item.name: values[item.name] for item in fields(Flags)})
    settings = {}
    for name in annotators.names():
        own = [item.name for item in fields(annotators.load(name).Config) if _is_option(item)]
        settings[name] = {option: values[f"{name}_{option}"] for option in own}
    stray = [word for word in rest if not word.startswith("-")]
    if stray and (rest.index(stray[0]) == 0 or not rest[rest.index(stray[0]) - 1].startswith("--")):
        raise flags.UsageError(f"unexpected word {stray[0]!r}; allowed are flags only, see --help")
    return shared, settings, tuple(rest)


def run(request: Any) -> int:
    """Builds; a build that can't go on ends as one line on stderr and exit code 1."""
    from pipelines.build import BuildError, build
    from pipelines.finish import Incomplete

    try:
        return build(request)
    except (BuildError, Incomplete) as error:
        print(f"python -m pipelines.{request.command}: {flags.one_line(error)}", file=sys.stderr)
        return 1


def _is_option(item: Any) -> bool:
    """Runtime fields follow from --device and --weights, the choice of a person from --person and --nobody."""
    return not item.metadata.get("runtime") and item.name not in ("person", "nobody")
