"""Commands with subcommands: what their help lists, and which of them a command line means."""

from collections.abc import Mapping, Sequence

from schemas.cli.flags import UsageError
from schemas.cli.suggestions import suggestion
from schemas.cli.tables import hanging


def overview(usage: str, description: str, summaries: Mapping[str, str], examples: str) -> str:
    """The help: how a subcommand is called, a line for each of them, examples."""
    listed = hanging(summaries.items(), indent="  ")
    return f"{usage}\n\n{description}\n\n{listed}\n\nexamples:\n{examples.rstrip()}"


def chosen(arguments: Sequence[str], known: Sequence[str]) -> str | None:
    """The subcommand; None where help is wanted. Raises UsageError for a word that is none."""
    if not arguments or arguments[0] in ("-h", "--help"):
        return None
    if arguments[0] not in known:
        near = suggestion(arguments[0], known)
        raise UsageError(f"unknown command {arguments[0]!r}; there are {', '.join(known)}{near}")
    return arguments[0]
