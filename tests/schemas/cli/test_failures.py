"""How a command ends: what the world causes is one line and exit code 1, wrong usage 2, our own mistakes stay loud."""

import errno
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from schemas.cli import failures, flags

ROOT = Path(__file__).resolve().parents[3]


def ended(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def main(arguments: Sequence[str]) -> int:
        raise error

    with pytest.raises(SystemExit) as caught:
        flags.run(main, "prog")
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().err


def out_of_memory_on_a_gpu() -> BaseException:
    return type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})("CUDA out of memory")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/a/page.html"), "/a/page.html: Is a directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "/a/.tmp-x", None, "/a/x"), "/a/x: Permission denied"),
        (OSError(errno.ENAMETOOLONG, "File name too long", b"/a/\xff"), "/a/\\udcff: File name too long"),
        (OSError(errno.EIO, "Input/output error", 3), "Input/output error"),
        (OSError("Unable to load libjvm\nand more"), "Unable to load libjvm"),
        (TimeoutError(), "TimeoutError"),
        (MemoryError(), "out of memory"),
        (ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), "the package torch isn't installed"),
        (pa.ArrowInvalid("Parquet magic bytes not found"), "a damaged file: Parquet magic bytes not found"),
        (out_of_memory_on_a_gpu(), "out of memory on the GPU: CUDA out of memory"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_world_s_failures_are_a_line(error: BaseException, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = ended(error, capsys)
    assert (code, told.encode(errors="backslashreplace").decode()) == (1, f"prog: {line}\n")


def test_wrong_usage_is_a_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(flags.UsageError("--size 3;\n allowed is 8"), capsys) == (2, "prog: --size 3; allowed is 8\n")


def test_an_interrupted_command_tells_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(KeyboardInterrupt(), capsys) == (130, "prog: interrupted; run it again to go on\n")


def test_a_closed_pipe_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(BrokenPipeError(errno.EPIPE, "Broken pipe"), capsys) == (1, "")


@pytest.mark.parametrize(
    "error",
    [TypeError("x"), AssertionError(), KeyError("x"), ValueError("x"), ModuleNotFoundError("x", name="schemas.x")],
    ids=lambda value: type(value).__name__,
)
def test_our_own_mistakes_stay_loud(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.told(error) is None
    with pytest.raises(type(error)):
        ended(error, capsys)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-c", f"set -o pipefail; {line}", sys.executable]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("command", ["vton_models list --presets", "pipelines"])
def test_output_that_goes_nowhere(command: str) -> None:
    """A full disk behind `>` and a reader that is gone show while the command runs, not while Python ends."""
    full = shell(f'"$0" -m {command} > /dev/full')
    assert (full.returncode, full.stderr.splitlines()[1:]) == (1, []) and "No space left" in full.stderr
    gone = shell(f'"$0" -m {command} | true')
    assert "Traceback" not in gone.stderr and "Exception" not in gone.stderr


def test_a_terminal_of_another_encoding_shows_what_it_can() -> None:
    done = shell('PYTHONIOENCODING=ascii "$0" -m pipelines')
    assert done.returncode == 0 and "\\u2192" in done.stdout


@pytest.mark.parametrize(("word", "reason"), [("a\0b", "NUL"), ("a\udcff", "UTF-8")], ids=["nul", "surrogate"])
def test_text_that_no_path_can_hold_is_refused(word: str, reason: str) -> None:
    with pytest.raises(flags.UsageError, match=reason):
        flags.parse_sections([word], [], prog="p", description="", examples="")
