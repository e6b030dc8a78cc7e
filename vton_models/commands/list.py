"""Systems: papers, licences, parameters, published recipes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import vton_models
from schemas.cli import flags
from schemas.cli.flags import flag
from vton_models.command_line import model_flags

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
    parser = flags.parser("python -m vton_models list", __doc__ or "", EXAMPLES, Flags)
    given = Flags(**vars(parser.parse_args(list(arguments))))
    modules = {name: vton_models.load(name) for name in vton_models.names()}
    rows = list(_recipes(modules)) if given.presets else list(_systems(modules))
    print(model_flags.markdown(rows) if given.table else model_flags.aligned(rows))
    return 0


def _systems(modules: dict[str, ModuleType]) -> Iterator[tuple[str, ...]]:
    yield "model", "title", "paper", "repository", "licence", "parameters", "trainable", "base", "presets"
    for name, module in modules.items():
        about, presets = module.ABOUT, ", ".join(module.PRESETS)
        counts = f"{about.parameters:,}", f"{about.trainable:,}"
        yield name, about.title, about.paper, about.repository, about.licence, *counts, about.base, presets


def _recipes(modules: dict[str, ModuleType]) -> Iterator[tuple[str, ...]]:
    head = True
    for name, module in modules.items():
        rows = model_flags.presets_table(module)
        if head:
            yield "model", *rows[0]
            head = False
        yield from ((name, *row) for row in rows[1:])
