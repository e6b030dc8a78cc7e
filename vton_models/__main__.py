"""Trains and samples try-on systems from shards."""

import ast
import importlib
import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from schemas.cli import flags
from schemas.cli.flags import UsageError
from vton_models import commands

PROG = "python -m vton_models"
EXAMPLES = """\
  python -m vton_models list
  python -m vton_models train catvton --help
  python -m vton_models train catvton --shards output/build_vitonhd --tiny"""


def summaries() -> dict[str, str]:
    """Subcommand → first line of its module's docstring, read without importing it."""
    found = {}
    for item in pkgutil.iter_modules(commands.__path__):
        source = (Path(commands.__path__[0]) / f"{item.name}.py").read_text(encoding="utf-8")
        found[item.name] = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    return found


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError for an unknown command."""
    known = summaries()
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, known))
        print(f"{PROG} COMMAND --help\n\n{__doc__}\n")
        print("\n".join(f"  {name:<{width}}  {summary}" for name, summary in known.items()))
        print(f"\nexamples:\n{EXAMPLES}")
        return 0
    if arguments[0] not in known:
        raise UsageError(f"unknown command {arguments[0]!r}; there are {', '.join(known)}")
    code: int = importlib.import_module(f"vton_models.commands.{arguments[0]}").main(arguments[1:])
    return code


def quiet(arguments: Sequence[str]) -> int:
    """As `main`; of several processes only the first says what is wrong."""
    try:
        return main(arguments)
    except UsageError:
        if os.environ.get("RANK", "0") != "0":
            return 2
        raise


if __name__ == "__main__":
    flags.run(quiet, PROG)
