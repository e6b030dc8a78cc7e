"""`vton COMMAND` runs the module that `python -m` runs, with its words and its exit code."""

import sys

import pytest

from schemas.cli import console
from schemas.cli.flags import UsageError
from schemas.cli.modules import commands_of

SHARED = {"push"}  # of shards; that of a run is `vton models push`
SUBCOMMANDS = tuple(name for name in commands_of("vton_models.commands") if name not in SHARED)


@pytest.mark.parametrize(
    ("words", "prog"),
    [
        *((name, f"python -m pipelines.{name}") for name in commands_of("pipelines")),
        *((name, f"python -m vton_models {name}") for name in SUBCOMMANDS),
        ("models list", "python -m vton_models list"),
        ("models push", "python -m vton_models push"),
        ("annotators list", "python -m annotators list"),
    ],
    ids=lambda words: words.replace(" ", "-"),
)
def test_help_is_that_of_the_module(
    words: str, prog: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vton"])
    with pytest.raises(SystemExit) as ended:
        console.main([*words.split(), "--help"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith(f"usage: {prog} ")


def test_exit_code_and_message_are_the_commands_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vton"])
    with pytest.raises(SystemExit) as ended:
        console.main(["finish", "/nowhere"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("python -m pipelines.finish: /nowhere ")


def test_no_two_packages_have_a_command_of_one_name_but_push() -> None:
    assert {*commands_of("vton_models.commands")} & {*commands_of("pipelines"), *console.PACKAGES} == SHARED


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main([]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {name} " in told for name in (*commands_of("pipelines"), *SUBCOMMANDS, *console.PACKAGES))


def test_an_unknown_command_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="unknown command 'trian'.*did you mean 'train'"):
        console.main(["trian"])
