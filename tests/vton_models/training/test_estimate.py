"""What is told before the first step: a rehearsal that leaves no trace, and its sums."""

from dataclasses import replace

import pytest

from vton_models.training import estimate
from vton_models.training.estimate import Rehearsal
from vton_models.training.settings import Settings

GIB = 1 << 30
SETTINGS = Settings(batch_size=2, shares=4, steps=1000, global_batch_size=8)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (50, "50 s"), (89, "89 s"), (720, "12 min"), (12_600, "3.5 h"), (181_440, "2.1 days")],
)
def test_durations(seconds: float, told: str) -> None:
    assert estimate.duration(seconds) == told


def test_a_step_is_as_many_micro_batches_as_a_process_makes() -> None:
    line = estimate.told(Rehearsal(0.5, 3 * GIB), SETTINGS, processes=2, steps=600, trained=GIB // 8)
    assert line.startswith("600 steps of 8 records: about 10 min (1 s a step), 4.0 GiB at most")


def test_averages_and_optimisers_take_room() -> None:
    def gib(settings: Settings) -> str:
        return estimate.told(Rehearsal(0.5, 0), settings, 1, 1, trained=GIB // 4).split(", ")[1]

    assert gib(SETTINGS) == "2.0 GiB at most" and gib(replace(SETTINGS, ema=0.9)) == "3.0 GiB at most"
    assert gib(replace(SETTINGS, optimizer="adafactor")) == "0.0 GiB at most"
