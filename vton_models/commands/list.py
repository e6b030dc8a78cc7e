"""Systems: papers, licences, parameters, published recipes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import vton_models
from schemas.cli import flags, tables
from schemas.cli.flags import flag
from vton_models.command_line import model_flags
from vton_models.system import System

EXAMPLES = """\
  python -m vton_models list
  python -m vton_models list --table
  python -m vton_models list --presets"""


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    table: bool = flag(False, help="as a Markdown table")
    presets: bool = flag(False, help="the published training recipes instead, with their numbers")


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    own = flags.parse(arguments, Flags, prog="python -m vton_models list", description=__doc__ or "", examples=EXAMPLES)
    systems = {name: vton_models.load(name) for name in vton_models.names()}
    head, *rows = _recipes(systems) if own.presets else _systems(systems)
    if own.table:
        print(tables.markdown(tables.Table("", head, tuple(rows))), end="")
    else:
        print(tables.listed([head, *rows]))
    return 0


def _systems(systems: dict[str, System]) -> Iterator[tuple[str, ...]]:
    yield "model", "title", "paper", "repository", "licence", "parameters", "trainable", "base", "presets"
    for name, system in systems.items():
        about, presets = system.ABOUT, ", ".join(system.PRESETS)
        counts = f"{about.parameters:,}", f"{about.trainable:,}"
        yield name, about.title, about.paper, about.repository, about.licence, *counts, about.base, presets


def _recipes(systems: dict[str, System]) -> Iterator[tuple[str, ...]]:
    head = True
    for name, system in systems.items():
        rows = model_flags.presets_table(system)
        if head:
            yield "model", *rows[0]
            head = False
        yield from ((name, *row) for row in rows[1:])
