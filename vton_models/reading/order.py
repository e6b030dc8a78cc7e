"""The reader's order of records: pure arithmetic on counts and seeds, no files.

Row groups are put in a random order; each share of an optimizer step walks its own stretch of that row in 12 lanes, and
a lane is shuffled block by block. A worker then reads few row groups, whatever the batch, and the order depends on
(seed, epoch, shares, batch size, window) alone.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LANES = 12  # divisible by 1, 2, 3, 4, 6 and 12 workers, which then share no lane
_TAGS = {"groups": 1, "front": 2, "block": 3, "pass": 4, "cut": 5, "record": 6, "batch": 7}


def derive_seed(purpose: str, *numbers: int) -> int:
    """An integer below 2^63 that depends on the purpose and the numbers, the same on every machine and version."""
    words = b"".join(int(n).to_bytes(8, "little", signed=True) for n in (_TAGS[purpose], *numbers))
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "little") >> 1


def permutation(size: int, seed: int) -> np.ndarray:
    """int64 [size]; from raw random words, since NumPy promises those alone to stay the same over versions."""
    return np.argsort(np.random.PCG64(seed).random_raw(size), kind="stable")


@dataclass(frozen=True)
class Settings:
    """What, beside the epoch and the counts, decides the order."""

    seed: int
    shares: int
    batch_size: int
    window: int
    shuffle: bool


@dataclass(frozen=True)
class Runs:
    """Stretches of rows, in reading order: int64 [n] number of the row group, first row in it, rows."""

    group: np.ndarray
    first: np.ndarray
    count: np.ndarray

    def take(self, index: np.ndarray) -> "Runs":
        return Runs(self.group[index], self.first[index], self.count[index])

    @cached_property
    def starts(self) -> np.ndarray:
        """int64 [n + 1]: position of each run's first row, and the total."""
        return np.concatenate([[0], np.cumsum(self.count)]).astype(np.int64)

    @property
    def total(self) -> int:
        return int(self.starts[-1])


@dataclass(frozen=True)
class Block:
    """Positions [first, first + size) that are read together; [first, end) is what its lane still has to read."""

    lane: tuple[int, int]  # (share, lane)
    number: int
    first: int
    size: int
    end: int


@dataclass(frozen=True)
class Batch:
    """`count` rows of a shuffled block, from `offset` on; `round` and `share` say which part of which step it is."""

    round: int
    share: int
    block: Block
    offset: int
    count: int


class EpochOrder:
    """One epoch's batches. `runs` are all stretches of the epoch in shard order; rows there are counted, not read."""

    def __init__(self, settings: Settings, epoch: int, runs: Runs) -> None:
        self.settings, self.epoch = settings, epoch
        seed, step = settings.seed, settings.shares * settings.batch_size
        self.rounds, self.left_out = divmod(runs.total, step)
        self.runs, self.front = runs, 0
        if settings.shuffle:
            self.runs = runs.take(permutation(len(runs.count), derive_seed("groups", seed, epoch)))
            # The rows left out lie in front of and behind the rest, another part each epoch.
            self.front = derive_seed("front", seed, epoch) % (self.left_out + 1)

    def batches(self, world_size: int, rank: int) -> int:
        """How many batches a rank makes in this epoch."""
        shares = self.settings.shares // world_size
        if self.settings.shuffle:
            return self.rounds * shares
        mine = rank + world_size * np.arange(shares)  # of the last round only those shares that get a row
        return self.rounds * shares + int(np.count_nonzero(mine < self.left_out))

    def batch(self, number: int, world_size: int, rank: int) -> Batch:
        """The rank's batch of that number; the ranks' batches of one round together are one optimizer step."""
        round_, nth = divmod(number, self.settings.shares // world_size)
        share = rank + world_size * nth
        return self._shuffled(round_, share) if self.settings.shuffle else self._plain(round_, share)

    def positions(self, block: Block) -> np.ndarray:
        """int64 [size]: the block's rows in the order in which they are used."""
        if not self.settings.shuffle:
            return block.first + np.arange(block.size)
        seed = derive_seed("block", self.settings.seed, self.epoch, *block.lane, block.number)
        return block.first + permutation(block.size, seed)

    def _shuffled(self, round_: int, share: int) -> Batch:
        size = self.settings.batch_size
        nth, lane = divmod(round_, LANES)
        whole, rest = divmod(self.rounds, LANES)
        batches = whole + (lane < rest)
        before = lane * whole + min(lane, rest)  # batches of the lanes before this one
        block_rows = max(1, self.settings.window // LANES // size) * size
        number, offset = divmod(nth * size, block_rows)
        start = self.front + (share * self.rounds + before) * size
        first, end = start + number * block_rows, start + batches * size
        block = Block((share, lane), number, first, min(block_rows, end - first), end)
        return Batch(round_, share, block, offset, size)

    def _plain(self, round_: int, share: int) -> Batch:
        """Shard order, nothing left out: the last round's batches share what remains."""
        size, shares = self.settings.batch_size, self.settings.shares
        first, count = (round_ * shares + share) * size, size
        if round_ == self.rounds:
            even, more = divmod(self.left_out, shares)
            first, count = round_ * shares * size + share * even + min(share, more), even + (share < more)
        block = Block((0, 0), round_ * shares + share, first, count, self.runs.total)
        return Batch(round_, share, block, 0, count)


def every_group(sizes: np.ndarray) -> Runs:
    """All rows once."""
    return Runs(np.arange(len(sizes)), np.zeros(len(sizes), np.int64), np.asarray(sizes, np.int64))


def weighted(
    sizes: np.ndarray, members: list[np.ndarray], weights: list[float], settings: Settings, epoch: int
) -> Runs:
    """As many rows as there are, divided by weight: a dataset of too few is repeated, of too many is left out in part.

    `members` are the row groups of each dataset. Whole passes come first; the rest of a dataset's share is row groups
    that differ from epoch to epoch, the last of them cut, so that every epoch has equally many rows.
    """
    targets = _targets(int(sum(sizes[groups].sum() for groups in members)), weights)
    parts = []
    for dataset, (groups, target) in enumerate(zip(members, targets, strict=True)):
        rows = int(sizes[groups].sum())
        passes, rest = divmod(target, rows) if rows else (0, 0)
        parts += [_whole(groups, sizes)] * passes
        order = np.arange(len(groups))
        if settings.shuffle:
            order = permutation(len(groups), derive_seed("pass", settings.seed, epoch, dataset))
        parts.append(_first_rows(groups[order], sizes, rest, settings, epoch))
    return Runs(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("group", "first", "count")))


def _targets(total: int, weights: list[float]) -> list[int]:
    """Rows per dataset, in proportion; they add up to `total`."""
    bounds = np.rint(np.cumsum([0.0, *weights]) / sum(weights) * total).astype(int)
    return [int(n) for n in np.diff(bounds)]


def _whole(groups: np.ndarray, sizes: np.ndarray) -> Runs:
    return Runs(groups, np.zeros(len(groups), np.int64), np.asarray(sizes[groups], np.int64))


def _first_rows(groups: np.ndarray, sizes: np.ndarray, rows: int, settings: Settings, epoch: int) -> Runs:
    """The first groups that together have `rows` rows; of the last one a random stretch."""
    runs = _whole(groups[: int(np.searchsorted(np.cumsum(sizes[groups]), rows)) + 1] if rows else groups[:0], sizes)
    over = runs.total - rows
    if over:
        runs.count[-1] -= over
        if settings.shuffle:
            runs.first[-1] = derive_seed("cut", settings.seed, epoch, int(runs.group[-1])) % (over + 1)
    return Runs(runs.group, runs.first, runs.count)
