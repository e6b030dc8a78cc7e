"""Held-out loss and pictures while training, always with the same noise, so that only the weights make a difference."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device

from schemas.folders import atomic
from vton_models.networks import sheets
from vton_models.system import Model

QUARTERS = 4


class Validation:
    """Measures the loss on prepared CPU batches, and samples the first of their records.

    Early, late and middle timesteps have losses of very different size, so each quarter of the schedule is told apart.
    """

    def __init__(
        self, batches: Sequence[dict[str, Any]], folder: Path, seed: int, pictures: int = 4, inference_steps: int = 20
    ) -> None:
        self.batches, self.folder, self.seed = list(batches), folder, seed
        self.pictures, self.inference_steps = pictures, inference_steps

    @torch.no_grad()
    def __call__(self, accelerator: Accelerator, model: Model, step: int) -> dict[str, float]:
        """validation_loss, and validation_loss_q1 (least noise) to _q4; writes `folder/step-N.png`."""
        with accelerator.autocast():
            quarters = self._losses(accelerator, model)
            if accelerator.is_main_process and self.pictures:
                self._write_pictures(accelerator, model, step)
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

    def _write_pictures(self, accelerator: Accelerator, model: Model, step: int) -> None:
        rows: list[dict[str, Any]] = []
        settings = model.config.sampling(num_inference_steps=self.inference_steps)
        for index, cpu_batch in enumerate(self.batches):
            if len(rows) >= self.pictures:
                break
            batch = send_to_device(cpu_batch, accelerator.device)
            generator = _generator(accelerator.device, self.seed, "picture", index)
            results = model.sample(batch, settings, generator)
            for number, result in enumerate(results):
                result = {"result": result.float()}
                rows.append(sheets.pictures(sheets.item(cpu_batch, number) | result))
        self.folder.mkdir(parents=True, exist_ok=True)
        note = f"made by a model in training, step {step}"
        atomic.write(self.folder / f"step-{step:08d}.png", sheets.png(sheets.sheet(rows[: self.pictures]), note))


def _timesteps(records: int, quarter: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """int64 [records] within the quarter."""
    low, high = quarter * count // QUARTERS, (quarter + 1) * count // QUARTERS
    return torch.randint(low, high, (records,), generator=generator, device=generator.device)


def _generator(device: torch.device, *words: object) -> torch.Generator:
    digest = hashlib.sha256(repr(words).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
