"""Which subcommand a command line means, and what the help lists."""

import pytest

from schemas.cli.flags import UsageError
from schemas.cli.subcommands import chosen, overview


def test_the_first_word_is_the_subcommand() -> None:
    assert chosen(["fetch", "--help"], ("list", "fetch")) == "fetch"


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]], ids=str)
def test_help_is_no_subcommand(words: list[str]) -> None:
    assert chosen(words, ("list",)) is None


def test_an_unknown_word_is_named_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="unknown command 'hats'; there are list, fetch"):
        chosen(["hats"], ("list", "fetch"))


def test_the_overview_has_a_line_for_each() -> None:
    told = overview("p COMMAND --help", "Does things.", {"list": "What there is.", "go": "Goes."}, "  p go\n")
    assert "  list  What there is.\n  go    Goes.\n" in told and told.endswith("examples:\n  p go")
