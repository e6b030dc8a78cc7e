"""Commands as a shell sees them: quick help, wrong usage, a reader that leaves early, exit codes of real processes."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import commands
from support.helpers import Result

from schemas.cli.modules import commands_of, modules_of

Command = Callable[..., Result]
COMMANDS = [("annotators",), ("pipelines",), *((f"pipelines.{name}",) for name in commands_of("pipelines"))]
COMMANDS += [("vton_models",), *(("vton_models", name) for name in modules_of("vton_models.commands"))]


def seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_quick(words: tuple[str, ...], process: Command) -> None:
    before = seconds_of_children()
    result = process(*words, "--help")
    assert (result.code, result.stderr) == (0, "") and "--help" in result.stdout
    assert seconds_of_children() - before < 1, "seconds of the processor, so that a busy machine doesn't count"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_wrong_usage_is_one_line_and_exit_code_2(words: tuple[str, ...], process: Command) -> None:
    result = process(*words, "hats")
    assert result.code == 2 and not result.stdout, result.stderr
    assert result.stderr.startswith(f"python -m {words[0]}: ") and len(result.stderr.splitlines()) == 1


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "vton_models", "list", "--presets"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=tmp_path, env=commands.environment(tmp_path), **streams) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
