"""Tiny networks compute on one thread, unless the flag or the environment says otherwise."""

from collections.abc import Iterator

import pytest
import torch

from schemas.cli.flags import UsageError
from vton_models.networks import threads


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("asked", "tiny", "variable", "count"),
    [(None, True, None, 1), (None, False, None, 2), (3, True, None, 3), (3, False, "1", 3), (None, True, "2", 2)],
)
def test_who_decides(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, tiny: bool, variable: str | None, count: int
) -> None:
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    threads.settle(asked, tiny)
    assert torch.get_num_threads() == count


def test_none_is_no_number() -> None:
    with pytest.raises(UsageError, match="--threads 0; allowed is at least 1"):
        threads.check(0)
