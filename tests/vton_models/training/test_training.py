"""The training loop with a model of a few parameters: same again, resumed, skipped, averaged, rotated."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from support import stand_in
from support.stand_in_data import MemoryDataset

from vton_models.training import checkpoints, loop
from vton_models.training.run_folder import Run
from vton_models.training.settings import Cadence, Settings
from vton_models.training.validation import Pictures, Validation

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = Settings(steps=12, global_batch_size=4, batch_size=2, shares=2, learning_rate=0.05, seed=3)
CADENCE = Cadence(log_every=1, checkpoint_every=5, keep=2)


class Killed(Exception):
    pass


def model(**options: Any) -> stand_in.StandIn:
    torch.manual_seed(0)
    return stand_in.build(replace(stand_in.Config.tiny(), **options))


def go(folder: Path, settings: Settings = SETTINGS, cadence: Cadence = CADENCE, **options: Any) -> checkpoints.Progress:
    """Trains in `folder`; the run's model ends in `folder/model`."""
    made, run = options.pop("model", None) or model(), Run(folder)
    done = checkpoints.newest(run.checkpoints)
    run.start({"model": "stand_in"}, checkpoints.step_of(done) if done else 0)
    dataset = MemoryDataset(22, settings.batch_size, settings.shares)
    progress = loop.train(Accelerator(cpu=True), made, dataset, settings, cadence, run, **options)
    made.save(run.model)
    return progress


def weights(folder: Path) -> bytes:
    return (folder / "model/w.safetensors").read_bytes()


def losses(folder: Path) -> list[Any]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "memory_gib")} for line in lines]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    assert go(tmp_path / "a").step == 12 and go(tmp_path / "b").skipped == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b") and losses(tmp_path / "a") == losses(tmp_path / "b")
    assert [line["step"] for line in losses(tmp_path / "a")] == list(range(1, 13))
    first, last = (losses(tmp_path / "a")[at]["loss"] for at in (0, -1))
    assert last < first / 2


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_goes_on_as_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema: float, workers: int
) -> None:
    settings = replace(SETTINGS, ema=ema, lr_schedule="cosine", lr_warmup_steps=3)
    go(tmp_path / "whole", settings)
    unpatched = loop.mean_loss
    calls = []

    def killer(*arguments: Any) -> float:
        calls.append(1)
        if len(calls) == 9:  # in step 9, four steps after the checkpoint of step 5
            raise Killed
        return unpatched(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "mean_loss", killer)
        go(tmp_path / "broken", settings, workers=workers)
    assert [path.name for path in checkpoints.existing(tmp_path / "broken/checkpoints")] == ["step-00000005"]
    go(tmp_path / "broken", settings, workers=workers)
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    kept = checkpoints.existing(tmp_path / "broken/checkpoints")
    for path in kept:
        for name in (checkpoints.WEIGHTS, checkpoints.OPTIMIZER, checkpoints.STATE):
            assert (path / name).read_bytes() == (tmp_path / "whole/checkpoints" / path.name / name).read_bytes()


def test_another_optimizer_resumes_exactly_too(tmp_path: Path) -> None:
    settings = replace(SETTINGS, optimizer="adafactor")
    go(tmp_path / "whole", settings)
    go(tmp_path / "parts", replace(settings, steps=7))
    go(tmp_path / "parts", settings)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    go(tmp_path / "adamw")
    assert weights(tmp_path / "adamw") != weights(tmp_path / "whole")


def test_more_steps_go_on(tmp_path: Path) -> None:
    go(tmp_path / "whole")
    go(tmp_path / "parts", replace(SETTINGS, steps=7))
    assert go(tmp_path / "parts").step == 12
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_rotation_keeps_the_newest(tmp_path: Path) -> None:
    go(tmp_path, cadence=Cadence(log_every=5, checkpoint_every=2, keep=3))
    names = [path.name for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert names == ["step-00000008", "step-00000010", "step-00000012"]
    assert [line["step"] for line in losses(tmp_path)] == [5, 10, 12]


def test_frozen_parameters_stay_and_those_without_gradient_have_no_state(tmp_path: Path) -> None:
    made = model()
    before = made.frozen.weight.clone()
    go(tmp_path, model=made)
    assert torch.equal(made.frozen.weight, before) and not made.skipped.any()
    stored = load_file(checkpoints.newest(tmp_path / "checkpoints") / checkpoints.OPTIMIZER)
    assert set(stored) == {
        f"{part}/head.{kind}" for part in ("exp_avg", "exp_avg_sq", "step") for kind in ("weight", "bias")
    }


def test_a_step_without_finite_loss_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "POISON", {"r004"})
    progress = go(tmp_path, replace(SETTINGS, steps=15), model=model(mode="poison"))
    skipped = [line["step"] for line in losses(tmp_path) if line["loss"] is None]
    # 22 records are 5 steps an epoch; in each of the three epochs one step at most has the poisoned record.
    assert progress.skipped == len(skipped) and 1 <= len(skipped) <= 3 and progress.streak == []
    assert math.isfinite(progress.loss or math.nan)
    for path in checkpoints.existing(tmp_path / "checkpoints"):
        for name in (checkpoints.WEIGHTS, checkpoints.OPTIMIZER):
            assert all(torch.isfinite(value).all() for value in load_file(path / name).values())


def test_a_gradient_that_is_not_finite_is_skipped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "accumulate", _with_bad_gradient(loop.accumulate, at=3))
    assert go(tmp_path).skipped == 1
    assert [line["step"] for line in losses(tmp_path) if line["grad_norm"] is None] == [3]
    assert all(line["loss"] is not None for line in losses(tmp_path))


def test_ten_in_a_row_stop_the_run_and_name_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {f"r{number:03d}" for number in range(22)}
    calls: list[int] = []
    unpatched = loop.accumulate

    def poisoned_later(*arguments: Any) -> Any:
        calls.append(1)
        monkeypatch.setattr(stand_in, "POISON", everything if len(calls) > 6 else set())
        return unpatched(*arguments)

    monkeypatch.setattr(loop, "accumulate", poisoned_later)
    with pytest.raises(loop.TrainingError, match=r"steps 7 to 16; records r\d\d\d, r\d\d\d.* and \d more"):
        go(tmp_path, replace(SETTINGS, steps=40), model=model(mode="poison"))
    assert len(calls) == 16
    newest = checkpoints.newest(tmp_path / "checkpoints")
    assert newest is not None and checkpoints.step_of(newest) == 15
    clean = load_file(newest / checkpoints.WEIGHTS)
    # The weights of step 6: nothing after it was taken.
    go(tmp_path / "six", replace(SETTINGS, steps=6), model=_unpoisoned(monkeypatch))
    six = load_file(checkpoints.newest(tmp_path / "six/checkpoints") / checkpoints.WEIGHTS)
    assert all(torch.equal(clean[name], six[name]) for name in six)


def test_weights_that_left_the_finite_range_enter_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model()
    monkeypatch.setattr(checkpoints.Progress, "took", lambda *_: made.head.weight.data.fill_(math.inf))
    monkeypatch.setattr(loop, "due", lambda step, every: True)
    with pytest.raises(loop.TrainingError, match="parameter head.weight is not finite"):
        go(tmp_path, model=made)
    assert checkpoints.newest(tmp_path / "checkpoints") is None


def test_validation_measures_quarters_and_draws_pictures_without_changing_the_run(tmp_path: Path) -> None:
    go(tmp_path / "plain")
    batches = [batch for _, batch in zip(range(3), MemoryDataset(22, 2, 1, seed=9), strict=False)]
    watch = Validation(Run(tmp_path / "watched"), Pictures(batches, seed=1, count=3, inference_steps=2))
    go(tmp_path / "watched", cadence=replace(CADENCE, validate_every=4), validation=watch)
    assert weights(tmp_path / "watched") == weights(tmp_path / "plain")
    measured = [line for line in losses(tmp_path / "watched") if "validation_loss" in line]
    assert [line["step"] for line in measured] == [4, 8, 12]
    for line in measured:
        quarters = [line[f"validation_loss_q{number}"] for number in (1, 2, 3, 4)]
        assert line["validation_loss"] == pytest.approx(sum(quarters) / 4) and len(set(quarters)) == 4
    assert measured[-1]["validation_loss"] < measured[0]["validation_loss"]
    assert len(list((tmp_path / "watched/validation").glob("step-*.png"))) == 3
    again = Validation(Run(tmp_path / "again"), Pictures(batches, seed=1, count=0))
    made = model()
    accelerator = Accelerator(cpu=True)
    assert again(accelerator, made, 0) == again(accelerator, made, 0)


def test_a_step_follows_the_mean_gradient_of_its_micro_batches(tmp_path: Path) -> None:
    """Loss and gradient norm of the first step, by one backward pass over the mean of both micro-batches' losses."""
    go(tmp_path, replace(SETTINGS, steps=1))
    network, dataset = model(), MemoryDataset(22, 2, 2)
    batches = [batch for _, batch in zip(range(2), dataset, strict=False)]
    mean = sum(network.loss(batch, torch.Generator().manual_seed(batch["seed"])) for batch in batches) / 2
    mean.backward()
    norm = math.sqrt(sum(float((parameter.grad**2).sum()) for parameter in network.head.parameters()))
    (line,) = losses(tmp_path)
    assert line["loss"] == pytest.approx(float(mean), rel=1e-6)
    assert line["grad_norm"] == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("limit", [0.0, 0.01, 1e6])
def test_gradients_are_clipped_to_the_norm(tmp_path: Path, limit: float) -> None:
    """AdamW's first moments after one step are (1 − β₁) = 0.1 of the gradient that it got."""
    go(tmp_path, replace(SETTINGS, steps=1, max_grad_norm=limit))
    stored = load_file(checkpoints.newest(tmp_path / "checkpoints") / checkpoints.OPTIMIZER)
    moments = math.sqrt(sum(float((stored[f"exp_avg/head.{kind}"] ** 2).sum()) for kind in ("weight", "bias")))
    norm = losses(tmp_path)[0]["grad_norm"]
    assert norm > 0.02, "the smaller limit clips"
    assert moments == pytest.approx(0.1 * (min(norm, limit) if limit else norm), rel=1e-3)


def test_weight_decay_shrinks_the_weights_by_its_share_of_the_rate(tmp_path: Path) -> None:
    """Decoupled (arXiv:1711.05101): one step with decay λ ends lr·λ·w before one without; all else is the same."""
    before = model().head.weight.detach().clone()
    after = {}
    for decay in (0.0, 0.01, 0.5):
        go(tmp_path / str(decay), replace(SETTINGS, steps=1, weight_decay=decay))
        after[decay] = load_file(tmp_path / str(decay) / "model/w.safetensors")["head.weight"]
    for decay in (0.01, 0.5):
        assert torch.allclose(after[0.0] - after[decay], 0.05 * decay * before, atol=1e-7)


def test_every_step_has_its_own_rate(tmp_path: Path) -> None:
    """Warmed up over three steps the first has no rate at all, as with diffusers' scheduler, and changes nothing."""
    settings = replace(SETTINGS, steps=5, lr_schedule="linear", lr_warmup_steps=3)
    go(tmp_path, settings, cadence=replace(CADENCE, checkpoint_every=1, keep=5))
    rates = [line["learning_rate"] / 0.05 for line in losses(tmp_path)]
    assert rates == pytest.approx([0, 1 / 3, 2 / 3, 1, 1 / 2])
    steps = [load_file(path / checkpoints.WEIGHTS) for path in checkpoints.existing(tmp_path / "checkpoints")]
    start = dict(model().head.named_parameters())
    assert all(torch.equal(steps[0][f"head.{name}"], value) for name, value in start.items())
    assert not torch.equal(steps[1]["head.weight"], steps[0]["head.weight"])


def test_layers_that_draw_from_the_global_generators_draw_by_the_batch() -> None:
    """Dropout has no generator of its own: what it drew before, in this process, must not matter."""

    class Drawing(torch.nn.Module):
        def forward(self, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
            drawn.append((float(torch.rand(1)), float(np.random.rand()), random.random()))
            return torch.zeros(1, requires_grad=True).sum()

    drawn: list[tuple[float, float, float]] = []
    batches = [{"seed": seed, "record_id": ["r"]} for seed in (5, 2**40 + 5, 6, 5)]
    loop.accumulate(Accelerator(cpu=True), Drawing(), iter(batches), len(batches))
    first, low_bits, other, again = drawn
    assert first == again == low_bits, "by the lower 32 bits of the seed"
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_averaged_weights_are_validated_and_become_the_model(tmp_path: Path) -> None:
    """A checkpoint keeps both; training itself goes on with the weights that were trained."""
    batches = [batch for _, batch in zip(range(2), MemoryDataset(22, 2, 1, seed=9), strict=False)]
    watch = Validation(Run(tmp_path / "seen"), Pictures(batches, seed=1, count=0))
    settings, cadence = replace(SETTINGS, steps=4, ema=0.5), replace(CADENCE, validate_every=2)
    network = model()
    go(tmp_path / "run", settings, cadence, model=network, validation=watch)
    newest = checkpoints.newest(tmp_path / "run/checkpoints")
    assert newest is not None
    trained, averaged = (load_file(newest / name)["head.weight"] for name in (checkpoints.WEIGHTS, checkpoints.EMA))
    assert not torch.equal(trained, averaged) and torch.equal(network.head.weight, averaged)
    assert torch.equal(load_file(tmp_path / "run/model/w.safetensors")["head.weight"], averaged)
    measured = [line for line in losses(tmp_path / "run") if "validation_loss" in line]
    assert measured[-1]["validation_loss"] == watch(Accelerator(cpu=True), network, 4)["validation_loss"]
    go(tmp_path / "plain", replace(settings, ema=0.0))
    assert torch.equal(load_file(tmp_path / "plain/model/w.safetensors")["head.weight"], trained)


class Timed:
    """A model whose loss is the mean of the timesteps it is asked about, which it notes."""

    alphas = torch.linspace(1, 0, 1000)

    def __init__(self) -> None:
        self.timesteps: list[torch.Tensor] = []

    def loss(self, batch: dict[str, Any], generator: torch.Generator, timesteps: torch.Tensor) -> torch.Tensor:
        self.timesteps.append(timesteps)
        return timesteps.double().mean()


def test_quarters_of_the_validation_are_quarters_of_the_schedule(tmp_path: Path) -> None:
    """Each from its first timestep to its last, equally often; means are over records, not over batches."""
    sizes = (4000, 1000)
    network = Timed()
    batches = [{"record_id": ["r"] * size} for size in sizes]
    validation = Validation(Run(tmp_path), Pictures(batches, seed=2, count=0))
    measured = validation(Accelerator(cpu=True), network, 0)  # type: ignore[arg-type]
    for quarter in range(4):
        drawn = torch.cat(network.timesteps[quarter::4])
        low, high = 250 * quarter, 250 * (quarter + 1) - 1
        assert (drawn.min(), drawn.max()) == (low, high)
        assert measured[f"validation_loss_q{quarter + 1}"] == pytest.approx(float(drawn.double().mean()))
        assert measured[f"validation_loss_q{quarter + 1}"] == pytest.approx((low + high) / 2, abs=15)
    assert measured["validation_loss"] == pytest.approx(499.5, abs=8)


def _unpoisoned(monkeypatch: pytest.MonkeyPatch) -> stand_in.StandIn:
    monkeypatch.undo()
    return model()


def _with_bad_gradient(accumulate: Any, at: int) -> Any:
    calls: list[int] = []

    def changed(accelerator: Any, losses: Any, *rest: Any) -> Any:
        calls.append(1)
        parts = accumulate(accelerator, losses, *rest)
        if len(calls) == at:
            next(iter(losses.parameters())).grad[0] = math.inf
        return parts

    return changed
