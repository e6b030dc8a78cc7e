"""The sampling loop: tasks in batches → pictures, each on its own noise, each written once."""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from schemas.codecs import CodecError
from schemas.folders import atomic
from schemas.kinds import TRYON
from vton_models.networks import crops, pictures
from vton_models.reading.view import MASK
from vton_models.sampling import photos
from vton_models.system import Box, Model, Prepare, Purpose, Record, Sampling

OnStep = Callable[[int, torch.Tensor], None]
FINE = 0.5  # of a mask's pixels must be left at the network's size


@dataclass
class Rejection(Exception):
    """Why a task can't be sampled: stage, kind of error, message without paths."""

    stage: str
    error: str
    message: str


class SamplingError(Exception):
    """Sampling can't go on; the message is one line. Exit code 1."""


def result_before(file: Path, error: str, what: str) -> np.ndarray:
    """uint8 [h w 3] that the task before has left, for one that goes on from it. Raises Rejection if it left none."""
    if not file.is_file():
        raise Rejection("read", error, f"the {what} before this one gave no result")
    return photos.read(str(file), "--output")


@dataclass(frozen=True)
class Settings:
    """What changes a result beside weights and pictures: the seed, and the system's own settings."""

    seed: int
    sampling: Sampling

    def described(self) -> dict[str, Any]:
        """All of them by name."""
        return {"seed": self.seed, **asdict(self.sampling)}

    @property
    def told(self) -> str:
        """For people: "steps 50, guidance 2.5"."""
        words = (f"{_plain(name)} {_number(value)}" for name, value in asdict(self.sampling).items())
        return ", ".join(words)


def _plain(name: str) -> str:
    return name.removeprefix("num_inference_").removesuffix("_scale").replace("_", " ")


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Task:
    """One result to make. `read` returns its record as `prepare` takes it, or raises Rejection or CodecError.

    `row` holds what samples.parquet says of it in the columns of its kind of task, `notes` what its file says.
    """

    record_id: str
    file: str
    read: Callable[[], Record]
    purpose: Purpose = Purpose.RECORDS
    row: Mapping[str, str | None] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Results:
    """What a run left: which tasks have a file, how many had one before, and the rest with the reasons."""

    done: tuple[Task, ...]
    skipped: int
    rejects: tuple[dict[str, str], ...]


def generator(seed: int, record_id: str) -> torch.Generator:
    """A record's own noise: neither batch nor order nor device changes it."""
    digest = hashlib.sha256(repr((seed, record_id)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class Sampler:
    """A model with its settings: records → pictures at the model's size."""

    def __init__(self, model: Model, settings: Settings, on_step: OnStep | None = None) -> None:
        """`on_step` sees the latents after each step of a model that has steps; what it raises ends the sampling."""
        self.model, self.settings, self.on_step = model, settings, on_step
        self.size: tuple[int, int] = (model.config.height, model.config.width)

    def __call__(self, tasks: Sequence[Task], records: Sequence[Record]) -> list[np.ndarray | None]:
        """uint8 [h w 3] each; None where the network gave NaN or infinity. Raises SamplingError without memory."""
        prepared = [self.prepare(task)(record) for task, record in zip(tasks, records, strict=True)]
        batch = {name: torch.stack([one[name] for one in prepared]) for name in prepared[0]}
        noises = [generator(self.settings.seed, task.record_id) for task in tasks]
        try:
            watched = {"on_step": self.on_step} if self.on_step else {}
            results = self.model.sample(batch, self.settings.sampling, noises, **watched)
        except torch.OutOfMemoryError as error:
            where = f"a batch of {len(records)} at {self.size[0]}x{self.size[1]}"
            raise SamplingError(f"{where} is out of memory; try a smaller --batch-size or --memory low") from error
        return [pictures.to_array(one) if bool(torch.isfinite(one).all()) else None for one in results]

    def prepare(self, task: Task) -> Prepare:
        return self.model.prepare(task.purpose)

    def check(self, task: Task, record: Record) -> None:
        """Raises Rejection for a task whose mask the network wouldn't see."""
        mask = record.get(MASK)
        if mask is not None:
            check_mask(mask, self.prepare(task).visible(record), self.size if self._reads_masks else None)

    @cached_property
    def _reads_masks(self) -> bool:
        return MASK in self.model.config.reads(TRYON.name).needed


def check_mask(mask: np.ndarray, visible: Box, size: tuple[int, int] | None) -> None:
    """Raises Rejection where a mask [h w] isn't all in view, or is too fine for a network of `size` that reads it."""
    seen = crops.cut(mask, visible)
    repainted, shown = int(np.count_nonzero(mask)), int(np.count_nonzero(seen))
    if shown < repainted:
        share = f"{1 - shown / repainted:.0%} of the mask lies outside the part of the photo that the network sees"
        raise Rejection("read", "mask_outside", share)
    if size is None or not repainted:
        return
    left = pictures.stretch(pictures.binary(pictures.stretch(seen, size)), (seen.shape[0], seen.shape[1]))
    share_left = np.count_nonzero(left[seen > 0] >= 128) / shown
    if share_left < FINE:
        message = f"{share_left:.0%} of the mask is left at {size[0]}x{size[1]}: it is too fine for that size"
        raise Rejection("read", "mask_too_fine", message)


@dataclass(frozen=True)
class Work:
    """What makes files of tasks: a sampler, what becomes of its pictures, and the bytes of a file."""

    sample: Sampler
    finish: Callable[[Task, Record, np.ndarray], np.ndarray]
    encode: Callable[[Task, np.ndarray], bytes]

    def batch(self, batch: Sequence[Task], folder: Path) -> list[dict[str, str]]:
        """Writes the files that a batch lacks; returns rows of rejects.parquet for the tasks that give none."""
        missing = [task for task in batch if not (folder / task.file).is_file()]
        readable, rejects = self._read(missing)
        if not readable:
            return rejects
        unwritten = {task.file for task, _ in readable}
        together = readable if len(missing) == len(batch) else self._read(batch)[0]
        results = self.sample([task for task, _ in together], [record for _, record in together])
        for (task, record), result in zip(together, results, strict=True):
            if task.file in unwritten and result is None:
                rejects.append(_reject(task, "sample", "not_finite", "the network gave NaN or infinity"))
            elif task.file in unwritten and result is not None:
                atomic.write(folder / task.file, self.encode(task, self.finish(task, record, result)))
        return rejects

    def _read(self, tasks: Sequence[Task]) -> tuple[list[tuple[Task, Record]], list[dict[str, str]]]:
        """Records that could be read, and rows of rejects.parquet for the others."""
        readable: list[tuple[Task, Record]] = []
        rejects = []
        for task in tasks:
            try:
                record = task.read()
                self.sample.check(task, record)
                readable.append((task, record))
            except Rejection as error:
                rejects.append(_reject(task, error.stage, error.error, error.message))
            except CodecError as error:
                rejects.append(_reject(task, "read", "undecodable", str(error)))
        return readable, rejects


def run(tasks: Sequence[Task], folder: Path, batch_size: int, work: Work) -> Results:
    """Writes `folder/FILE` of every task that has none yet; a task that can't be read is set aside and stops nothing.

    Batches are cut from all tasks, not from those left over, since a batch's size may change the last bit of a result:
    a run that was killed and started again then ends with the bytes of an unbroken one.
    """
    skipped = sum((folder / task.file).is_file() for task in tasks)
    rejects: list[dict[str, str]] = []
    with tqdm(total=len(tasks), desc="sampling", file=sys.stderr, disable=None) as bar:
        for start in range(0, len(tasks), batch_size):
            batch = tasks[start : start + batch_size]
            rejects += work.batch(batch, folder)
            bar.update(len(batch))
    done = tuple(task for task in tasks if (folder / task.file).is_file())
    return Results(done, skipped, tuple(rejects))


def _reject(task: Task, stage: str, error: str, message: str) -> dict[str, str]:
    return {"record_id": task.record_id, "stage": stage, "error": error, "message": message, "source": task.source}


def rows(
    results: Results, settings: Settings, digest: str, folder: Path, size: Callable[[Path], tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Of samples.parquet."""
    for task in results.done:
        width, height = size(folder / task.file)
        of_the_file = {"weights_digest": digest, "file": task.file, "width": width, "height": height}
        yield {"record_id": task.record_id, **task.row, **settings.described(), **of_the_file}
