"""What a run will take, told before its first step: one micro-batch is rehearsed, and nothing is learnt from it."""

import time
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device

from schemas.messages import counted
from vton_models.networks import memory
from vton_models.reading.dataset import ShardDataset
from vton_models.system import Model
from vton_models.training import optimisers
from vton_models.training.settings import Settings

_GIB = 1 << 30


@dataclass(frozen=True)
class Rehearsal:
    """Seconds of a micro-batch, forward and backward, and the memory in use at its peak, in bytes."""

    seconds: float
    memory: int


def rehearse(accelerator: Accelerator, model: Model, dataset: ShardDataset) -> Rehearsal | None:
    """Computes a loss and its gradients of the first batch, and forgets them; None where that can't be prepared."""
    making, stored = dataset.trial(1)
    batch = making.make(stored[0]).item
    if batch is None:
        return None
    model.to(accelerator.device)
    seconds = 0.0
    on_gpu = accelerator.device.type == "cuda"
    for _ in range(2 if on_gpu else 1):  # kernels are chosen in the first pass
        start = time.perf_counter()
        generator = torch.Generator(accelerator.device).manual_seed(0)
        with accelerator.autocast():
            loss = model.loss(send_to_device(batch, accelerator.device), generator)
        loss.backward()
        if on_gpu:
            torch.cuda.synchronize(accelerator.device)
        seconds = time.perf_counter() - start
    for parameter in model.trainable().values():
        parameter.grad = None
    return Rehearsal(seconds, memory.peak_bytes(accelerator.device))


def told(rehearsal: Rehearsal, settings: Settings, processes: int, steps: int, trained: int) -> str:
    """One line for people: time of the steps to go, memory with what the optimizer will add."""
    step = rehearsal.seconds * settings.shares / processes
    most = rehearsal.memory + 4 * trained * (optimisers.TABLE[settings.optimizer].states + bool(settings.ema))
    return (
        f"{counted(steps, 'step')} of {counted(settings.global_batch_size, 'record')}: about {duration(steps * step)}"
        f" ({step:.2g} s a step), {most / _GIB:.1f} GiB at most, as one micro-batch took here"
    )


def duration(seconds: float) -> str:
    """For people: "50 s", "12 min", "3.5 h", "2.1 days"."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s"
