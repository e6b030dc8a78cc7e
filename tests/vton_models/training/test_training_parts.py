"""Schedules, averages, batches, checkpoints and folders by themselves."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.networks import sheets
from vton_models.training import checkpoints, loop, optimisers, schedules, settings
from vton_models.training.ema import Ema
from vton_models.training.settings import Cadence, Settings

SETTINGS = Settings(steps=10, global_batch_size=8, batch_size=2, shares=4, learning_rate=0.1)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 7])
def test_schedules_are_diffusers(name: str, warmup: int) -> None:
    from diffusers.optimization import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=30)
    for step in range(35):
        assert schedules.factor(name, step, warmup, 30) == pytest.approx(peer.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        peer.step()


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(ValueError, match="'cosin'; allowed are constant, constant_with_warmup, cosine, linear"):
        schedules.factor("cosin", 0, 0, 1)


def test_averages_follow_their_formula() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    ema = Ema({"p": parameter}, decay=0.25)
    expected = 0.0
    for update in range(1, 6):
        parameter.data.fill_(update)
        ema.update()
        decay = min(0.25, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update
    assert ema.averages["p"].dtype == torch.float32
    assert ema.averages["p"].tolist() == pytest.approx([expected] * 3)
    with ema.applied():
        assert parameter.tolist() == pytest.approx([expected] * 3)
    assert parameter.tolist() == [5.0] * 3
    ema.assign()
    assert parameter.tolist() == pytest.approx([expected] * 3)


@given(st.integers(1, 200), st.integers(1, 8), st.one_of(st.none(), st.integers(1, 32)))
def test_micro_batches_share_the_global_batch_evenly(whole: int, processes: int, asked: int | None) -> None:
    try:
        size = settings.micro_batch(whole, processes, asked)
    except UsageError as error:
        assert whole % (processes * (asked or 1))
        nearest = [int(word) for word in str(error).split("nearest are ")[1].split() if word.isdigit()]
        assert all(number % (processes * (asked or 1)) == 0 for number in nearest)
        assert min(abs(number - whole) for number in nearest) < processes * (asked or 1)
    else:
        assert whole % (size * processes) == 0 and size == (asked or size) and (asked or size <= 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": -1.0}, "--learning-rate -1.0; allowed is at least 0"),
        ({"ema": -0.1}, "--ema -0.1; allowed is from 0 to below 1"),
        ({"max_grad_norm": float("nan")}, "--max-grad-norm nan; allowed is at least 0"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
    ],
)
def test_settings_out_of_range(changed: dict[str, float], message: str) -> None:
    settings.check(SETTINGS, Cadence())
    with pytest.raises(UsageError, match=message):
        settings.check(replace(SETTINGS, **changed), Cadence())


def test_a_checkpoint_brings_back_optimizer_and_averages_exactly(tmp_path: Path) -> None:
    def made() -> tuple[dict[str, torch.nn.Parameter], torch.optim.AdamW, Ema]:
        torch.manual_seed(0)
        parameters = {"a.weight": torch.nn.Parameter(torch.randn(3, 2)), "b": torch.nn.Parameter(torch.randn(4))}
        return parameters, torch.optim.AdamW(parameters.values(), lr=0.1), Ema(parameters, 0.9)

    def step(parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW, ema: Ema) -> None:
        optimizer.zero_grad()
        (parameters["a.weight"] ** 3).sum().backward()  # b never has a gradient
        optimizer.step()
        ema.update()

    first, second = made(), made()
    for _ in range(3):
        step(*first)
    counters = checkpoints.Progress(step=3, loss=0.1 + 0.2, streak=[["x"]], ema_updates=first[2].updates)
    path = checkpoints.save(tmp_path, *first, counters, keep=1)
    assert sorted(child.suffix for child in path.iterdir()) == [".json"] + [".safetensors"] * 3
    assert checkpoints.restore(path, *second) == counters
    for _ in range(2):
        step(*first)
        step(*second)
    for name in first[0]:
        assert torch.equal(first[0][name], second[0][name])
        assert torch.equal(first[2].averages[name], second[2].averages[name])
    with pytest.raises(ValueError, match="lacks tensor c"):
        checkpoints.load_weights(path / checkpoints.WEIGHTS, {**first[0], "c": torch.zeros(1)})
    with pytest.raises(ValueError, match="has the unknown tensor b"):
        checkpoints.load_weights(path / checkpoints.WEIGHTS, {"a.weight": first[0]["a.weight"]})


def test_plain_numbers_of_an_optimizer_come_back_as_they_were(tmp_path: Path) -> None:
    """As bitsandbytes counts steps."""

    def one(value: float) -> tuple[dict[str, torch.nn.Parameter], torch.optim.Optimizer]:
        parameters = {"p": torch.nn.Parameter(torch.full((2,), value))}
        return parameters, torch.optim.SGD(parameters.values(), lr=0.1)

    first, second = one(1.0), one(0.0)
    state = {"step": 3, "scale": 0.1 + 0.2, "codes": torch.tensor([1, 255], dtype=torch.int64)}
    first[1].state[first[0]["p"]].update(state)
    checkpoints.restore(checkpoints.save(tmp_path, *first, None, checkpoints.Progress(), 1), *second, None)
    found = second[1].state[second[0]["p"]]
    assert (found["step"], found["scale"]) == (3, 0.1 + 0.2) and type(found["step"]) is int
    assert found["codes"].tolist() == [1, 255]


def test_unknown_and_absent_optimizers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--optimizer 'sgd'; allowed are adamw, adamw_8bit, adam, adafactor"):
        optimisers.check("sgd")
    monkeypatch.setattr(optimisers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="adamw_8bit needs the package bitsandbytes, which isn't installed"):
        optimisers.check("adamw_8bit")


@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_optimizers_get_their_rate_and_decay(name: str) -> None:
    optimizer = optimisers.build(name, [torch.nn.Parameter(torch.zeros(1))], 0.25, 0.125)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.25, 0.125)]


def test_a_checkpoint_that_breaks_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"p": torch.nn.Parameter(torch.zeros(1))}
    optimizer = torch.optim.AdamW(parameters.values())
    checkpoints.save(tmp_path, parameters, optimizer, None, checkpoints.Progress(step=1), keep=1)

    def broken(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(checkpoints.atomic, "write_json", broken)
        checkpoints.save(tmp_path, parameters, optimizer, None, checkpoints.Progress(step=2), keep=1)
    (tmp_path / "step-00000009").mkdir()  # as a copy that was broken off leaves it
    assert [path.name for path in checkpoints.existing(tmp_path)] == ["step-00000001"]
    assert not list(tmp_path.glob(".tmp-*"))


def test_folders_are_replaced_whole(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic.new_folder(tmp_path / "made") as folder:
            (folder / "sub").mkdir()
            (folder / "sub/file").write_text(text)
    assert (tmp_path / "made/sub/file").read_text() == "new" and os.listdir(tmp_path) == ["made"]
    (tmp_path / ".tmp-left-1-1").mkdir()
    (tmp_path / ".tmp-file-1-1").write_text("")
    (tmp_path / ".tmp-link-1-1").symlink_to(tmp_path / "made")
    atomic.sweep(tmp_path)
    assert (tmp_path / "made/sub/file").read_text() == "new", "a link is taken away, not what it leads to"
    assert os.listdir(tmp_path) == ["made"]


def test_pictures_of_tensors() -> None:
    assert sheets.as_picture(torch.zeros(4, 8, 8)) is None and sheets.as_picture(torch.zeros(77)) is None
    mask = sheets.as_picture(torch.ones(1, 2, 3, dtype=torch.uint8))
    assert mask is not None and mask.shape == (2, 3, 3) and (mask == 255).all()
    photo = sheets.as_picture(torch.full((3, 2, 2), 0.5))
    assert photo is not None and (photo == 128).all()
    named = sheets.pictures({"a": torch.zeros(3, 5, 17, dtype=torch.uint8), "ids": torch.zeros(9), "name": "x"})
    assert list(named) == ["a"] and sheets.sheet([named, named]).size == (17 + 4, 2 * (16 + 5 + 4))
    assert sheets.png(sheets.sheet([named]), "note") == sheets.png(sheets.sheet([named]), "note")


def test_fused_steps_go_on_exactly_from_a_checkpoint(tmp_path: Path) -> None:
    """As on a GPU, where all parameters take their step in one kernel."""

    def begun() -> tuple[dict[str, torch.nn.Parameter], torch.optim.Optimizer]:
        parameters = {"p": torch.nn.Parameter(torch.linspace(-1, 1, 5)), "q": torch.nn.Parameter(torch.ones(3))}
        return parameters, optimisers.build("adamw", parameters.values(), 0.1, 0.01, fused=True)

    def go(parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            for value in parameters.values():
                value.grad = torch.sin(value.detach() + step)
            optimizer.step()

    whole, whole_optimizer = begun()
    assert whole_optimizer.param_groups[0]["fused"]
    go(whole, whole_optimizer, range(7))
    broken, optimizer = begun()
    go(broken, optimizer, range(4))
    path = checkpoints.save(tmp_path, broken, optimizer, None, checkpoints.Progress(step=4), 1)
    resumed, optimizer = begun()
    checkpoints.restore(path, resumed, optimizer, None)
    go(resumed, optimizer, range(4, 7))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_batch_fetched_ahead_tells_of_its_error_when_it_is_asked_for() -> None:
    def batches() -> Iterator[dict[str, Any]]:
        yield {"n": 1}
        yield {"n": 2}
        raise loop.TrainingError("the reader stopped")

    ahead = loop.Ahead(batches())
    assert next(ahead) == {"n": 1}
    ahead.fetch()
    assert next(ahead) == {"n": 2}
    ahead.fetch()
    with pytest.raises(loop.TrainingError, match="the reader stopped"):
        next(ahead)
