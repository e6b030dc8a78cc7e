"""Command lines that are read as their commands read them, and not run."""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest
from support import commands

from pipelines import runners
from pipelines.building import command
from schemas.cli import console, flags
from schemas.folders import places
from vton_models.command_line import model_flags

OF = flags.Parsed.of
OURS = ("annotators", "pipelines", "vton_models")


class Understood(BaseException):
    """A command line was read, and its command would begin to work."""


def module_of(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """The module that a command starts and the words after it; None for a program that isn't Python's.

    `vton` stands for the module that it dispatches to, also where `spark-submit` starts it as a file.
    """
    if "vton.py" in words:
        words = ["vton", *words[words.index("vton.py") + 1 :]]
    if words[0] == "vton":
        return _dispatched(words[1:])
    if words[0] in ("python", "accelerate") and "-m" in words:
        place = words.index("-m")
        return words[place + 1], list(words[place + 2 :])
    return None


def check(module: str, arguments: Sequence[str]) -> None:
    """Raises UsageError for what the command refuses when it reads its flags; nothing is done."""
    if importlib.util.find_spec(module) is None:
        raise flags.UsageError(f"there is no module {module}")
    if module.split(".")[0] not in OURS:
        return
    with pytest.MonkeyPatch.context() as patch:
        # Builders and models read several dataclasses, the other commands one, or of `export` one first.
        # Whether folders and servers are there is of no interest here.
        patch.setattr(places, "readable", lambda *_: None)
        for name in runners.names():
            patch.setattr(runners.load(name), "ready", lambda *_: None)
        patch.setattr(command, "parse", _stopping(command.parse))
        patch.setattr(model_flags, "parse", _stopping(model_flags.parse, _check_preset))
        patch.setattr(flags.Parsed, "of", _stopping(OF))
        with contextlib.suppress(Understood):
            commands.main_of(module)(list(arguments))


def _stopping(
    read: Callable[..., Any], check_line: Callable[[Any], None] = lambda line: None
) -> Callable[..., NoReturn]:
    """`read`, after which nothing happens any more."""

    def stop(*arguments: Any, **named: Any) -> NoReturn:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flags.Parsed, "of", OF)
            check_line(read(*arguments, **named))
        raise Understood

    return stop


def _check_preset(line: Any) -> None:
    model_flags.preset(line.module, getattr(line.flags, "preset", None) or "")


def _dispatched(words: Sequence[str]) -> tuple[str, list[str]]:
    """What `vton` would run."""
    started: list[str] = []

    def run_module(module: str, **_: Any) -> None:
        started.append(module)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.runpy, "run_module", run_module)
        patch.setattr(sys, "argv", [])
        console.main(words)
        return (started[0], sys.argv[1:]) if started else ("schemas.cli.console", [])
