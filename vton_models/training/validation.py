"""Held-out loss and pictures while training, always with the same noise, so that only the weights make a difference."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device

from schemas.folders import atomic
from vton_models.networks import sheets
from vton_models.system import Model, Purpose
from vton_models.training.run_folder import Run

QUARTERS = 4


@dataclass(frozen=True)
class Pictures:
    """Results for the first `count` records of prepared CPU batches, beside what the networks see."""

    batches: Sequence[dict[str, Any]]
    seed: int
    count: int = 4
    inference_steps: int = 20

    @torch.no_grad()
    def write(self, accelerator: Accelerator, model: Model, step: int, path: Path) -> None:
        """A row per record."""
        rows: list[dict[str, Any]] = []
        settings = model.config.sampling(num_inference_steps=self.inference_steps)
        prepare = model.prepare(Purpose.VALIDATION)
        for index, cpu_batch in enumerate(self.batches):
            if len(rows) >= self.count:
                break
            batch = send_to_device(cpu_batch, accelerator.device)
            generator = _generator(accelerator.device, self.seed, "picture", index)
            with accelerator.autocast():
                results = model.sample(batch, settings, generator)
            for number, result in enumerate(results):
                seen = prepare.seen(sheets.item(cpu_batch, number))
                rows.append(sheets.pictures(seen | {"result": result.float()}))
        model.graphs.drop()  # training has no use for them, and needs their memory
        path.parent.mkdir(parents=True, exist_ok=True)
        note = f"made by a model in training, step {step}"
        atomic.write(path, sheets.png(sheets.sheet(rows[: self.count]), note))


class Validation:
    """Measures the loss on prepared CPU batches, and samples the first of their records.

    Early, late and middle timesteps have losses of very different size, so each quarter of the schedule is told apart.
    """

    def __init__(self, run: Run, pictures: Pictures) -> None:
        self.batches, self.seed = list(pictures.batches), pictures.seed
        self.run, self.pictures = run, pictures

    @torch.no_grad()
    def __call__(self, accelerator: Accelerator, model: Model, step: int) -> dict[str, float]:
        """validation_loss, and validation_loss_q1 (least noise) to _q4; writes the run's sheet of the step."""
        with accelerator.autocast():
            quarters = self._losses(accelerator, model)
        if accelerator.is_main_process and self.pictures.count:
            self.pictures.write(accelerator, model, step, self.run.sheet(step))
        accelerator.wait_for_everyone()
        named = {f"validation_loss_q{number + 1}": value for number, value in enumerate(quarters)}
        return {"validation_loss": sum(quarters) / QUARTERS, **named}

    def _losses(self, accelerator: Accelerator, model: Model) -> list[float]:
        """Means over the records; the processes share the batches."""
        totals = torch.zeros(QUARTERS + 1, dtype=torch.float64, device=accelerator.device)
        for index in range(accelerator.process_index, len(self.batches), accelerator.num_processes):
            batch = send_to_device(self.batches[index], accelerator.device)
            records = len(batch["record_id"])
            for quarter in range(QUARTERS):
                generator = _generator(accelerator.device, self.seed, "loss", index, quarter)
                timesteps = _timesteps(records, quarter, len(model.alphas), generator)
                totals[quarter] += model.loss(batch, generator, timesteps=timesteps).double() * records
            totals[-1] += records
        totals = accelerator.reduce(totals, reduction="sum")
        return (totals[:-1] / totals[-1]).tolist()


def _timesteps(records: int, quarter: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """int64 [records] within the quarter."""
    low, high = quarter * count // QUARTERS, (quarter + 1) * count // QUARTERS
    return torch.randint(low, high, (records,), generator=generator, device=generator.device)


def _generator(device: torch.device, *words: object) -> torch.Generator:
    digest = hashlib.sha256(repr(words).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
