"""Shards → records or batches for training: shuffled by seed, divided over ranks and workers, resumable at any batch.

The order of records depends on (seed, epoch, shares, batch size, window) alone (`vton_models.reading.order`), so
another number of workers, or of ranks that divides the shares, sees the same steps.
"""

import secrets
import sys
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import torch
from torch.utils.data import IterableDataset, get_worker_info

from schemas.cli.flags import UsageError, one_line
from schemas.pages import notebook
from schemas.threads import mapped
from vton_models.reading import catalogue, handover
from vton_models.reading.filters import Filters
from vton_models.reading.making import Making, Prepare, Stored
from vton_models.reading.order import LANES, EpochOrder, Settings
from vton_models.reading.position import Progress, State
from vton_models.reading.slabs import Room, Slabs

WINDOW = 1024
PER_THREAD = 4  # batches in work, or made and waiting, for each thread


class ShardDataset(IterableDataset[dict[str, Any]]):
    """Records of finished shard folders, as a torch `IterableDataset` that makes its own batches.

    For `DataLoader` and torchdata's `StatefulDataLoader` with their `batch_size=None`. An item is a dict column →
    uint8 array (photos [h w 3] RGB, masks [h w] 0/255, label maps [h w] ids), float32 array (keypoints, boxes), str,
    number, list or dict, None where null. With `batch_size` arrays of one shape are stacked to tensors, all else are
    lists. For each column of arrays that can be null a batch has "has_<column>", bool [b]: where it is False the array
    is zeros (empty, where the batch's other records don't give it one shape).

    With `prepare` an item is what it returns for a record and a generator that is seeded by the record's place in the
    order, stacked likewise, and has `record_id` and `seed`, an int for the step's own randomness; both stay the same
    whatever the numbers of workers and ranks.

    path: a folder, local or a URL of fsspec; several; with weights "A:0.2", (path, weight) or {path: weight}. Without
    weights an epoch is every record once; with weights it has equally many, divided by weight (`order.weighted`).
    filters: as `pyarrow.parquet.read_table` takes them; they cost reading their columns of all shards, once.
    shares: batches per optimizer step over all ranks (default world_size); a later run may use any world size that
    divides it. window: records per share that are shuffled together and held in memory as stored.
    decode_size: (height, width) above which pictures may be halved while decoding (`decoding.decoder`).
    threads: decode and prepare so many batches at once in each process that iterates, ahead of the one that is taken
    (0: each when it is taken). They speed up decoding, as a loader's workers do, but not a `prepare` in Python.
    rank, world_size: default torch.distributed's, if that is initialised.

    Shuffled, the last incomplete step of an epoch is left out, other records each epoch. With `shuffle=False` records
    come in shard order, all of them, the last batches shorter; workers then read the same row groups. A record that
    can't be decoded or prepared is replaced by the next one of its block, or behind it, that can (left out with
    `shuffle=False`), named on stderr once per process, and kept in `bad_records`. Each iteration is the next epoch.
    """

    def __init__(
        self,
        path: catalogue.Locations,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        filters: Filters | None = None,
        seed: int = 0,
        shuffle: bool = True,
        batch_size: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        shares: int | None = None,
        window: int = WINDOW,
        prepare: Prepare | None = None,
        decode_size: tuple[int, int] | None = None,
        threads: int = 0,
    ) -> None:
        self.rank, self.world_size = _place(rank, world_size)
        settings = Settings(seed, self.world_size if shares is None else shares, batch_size or 1, window, shuffle)
        self.batch_size, self.prepare, self.decode_size = batch_size, prepare, decode_size
        self.threads = threads
        self.bad_records: dict[str, str] = {}  # of this process: record → reason
        _check(settings, self.world_size, threads)
        self._catalogue = catalogue.catalogue(path, columns, split, filters)
        for folder, names in self._catalogue.lacking.items():
            print(f"{folder} lacks {', '.join(names)}: None in its records", file=sys.stderr)
        if split is None and len(self._catalogue.splits) > 1 and not self.rank:
            mixed = " and ".join(self._catalogue.splits)
            print(
                f"records of {mixed} are mixed; split={self._catalogue.splits[-1]!r} reads one alone", file=sys.stderr
            )
        self._progress = Progress(settings)
        self._counted = self._order(0)
        _check_enough(self._counted)
        self._slabs = Slabs()
        self._family = secrets.token_hex(8)  # of the workers whose batches arrive here
        weakref.finalize(self, handover.forget, self._family)

    @property
    def columns(self) -> list[str]:
        return list(self._catalogue.fields)

    @property
    def settings(self) -> Settings:
        """What decides the order; seed, shares and window may come from a loaded state."""
        return self._progress.settings

    @property
    def batches_per_epoch(self) -> int:
        """Batches (without `batch_size`: records) that this rank makes in an epoch, all workers together."""
        return self._any_epoch.batches(self.world_size, self.rank)

    @property
    def records_per_epoch(self) -> int:
        """Records that all ranks together see in an epoch, counting repeated ones."""
        order = self._any_epoch
        return order.runs.total - (order.left_out if self.settings.shuffle else 0)

    def __len__(self) -> int:
        return self.batches_per_epoch

    def _repr_html_(self) -> str:
        """For notebooks: how much there is, and the first record; its place in the epoch stays."""
        order = self._any_epoch
        making = Making(self._catalogue, order, False, None, self.decode_size, self._slabs.room)
        batch, rows = making.read(order.batch(0, self.world_size, self.rank))
        first = making.make((batch, rows[:1])).records[0]
        told = {"splits": ", ".join(self._catalogue.splits), "columns": ", ".join(self.columns)}
        told = {"records in an epoch": f"{self.records_per_epoch:,}", **told}
        return notebook.table(told.items()) + (notebook.html(first) if isinstance(first, dict) else "")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        # Arrow's own allocator gives large buffers back at once: reading took 2.5 times the CPU time, and more memory.
        pa.set_memory_pool(pa.system_memory_pool())
        epoch, start = self._progress.begin(worker if info else None, workers)
        room = handover.Ring(self._family, worker).room if info else self._slabs.room
        return self._items(epoch, start, workers, room)

    def state_dict(self) -> dict[str, Any]:
        """Where this process is: JSON of some 200 bytes. In a loader's worker, the state of that worker alone."""
        return self._state(self._progress.state())

    def state_after(self, batches: int) -> dict[str, Any]:
        """The state of all workers once this rank has made `batches`, counted from the start of the current epoch.

        The same for every rank; for a trainer whose loader keeps no state. Loaded before the loader starts.
        """
        epochs, batch = divmod(batches, self.batches_per_epoch)
        return self._state(State(self._progress.epoch + epochs, batch))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where the state was taken. Raises ValueError for a state of other data, batches or ranks."""
        mine = self._state(State(0, 0))
        for key in ("data", "batch_size", "shuffle"):
            if state.get(key) != mine[key]:
                raise ValueError(f"the state has {key} {state.get(key)!r}, this dataset {mine[key]!r}")
        seed, shares, window = (int(state[key]) for key in ("seed", "shares", "window"))
        settings = replace(self.settings, seed=seed, shares=shares, window=window)
        if settings.shares % self.world_size:
            raise ValueError(f"the state has {settings.shares} shares, which {self.world_size} ranks don't divide")
        worker = tuple(state["worker"]) if state["worker"] else None
        batch = _rebase(int(state["batch"]), int(state["world_size"]), self.world_size, settings.shares, worker)
        self._progress.load(State(int(state["epoch"]), batch, worker), settings)

    def _state(self, state: State) -> dict[str, Any]:
        settings = {
            name: getattr(self.settings, name) for name in ("seed", "shares", "batch_size", "window", "shuffle")
        }
        place = {"epoch": state.epoch, "batch": state.batch, "worker": list(state.worker) if state.worker else None}
        return place | settings | {"world_size": self.world_size, "data": self._catalogue.fingerprint}

    def _order(self, epoch: int) -> EpochOrder:
        settings = self.settings
        return EpochOrder(settings, epoch, self._catalogue.runs(settings, epoch))

    @property
    def _any_epoch(self) -> EpochOrder:
        """For the counts, which are the same in all epochs."""
        if self._counted.settings != self.settings:
            self._counted = self._order(0)
        return self._counted

    def __getstate__(self) -> dict[str, Any]:
        """For a worker that is spawned, which hands its batches over instead of keeping slabs."""
        return {**self.__dict__, "_slabs": Slabs()}

    def _items(self, epoch: int, start: int, workers: int, room: Room) -> Iterator[dict[str, Any]]:
        order = self._order(epoch)
        numbers = range(start, order.batches(self.world_size, self.rank), workers)
        making = self._making(order, room)
        places = (order.batch(number, self.world_size, self.rank) for number in numbers)
        # No more batches than there are lanes, so that a block isn't held when its lane has gone on to the next one.
        ahead = min(LANES, PER_THREAD * self.threads)
        parts = mapped(making.make, map(making.read, places), self.threads, ahead=ahead)
        for number, (_, part) in zip(numbers, parts, strict=True):
            item = part.item if part.item is not None else making.mended(part, self._report)
            self._progress.done(number + workers)
            if item is not None:
                yield item

    def trial(self, count: int) -> tuple[Making, list[Stored]]:
        """The rows of some batches and what makes items of them, to see how long that takes; no batch is taken."""
        making = self._making(self._any_epoch, self._slabs.room)
        numbers = range(min(count, self.batches_per_epoch))
        return making, [making.read(self._any_epoch.batch(n, self.world_size, self.rank)) for n in numbers]

    def _making(self, order: EpochOrder, room: Room) -> Making:
        return Making(self._catalogue, order, self.batch_size is not None, self.prepare, self.decode_size, room)

    def _report(self, name: str, error: Exception) -> None:
        if name not in self.bad_records:
            self.bad_records[name] = f"{type(error).__name__}: {one_line(error)}"
            print(f"left out {name}: {self.bad_records[name]}", file=sys.stderr)


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """(rank, world size), torch.distributed's where none is given. Raises UsageError."""
    if (rank is None) != (world_size is None):
        raise UsageError(f"rank {rank} and world_size {world_size}; allowed are both or none")
    if rank is None or world_size is None:
        is_distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if is_distributed else (0, 1)
    if not 0 <= rank < world_size:
        raise UsageError(f"rank {rank}; allowed are 0 to {world_size - 1}")
    return rank, world_size


def _check(settings: Settings, world_size: int, threads: int) -> None:
    if threads < 0:
        raise UsageError(f"threads {threads}; allowed are numbers from 0 on")
    for name in ("shares", "batch_size", "window"):
        if getattr(settings, name) < 1:
            raise UsageError(f"{name} {getattr(settings, name)}; allowed are numbers from 1 on")
    if settings.shares % world_size:
        raise UsageError(f"{settings.shares} shares for {world_size} ranks; allowed are multiples of {world_size}")


def _rebase(batch: int, then: int, now: int, shares: int, worker: tuple[int, int] | None) -> int:
    """The rank's batch number under another world size; only between steps, and not of a single worker's state."""
    if then == now:
        return batch
    steps, rest = divmod(batch, shares // then)
    if worker or rest:
        where = "is one loader worker's" if worker else f"lies {rest} batches inside a step"
        raise ValueError(f"the state of {then} ranks {where} and can't be loaded with {now} ranks")
    return steps * (shares // now)


def _check_enough(order: EpochOrder) -> None:
    rows, step = order.runs.total, order.settings.shares * order.settings.batch_size
    if not rows or (order.settings.shuffle and rows < step):
        raise UsageError(
            f"{rows} {'record does' if rows == 1 else 'records do'}n't fill one step of {step};"
            " allowed are fewer shares or smaller batches"
        )
