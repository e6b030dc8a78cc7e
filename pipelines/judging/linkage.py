"""Groups that grow by pairs, the nearest pairs first, up to a weight."""

import numpy as np

_PAIRS = 1 << 22  # kept until they are joined
_STALE = 1 << 16  # of them, that may wait while groups are asked for


class Linkage:
    """Single linkage of items 0 to n - 1; a group's root is its first item.

    weights: int [n], what each item adds to its group. Two groups that would weigh more than `most` stay apart, and
    those of them that weigh more than half of it take no more.
    """

    def __init__(self, weights: np.ndarray, most: int) -> None:
        self.weights, self.most = weights.astype(np.int64), most
        self._root = np.arange(len(weights), dtype=np.int64)
        self._closed = np.zeros(len(weights), bool)  # roots of groups that had no room for another, and take no more
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._count = 0

    def add(self, a: np.ndarray, b: np.ndarray, distances: np.ndarray) -> None:
        """Takes pairs of items, in any order and more than once."""
        kept = self._joinable(a, b)
        self._waiting.append((a[kept], b[kept], distances[kept]))
        self._count += len(kept)
        if self._count > _PAIRS:
            self._join()

    def roots(self) -> np.ndarray:
        """int64 [n], of each item the first one of its group."""
        self._join()
        return self._top(np.arange(len(self._root)))

    def open(self, items: np.ndarray) -> np.ndarray:
        """Those that may still be joined with another of them."""
        if self._count > _STALE:
            self._join()
        roots = self._top(items)
        items, roots = items[~self._closed[roots]], roots[~self._closed[roots]]
        return items if (roots != roots[:1]).any() else items[:0]

    def bounded(self, first: np.ndarray) -> tuple[np.ndarray, int]:
        """`first` [n] with groups cut that weigh too much by one item; and how many groups have no room for more."""
        heavy = np.flatnonzero(np.bincount(first, minlength=len(first))[first] > self.most)
        members = heavy[np.argsort(first[heavy], kind="stable")]
        starts = np.flatnonzero(np.diff(first[members], prepend=-1))
        place = np.arange(len(members)) - np.repeat(starts, np.diff(starts, append=len(members)))
        cut = first.copy()
        cut[members] = members[np.arange(len(members)) - place % self.most]
        return cut, len(np.union1d(cut[members], np.flatnonzero(self._closed)))

    def _joinable(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Places of the pairs whose groups are two, and light enough."""
        one, other = self._top(a), self._top(b)
        apart = one != other
        light = self.weights[one] + self.weights[other] <= self.most
        for side in (one[apart & ~light], other[apart & ~light]):
            self._closed[side[2 * self.weights[side] > self.most]] = True
        return np.flatnonzero(apart & light & ~self._closed[one] & ~self._closed[other])

    def _join(self) -> None:
        """Rounds in which every group is joined with its nearest, until no pair is left."""
        if not self._waiting:
            return
        a, b, distances = (np.concatenate(part) for part in zip(*self._waiting, strict=True))
        self._waiting, self._count = [], 0
        order = np.argsort(distances, kind="stable")
        a, b = a[order], b[order]
        while len(kept := self._joinable(a, b)):
            a, b = self._top(a[kept]), self._top(b[kept])
            nearest = [np.unique(side, return_index=True)[1] for side in (a, b)]
            chosen = np.unique(np.concatenate(nearest))
            for one, other in zip(a[chosen].tolist(), b[chosen].tolist(), strict=True):
                self._unite(one, other)

    def _unite(self, one: int, other: int) -> None:
        first, second = sorted((self._find(one), self._find(other)))
        if first != second and self.weights[first] + self.weights[second] <= self.most:
            self._root[second] = first
            self.weights[first] += self.weights[second]

    def _find(self, item: int) -> int:
        while self._root[item] != item:
            item = int(self._root[item])
        return item

    def _top(self, items: np.ndarray) -> np.ndarray:
        """The roots of items, by shorter ways the next time."""
        roots = self._root[items]
        while not np.array_equal(above := self._root[roots], roots):
            roots = above
        self._root[items] = roots
        return roots
