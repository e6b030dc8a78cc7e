"""Blocks of rows in memory: a lane reads each row group once and keeps a cut one for its next block."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vton_models.reading.order import Batch, Block, EpochOrder
from vton_models.reading.shard_files import indices

Read = Callable[[int], pa.RecordBatch]
Row = dict[str, Any]  # column → Arrow scalar
_BEHIND = 32  # how many rows behind a block may stand in for its bad ones


@dataclass(frozen=True)
class _Part:
    """Consecutive positions [first, first + rows) that come from one run."""

    first: int
    rows: pa.RecordBatch

    @property
    def end(self) -> int:
        return self.first + self.rows.num_rows

    def between(self, first: int, end: int) -> "_Part":
        """A copy of the positions inside [first, end), so that the rest's memory is freed; itself when all are."""
        first, end = max(first, self.first), min(end, self.end)
        if (first, end) == (self.first, self.end):
            return self
        return _Part(first, self.rows.take(indices(np.arange(first - self.first, end - self.first))))


@dataclass
class _Lane:
    block: Block
    positions: np.ndarray  # int64 [size], the order of use
    parts: list[_Part]  # of the block, and what was read beyond it


class BlockReader:
    """Rows of one epoch by position; holds one block per lane. `read` gives the rows of a row group."""

    def __init__(self, order: EpochOrder, read: Read) -> None:
        self._order, self.read = order, read
        self._lanes: dict[tuple[int, int], _Lane] = {}

    def positions(self, block: Block) -> np.ndarray:
        """int64 [size]: the block's positions in the order of use; reads the block if its lane isn't there yet."""
        return self._lane(block).positions

    def row(self, block: Block, position: int) -> Row:
        """One row of the block; of another position too, whose row group is then read for it."""
        inside = block.first <= position < block.first + block.size
        parts = self._lane(block).parts if inside else [self._run_at(position)]
        part = parts[bisect_right(parts, position, key=lambda item: item.first) - 1]
        rows, at = part.rows, position - part.first
        return {name: column[at] for name, column in zip(rows.schema.names, rows.columns, strict=True)}

    def following(self, batch: Batch) -> list[int]:
        """Positions that may stand in for one of the batch: the block's others, some behind it, its own."""
        positions, total = self.positions(batch.block).tolist(), self._order.runs.total
        end = batch.offset + batch.count
        behind = batch.block.first + batch.block.size + np.arange(min(_BEHIND, total - batch.block.size))
        own = positions[batch.offset : end]
        return [*positions[end:], *positions[: batch.offset], *(behind % total).tolist(), *own]

    def run_of(self, position: int) -> tuple[int, int]:
        """(row group, row in it) of a position."""
        runs = self._order.runs
        index = int(np.searchsorted(runs.starts, position, side="right")) - 1
        return int(runs.group[index]), int(runs.first[index] + position - runs.starts[index])

    def _lane(self, block: Block) -> _Lane:
        lane = self._lanes.get(block.lane)
        if lane is None or lane.block != block:
            before = self._lanes.pop(block.lane).parts if lane else []
            lane = _Lane(block, self._order.positions(block), self._parts(block, before))
            self._lanes[block.lane] = lane
        return lane

    def _parts(self, block: Block, before: list[_Part]) -> list[_Part]:
        """The rows of the block, and of its last row group what the lane will read next."""
        parts = [part.between(block.first, block.end) for part in before if part.end > block.first]
        before.clear()
        first, last = block.first, block.first + block.size
        at = parts[-1].end if parts else first
        while at < last:
            part = self._run_at(at).between(at, block.end)
            parts.append(part)
            at = part.end
        return parts

    def _run_at(self, position: int) -> _Part:
        runs = self._order.runs
        index = int(np.searchsorted(runs.starts, position, side="right")) - 1
        rows = self.read(int(runs.group[index]))
        first, count = int(runs.first[index]), int(runs.count[index])
        return _Part(int(runs.starts[index]), rows if count == rows.num_rows else rows.slice(first, count))
