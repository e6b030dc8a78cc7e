"""Pipelines that turn photos of people and garments into training shards, a command each."""

from collections.abc import Sequence

from schemas.cli import flags
from schemas.cli.modules import commands_of
from schemas.cli.subcommands import overview

PROG = "python -m pipelines"
EXAMPLES = "  python -m pipelines\n  python -m pipelines.build_vitonhd --help"


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError for any word but `--help`."""
    commands = commands_of("pipelines")
    for word in arguments:
        if word in commands:
            raise flags.UsageError(f"{word} is a command of its own: {PROG}.{word}")
        if word not in ("-h", "--help"):
            raise flags.UsageError(f"unknown command {word!r}; there are {', '.join(commands)}")
    print(overview(f"{PROG}.COMMAND --help", __doc__ or "", commands, EXAMPLES))
    return 0


if __name__ == "__main__":
    flags.run(main, PROG)
