"""Which of many 256-bit hashes are nearly equal: all against all where they are few, by an index of bands beyond.

A band is some of the bits, and hashes that are equal in one are compared. Bands are as wide as leaves a few random
hashes in a bucket; there are always nine or more that share no bit, so that eight bits that differ leave one of them
untouched: no pair within GUARANTEED bits is missed. A bucket too large for that is cut by bands of its other bits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.judging.linkage import Linkage

BITS = 256
GUARANTEED = 8
EXACT = 20_000  # hashes of which every pair is compared, in about two seconds
MOST_IN_GROUP = 1_000  # hashes, where the index is used

_BLOCK = 2_048
_CELLS = 1 << 18  # pairs compared at once
_LARGEST_BUCKET = 512  # hashes, of which all pairs are compared
_PER_BUCKET = 8  # hashes, were they random
_EFFORT = 6_000  # comparisons for each hash; where they are spent, large buckets are capped
_SORTING = 500  # comparisons that take as long as sorting a hash by all bands
_NEIGHBOURS = 32  # hashes that each of a capped bucket is compared with
_SQUARE = 8  # hashes that are compared as they are, each pair twice
_WORTH_A_LOOK = 64  # hashes in a bucket: whether they are in one group already, or in full ones
_CHUNK = 1 << 16
_ORDER = [101 * place % BITS for place in range(BITS)]  # neighbouring frequencies of a picture go into several bands
_MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

Found = Callable[[np.ndarray, np.ndarray, np.ndarray], None]  # indices of pairs a, b, and how many bits differ


@dataclass(frozen=True)
class Groups:
    """`first`: int32 [n], of each hash the index of the first one of its group.

    `capped`: buckets of which not all pairs were compared; `full`: groups that took no more, although more are near.
    """

    first: np.ndarray
    capped: int = 0
    full: int = 0


def groups(words: np.ndarray, limit: int, exact: int = EXACT) -> Groups:
    """Joins hashes uint64 [n 4] by pairs at most `limit` bits apart, the nearest first.

    Up to `exact` hashes every such pair counts. Beyond, those that the index meets, and a group has at most
    MOST_IN_GROUP; the index misses none within GUARANTEED bits unless a bucket was `capped`.
    """
    same = _equal(words)  # index of the first hash that is equal
    distinct = np.unique(same)
    few = len(words) <= exact
    linkage = Linkage(np.bincount(same, minlength=len(words)), len(words) if few else MOST_IN_GROUP)
    if few:
        all_pairs(words, distinct, limit, linkage.add)
        return Groups(linkage.roots()[same])
    index = _Index(words, limit, linkage)
    index.search(distinct)
    first, full = linkage.bounded(linkage.roots()[same])
    return Groups(first, index.capped, full)


def all_pairs(words: np.ndarray, rows: np.ndarray, limit: int, found: Found) -> None:
    """Every pair of these rows that is at most `limit` bits apart; blocks keep memory small."""
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    for place, block in enumerate(blocks):
        _compare(words, block[None], block[None], limit, _ordered(found))
        for other in blocks[place + 1 :]:
            _compare(words, block[None], other[None], limit, found)


def _ordered(found: Found) -> Found:
    """Takes each pair of a square once, and none of a hash with itself."""

    def take(a: np.ndarray, b: np.ndarray, distances: np.ndarray) -> None:
        kept = a < b
        found(a[kept], b[kept], distances[kept])

    return take


def _compare(words: np.ndarray, a: np.ndarray, b: np.ndarray, limit: int, found: Found) -> None:
    """Of rows a [r p] and b [r q], each of a line against each of the same line."""
    x, y = words[a][:, :, None], words[b][:, None, :]
    distances = np.bitwise_count(x[..., 0] ^ y[..., 0])
    for word in (1, 2):
        distances += np.bitwise_count(x[..., word] ^ y[..., word])
    total = np.add(distances, np.bitwise_count(x[..., 3] ^ y[..., 3]), dtype=np.uint16)  # 256 is above eight bits
    near = np.flatnonzero(total <= limit)
    if len(near):
        line, i, j = np.unravel_index(near, total.shape)
        found(a[line, i], b[line, j], total.ravel()[near])


def _equal(words: np.ndarray) -> np.ndarray:
    """int64 [n]: of each hash the index of the first equal one. Two that mix alike count as different, if adjacent."""
    mixed = _mixed(words, np.arange(len(words)), np.full(4, ~np.uint64(0)))
    order = np.argsort(mixed, kind="stable")
    new = np.ones(len(words), bool)
    for start in range(1, len(words), _CHUNK):
        some = order[start - 1 : start + _CHUNK]
        new[start : start + _CHUNK] = (words[some[1:]] != words[some[:-1]]).any(axis=1)
    first = np.empty(len(words), np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first


def _mixed(words: np.ndarray, rows: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint64 for each row, equal where the masked bits are equal, and by next to no chance elsewhere."""
    mixed = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _CHUNK):
        masked = words[rows[start : start + _CHUNK]] & mask
        mixed[start : start + _CHUNK] = (masked * _MIXERS).sum(axis=1, dtype=np.uint64)
    return mixed


class _Index:
    """Meets the hashes of each bucket, band by band."""

    def __init__(self, words: np.ndarray, limit: int, linkage: Linkage) -> None:
        self.words, self.limit, self.linkage = words, limit, linkage
        self.capped = 0
        self._width = 1
        self._effort = 0

    def search(self, rows: np.ndarray) -> None:
        self._width = max(1, len(rows).bit_length() - _PER_BUCKET.bit_length() + 1)
        bands = BITS // self._width
        self._by_bands(rows, _ORDER, _EFFORT * len(rows) // bands)

    def _by_bands(self, rows: np.ndarray, bits: list[int], effort: int) -> None:
        """By bands of `bits`, in which the rows may differ; each adds `effort` to what large buckets may take."""
        width = min(self._width, len(bits) // (GUARANTEED + 1))
        for start in range(0, len(bits) - width + 1, width):
            self._effort += effort
            for bucket in self._buckets(rows, bits[start : start + width]):
                self._cut(bucket, bits[:start] + bits[start + width :])

    def _buckets(self, rows: np.ndarray, band: list[int]) -> list[np.ndarray]:
        """Compares all rows of each bucket; those of too large ones are returned."""
        keys = self._sorted_keys(rows, band)
        ordered = rows[(keys & _LOW).astype(np.int64)]
        keys >>= _HALF
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        sizes = np.diff(starts, append=len(keys))
        self._small(ordered, starts, sizes)
        large = sizes > _LARGEST_BUCKET
        spans = zip(starts[large].tolist(), sizes[large].tolist(), strict=True)
        return [ordered[start : start + size].copy() for start, size in spans]

    def _sorted_keys(self, rows: np.ndarray, band: list[int]) -> np.ndarray:
        """uint64, sorted: the upper half is equal for rows that are equal in the band, the lower one is their place."""
        mask = np.zeros(4, np.uint64)
        for bit in band:
            mask[bit // 64] |= np.uint64(1) << np.uint64(bit % 64)
        keys = _mixed(self.words, rows, mask)
        keys &= ~_LOW
        keys |= np.arange(len(rows), dtype=np.uint64)
        keys.sort()
        return keys

    def _small(self, ordered: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> None:
        """All pairs of the buckets that aren't too large, some buckets of one size at a time."""
        small = np.flatnonzero((sizes > 1) & (sizes <= _LARGEST_BUCKET))
        small = small[np.argsort(sizes[small], kind="stable")]
        for of_size in np.split(small, np.flatnonzero(np.diff(sizes[small])) + 1) if len(small) else ():
            size = int(sizes[of_size[0]])
            self._effort -= len(of_size) * size * size // 2
            lines = max(1, _CELLS // size**2)
            for line in range(0, len(of_size), lines):
                buckets = ordered[starts[of_size[line : line + lines], None] + np.arange(size)]
                if size < _WORTH_A_LOOK:
                    self._within(buckets)
                else:
                    for bucket in buckets:
                        self._within(self.linkage.open(bucket)[None])

    def _within(self, rows: np.ndarray) -> None:
        """All pairs of each line of rows [r n]: its halves against each other, then each within itself."""
        lines, size = rows.shape
        if size <= _SQUARE:
            _compare(self.words, rows, rows, self.limit, _ordered(self.linkage.add))
            return
        if size % 2:
            _compare(self.words, rows[:, :-1], rows[:, -1:], self.limit, self.linkage.add)
        half = size // 2
        _compare(self.words, rows[:, :half], rows[:, half : 2 * half], self.limit, self.linkage.add)
        self._within(rows[:, : 2 * half].reshape(2 * lines, half))

    def _cut(self, bucket: np.ndarray, bits: list[int]) -> None:
        """Compares a bucket that is too large for all its pairs, as long as effort is left."""
        rows = self.linkage.open(bucket)
        if len(rows) <= _LARGEST_BUCKET or len(bits) <= GUARANTEED:
            self._within(rows[None])
        elif self._effort > 0:
            self._effort -= len(rows) * _SORTING
            self._by_bands(rows, bits, 0)
        else:
            self.capped += 1
            for ahead in range(1, _NEIGHBOURS + 1):
                _compare(self.words, rows[:-ahead, None], rows[ahead:, None], self.limit, self.linkage.add)
