"""Trains and samples try-on systems from shards."""

import importlib
import os
from collections.abc import Sequence

from schemas.cli import flags
from schemas.cli.flags import UsageError
from schemas.cli.modules import commands_of, modules_of
from schemas.cli.subcommands import chosen, overview

PROG = "python -m vton_models"
ROOM = "vton_models.commands"
EXAMPLES = """\
  python -m vton_models list
  python -m vton_models train catvton --help
  python -m vton_models train catvton --shards output/build_vitonhd --tiny"""


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError for an unknown command."""
    name = chosen(arguments, modules_of(ROOM))
    if name is None:
        print(overview(f"{PROG} COMMAND --help", __doc__ or "", commands_of(ROOM), EXAMPLES))
        return 0
    code: int = importlib.import_module(f"{ROOM}.{name}").main(arguments[1:])
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
