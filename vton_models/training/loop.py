"""The one training loop, on accelerate: any model of the package, any number of processes.

An optimizer step is one round of the reader: `shares` micro-batches, split evenly over the processes. Every micro-batch
brings its own seed, and every draw of its loss follows from it; so a step is a function of parameters, step number and
data, a resumed run equals an unbroken one, and processes can be exchanged for accumulation.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, send_to_device, set_seed
from torch import nn
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from vton_models.networks import memory
from vton_models.system import Model
from vton_models.training import checkpoints, optimisers, schedules
from vton_models.training.checkpoints import Progress
from vton_models.training.ema import Ema
from vton_models.training.run_folder import Run
from vton_models.training.settings import Cadence, Settings
from vton_models.training.validation import Validation

MAX_STREAK = 10  # steps without a finite loss or gradient in a row that end a run
NAMED = 20  # record ids in the message then

Parameters = Mapping[str, nn.Parameter]
Look = Callable[[int, bool], None]  # (step, whether pictures are due), in every process
Part = tuple[torch.Tensor, list[str]]  # loss and record ids of a micro-batch


class TrainingError(RuntimeError):
    """A run that can't go on: exit code 1."""


class Losses(nn.Module):
    """The model as DistributedDataParallel sees it: its trained parameters, and a forward that is `model.loss`."""

    def __init__(self, model: Model, parameters: Parameters) -> None:
        super().__init__()
        self.trained = nn.ParameterList(parameters.values())
        self.loss = model.loss  # a bound method: the frozen networks aren't registered, broadcast or wrapped

    def forward(self, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
        return self.loss(batch, generator)


def train(
    accelerator: Accelerator,
    model: Model,
    dataset: Any,
    settings: Settings,
    cadence: Cadence,
    run: Run,
    validation: Validation | None = None,
    workers: int = 0,
    look: Look | None = None,
) -> Progress:
    """Trains `model` up to `settings.steps` steps from the newest checkpoint of `run`, or from where the model is.

    `dataset` is a ShardDataset with `settings.shares` shares whose batches are prepared. The model's parameters end as
    trained, or averaged where `settings.ema` is on. `look` is shown the run while it goes on. Raises TrainingError
    after ten steps in a row whose loss or gradient isn't finite.
    """
    model.to(accelerator.device)
    parameters = master_weights(model.trainable())
    rates, fused = (settings.learning_rate, settings.weight_decay), accelerator.device.type == "cuda"
    inner = optimisers.build(settings.optimizer, parameters.values(), *rates, fused)
    losses, optimizer = accelerator.prepare(Losses(model, parameters), inner)
    ema = Ema(parameters, settings.ema) if settings.ema else None
    state = State(parameters, inner, ema, dataset, settings.shares // accelerator.num_processes)
    progress = state.resume(run, accelerator)
    batches = Ahead(endless(dataset, workers, accelerator))
    clock = time.perf_counter()

    bar = progress_bar(progress.step, settings.steps, accelerator)
    for step in bar:
        rate = learning_rate(settings, step)
        for group in inner.param_groups:
            group["lr"] = rate

        # The mean loss over the global batch and its gradient, the same on all processes.
        parts = accumulate(accelerator, losses, batches, state.accumulation)
        norms = accelerator.clip_grad_norm_(parameters.values(), settings.max_grad_norm or math.inf)
        arrived = on_the_way(torch.stack([mean_loss(accelerator, parts), norms]))
        if step + 1 < settings.steps:
            batches.fetch()
        loss, norm = arrived()  # the one time that the host waits for the device

        # So all processes skip a step, or none does.
        if math.isfinite(loss) and math.isfinite(norm):
            optimizer.step()
            progress.took(loss)
            if ema is not None:
                ema.update()
        else:
            finish_skipped(accelerator)
            progress.skip(suspects(parts))
        optimizer.zero_grad()

        bar.set_postfix_str(f"loss {loss:.4f}, rate {rate:.2e}, {memory.peak(accelerator.device)}", refresh=False)
        last = progress.step == settings.steps
        seconds = round(time.perf_counter() - clock, 3)
        if last or progress.streak or due(progress.step, cadence.log_every):
            report(accelerator, run, {"loss": loss, "learning_rate": rate, "grad_norm": norm}, progress.step, seconds)
        if validation is not None and (last or due(progress.step, cadence.validate_every)):
            with ema.applied() if ema is not None else nullcontext():
                report(accelerator, run, validation(accelerator, model, progress.step), progress.step, seconds)
        pictures_due = not last and due(progress.step, cadence.pictures_every)
        if look is not None and (pictures_due or due(progress.step, cadence.validate_every) or last):
            with ema.applied() if ema is not None else nullcontext():
                look(progress.step, pictures_due)
        if len(progress.streak) == MAX_STREAK:
            raise TrainingError(streak_message(progress))
        if last or due(progress.step, cadence.checkpoint_every):
            state.save(run, accelerator, progress, cadence.keep)

    if ema is not None:
        ema.assign()
    return progress


def learning_rate(settings: Settings, step: int) -> float:
    """Of the step after `step` finished ones."""
    share = schedules.factor(settings.lr_schedule, step, settings.lr_warmup_steps, settings.steps)
    return settings.learning_rate * share


def due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def master_weights(parameters: Parameters) -> Parameters:
    """Trained parameters in float32, whatever the frozen ones are in; mixed precision is autocast's."""
    for parameter in parameters.values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return parameters


def endless(dataset: IterableDataset[Any], workers: int, accelerator: Accelerator) -> Iterator[dict[str, Any]]:
    """Epoch after epoch of this process's batches, on its device."""
    on_gpu = accelerator.device.type == "cuda"
    loader: DataLoader[Any] = DataLoader(
        dataset, batch_size=None, num_workers=workers, pin_memory=on_gpu, persistent_workers=workers > 0
    )
    while True:
        try:
            for batch in loader:
                yield send_to_device(batch, accelerator.device, non_blocking=on_gpu)
        except RuntimeError as error:
            raise TrainingError(f"the reader stopped: {str(error).strip().splitlines()[-1]}") from error


class Ahead:
    """Batches, of which the next may be fetched while the device is still at work on the one before."""

    def __init__(self, batches: Iterator[dict[str, Any]]) -> None:
        self.batches = batches
        self.fetched: list[dict[str, Any] | TrainingError] = []

    def fetch(self) -> None:
        """What goes wrong is raised when the batch is asked for: the step before is whole."""
        try:
            self.fetched.append(next(self.batches))
        except TrainingError as error:
            self.fetched.append(error)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        if not self.fetched:
            return next(self.batches)
        batch = self.fetched.pop()
        if isinstance(batch, TrainingError):
            raise batch
        return batch


def accumulate(
    accelerator: Accelerator, losses: nn.Module, batches: Iterator[dict[str, Any]], count: int
) -> list[Part]:
    """Adds up the gradients of `count` micro-batches; each one's loss and record ids."""
    parts = []
    for index in range(count):
        batch = next(batches)
        with nullcontext() if index == count - 1 else accelerator.no_sync(losses):
            set_seed(batch["seed"] % 2**32)  # for layers that draw from the global generators, such as dropout
            generator = torch.Generator(accelerator.device).manual_seed(batch["seed"])
            loss = losses(batch, generator)
            accelerator.backward(loss / count)
        parts.append((loss.detach().float(), list(batch["record_id"])))
    return parts


def mean_loss(accelerator: Accelerator, parts: list[Part]) -> torch.Tensor:
    """Over the micro-batches of all processes; not finite if one of them isn't."""
    own = torch.stack([loss for loss, _ in parts]).mean()
    mean: torch.Tensor = accelerator.reduce(own, reduction="mean")
    return mean


def on_the_way(values: torch.Tensor) -> Callable[[], list[float]]:
    """Sends numbers to the host; what is returned waits for them."""
    if values.device.type != "cuda":
        return values.tolist
    sent, event = values.to("cpu", non_blocking=True), torch.cuda.Event()
    event.record()

    def arrived() -> list[float]:
        event.synchronize()
        return sent.tolist()

    return arrived


def suspects(parts: list[Part]) -> list[str]:
    """Record ids, of all processes, whose micro-batch has no finite loss; all of them if each has one."""
    bad = [name for loss, names in parts if not math.isfinite(loss) for name in names]
    ids: list[str] = gather_object(bad)
    return ids or gather_object([name for _, names in parts for name in names])


def finish_skipped(accelerator: Accelerator) -> None:
    """Clipping has unscaled fp16's gradients; without a step the scaler has to be told that they are done with."""
    if accelerator.scaler is not None:
        accelerator.scaler.update()


def streak_message(progress: Progress) -> str:
    names = list(dict.fromkeys(name for step in progress.streak for name in step))
    shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    first = progress.step - MAX_STREAK + 1
    return f"loss or gradient not finite in steps {first} to {progress.step}; records {shown}"


def report(accelerator: Accelerator, run: Run, values: dict[str, Any], step: int, seconds: float) -> None:
    """To log.jsonl and the trackers; a number that isn't finite becomes null there."""
    if accelerator.is_main_process:
        run.log({"step": step, **values, "seconds": seconds, "memory_gib": memory.peak_gib(accelerator.device)})
    numbers = {name: value for name, value in values.items() if isinstance(value, float) and math.isfinite(value)}
    accelerator.log(numbers, step=step)


def progress_bar(done: int, steps: int, accelerator: Accelerator) -> "tqdm[int]":
    """The numbers of the steps to go, drawn on stderr by one process."""
    hidden = not accelerator.is_main_process
    interval = 0.5 if sys.stderr.isatty() else 30.0
    return tqdm(range(done, steps), initial=done, total=steps, unit="step", mininterval=interval, disable=hidden)


class State:
    """What a checkpoint holds, and the way between it and the run's folder."""

    def __init__(
        self,
        parameters: Parameters,
        optimizer: torch.optim.Optimizer,
        ema: Ema | None,
        dataset: Any,
        accumulation: int,
    ) -> None:
        self.parameters, self.optimizer, self.ema = parameters, optimizer, ema
        self.dataset, self.accumulation = dataset, accumulation

    def resume(self, run: Run, accelerator: Accelerator) -> Progress:
        """From the newest checkpoint, or a start."""
        newest = checkpoints.newest(run.checkpoints)
        if newest is None:
            return Progress()
        progress = checkpoints.restore(newest, self.parameters, self.optimizer, self.ema)
        if accelerator.scaler is not None and progress.scaler is not None:
            accelerator.scaler.load_state_dict(progress.scaler)
        self.dataset.load_state_dict(progress.reader)
        return progress

    def save(self, run: Run, accelerator: Accelerator, progress: Progress, keep: int) -> None:
        """By one process; all wait, and all raise TrainingError for a parameter that isn't finite."""
        finite = torch.stack([torch.isfinite(parameter).all() for parameter in self.parameters.values()]).tolist()
        for name, is_finite in zip(self.parameters, finite, strict=True):
            if not is_finite:
                raise TrainingError(f"parameter {name} is not finite after step {progress.step}; lower --learning-rate")
        progress.reader = self._reader_state(progress.step)
        progress.ema_updates = self.ema.updates if self.ema is not None else 0
        progress.scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else None
        if accelerator.is_main_process:
            checkpoints.save(run.checkpoints, self.parameters, self.optimizer, self.ema, progress, keep)
        accelerator.wait_for_everyone()

    def _reader_state(self, step: int) -> dict[str, Any]:
        """Every step takes one round of the reader, so the position follows from the number of steps."""
        rounds = self.dataset.batches_per_epoch // self.accumulation
        epoch, done = divmod(step, rounds)
        return self.dataset.state_after(done * self.accumulation) | {"epoch": epoch}
