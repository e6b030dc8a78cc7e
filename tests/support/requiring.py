"""With $VTON_REQUIRE a test may not skip for want of data: a folder that moved would silence it for ever."""

import os

import pytest

FOLDERS = {"VTON_DATA": "data", "VTON_PARITY": "parity", "VTON_MODELS": "models"}  # variable → name in ../shared


def is_for_data(reason: str) -> bool:
    """Whether a test was skipped because a folder of data, or something in it, is absent."""
    places = [os.environ.get(variable) or os.path.join("shared", name) for variable, name in FOLDERS.items()]
    return any(word in reason for word in (*FOLDERS, *places)) or reason.startswith("got empty parameter set")


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns the report of such a skip into a failure."""
    if not os.environ.get("VTON_REQUIRE") or not report.skipped or not isinstance(report.longrepr, tuple):
        return
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if is_for_data(reason):
        report.outcome = "failed"
        report.longrepr = f"VTON_REQUIRE is set, but: {reason}"
