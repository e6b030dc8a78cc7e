"""Tests that lack their data skip on a newcomer's machine and fail where $VTON_REQUIRE says that it must be there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import requiring

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("reason", "is_for_data"),
    [
        ("/somewhere/else is absent; set VTON_DATA", True),
        ("no fixture in /work/shared/parity/catvton", True),
        ("no photos under /moved/photos", True),
        ("got empty parameter set for (case)", True),
        ("no Chromium here", False),
        ("could not import 'tensorboard': No module named 'tensorboard'", False),
        ("this machine has CUDA", False),
    ],
)
def test_reasons_for_want_of_data(reason: str, is_for_data: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTON_DATA", "/moved")
    assert requiring.is_for_data(reason) is is_for_data


@pytest.mark.parametrize(
    ("file", "require", "code"),
    [
        ("functional/test_captions.py", "", pytest.ExitCode.OK),
        ("functional/test_captions.py", "1", pytest.ExitCode.TESTS_FAILED),
        ("parity/test_agnostic_schp.py", "1", pytest.ExitCode.INTERRUPTED),
    ],
    ids=["skipped", "a test", "a module"],
)
def test_required_data_that_is_absent_fails(file: str, require: str, code: pytest.ExitCode, tmp_path: Path) -> None:
    environment = os.environ | {"VTON_REQUIRE": require, "VTON_PARITY": str(tmp_path / "absent")}
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(ROOT / "tests" / file)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout
    assert ("VTON_REQUIRE is set, but" in done.stdout) is bool(require)
