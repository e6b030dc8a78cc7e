"""A dataset in memory with the interface of ShardDataset that the training loop uses."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from support.stand_in import Prepare
from torch.utils.data import IterableDataset, get_worker_info


def seed_of(*numbers: int) -> int:
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:8], "little") >> 1


def record(number: int) -> dict[str, Any]:
    generator = np.random.default_rng(number)
    pictures = {
        name: generator.integers(0, 256, (16, 12, 3), dtype=np.uint8) for name in ("person_image", "garment_image")
    }
    return pictures | {"record_id": f"r{number:03d}"}


class MemoryDataset(IterableDataset[dict[str, Any]]):
    """`count` records, shuffled anew each epoch; round t gives share v its own batch."""

    def __init__(
        self, count: int, batch_size: int, shares: int, rank: int = 0, world_size: int = 1, seed: int = 0
    ) -> None:
        self.count, self.batch_size, self.shares, self.seed = count, batch_size, shares, seed
        self.rank, self.world_size = rank, world_size
        self.epoch, self.start, self.fresh = 0, 0, True
        self.prepare = Prepare(8, 8)

    @property
    def batches_per_epoch(self) -> int:
        return self.count // (self.batch_size * self.shares) * (self.shares // self.world_size)

    def state_after(self, batches: int) -> dict[str, Any]:
        return {"epoch": self.epoch, "batch": batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.start, self.fresh = state["epoch"], state["batch"], True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.fresh:
            self.epoch, self.start = self.epoch + 1, 0
        self.fresh = False
        worker = get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        order = np.random.default_rng(seed_of(self.seed, self.epoch)).permutation(self.count)
        for j in range(self.start + number, self.batches_per_epoch, step):
            t, nth = divmod(j, self.shares // self.world_size)
            yield self._batch(order, t, self.rank + self.world_size * nth)

    def _batch(self, order: np.ndarray, t: int, v: int) -> dict[str, Any]:
        first = (t * self.shares + v) * self.batch_size
        records = [record(int(number)) for number in order[first : first + self.batch_size]]
        seed = seed_of(self.seed, self.epoch, t, v)
        prepared = [
            self.prepare(one, torch.Generator().manual_seed(seed_of(seed, at))) for at, one in enumerate(records)
        ]
        stacked = {name: torch.stack([item[name] for item in prepared]) for name in prepared[0]}
        return stacked | {"record_id": [one["record_id"] for one in records], "seed": seed}
