"""Who uses which image, kept in a file: of millions of records few are worth a look, and only these become objects."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from pipelines.judging import near

SCHEMA = pa.schema([(name, pa.string()) for name in ("digest", "hash", "identity", "split", "record_id")])
SCHEMA = SCHEMA.append(pa.field("paired", pa.bool_()))
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_HEXADECIMAL = re.compile("[0-9a-f]{64}").fullmatch
_MIXER = np.uint64(0x9E3779B97F4A7C15)
_UNKNOWN = "0" * 64


@dataclass(frozen=True)
class Use:
    """One record's use of an image."""

    record_id: str
    split: str
    identity: str
    paired: bool = False


@dataclass(frozen=True)
class Image:
    """A distinct file (by digest) and everyone who uses it."""

    digest: str
    hash: str
    uses: tuple[Use, ...]


class Uses:
    """The uses of one column's images, in the order of their arrival; the caller closes the `file`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer = pa.ipc.new_stream(self._file, SCHEMA, options=_COMPRESSED)
        self.count = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows of SCHEMA; `hash` is "" or null where it isn't known."""
        if batch.num_rows:
            self._writer.write_batch(batch)
            self.count += batch.num_rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Once nothing more is added."""
        self._writer.close()
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)

    def images(self, chosen: np.ndarray) -> dict[int, Image]:
        """The images that these uses are of, by number; `chosen` int [count], -1 for a use of another.

        Uses are in the order of their records; of hashes that differ the last one counts.
        """
        users: dict[int, list[Use]] = {}
        files: dict[int, tuple[str, str]] = {}
        for number, row in self._rows(chosen):
            files[number] = row["digest"], row["hash"] or ""
            users.setdefault(number, []).append(Use(row["record_id"], row["split"], row["identity"], row["paired"]))
        return {
            number: Image(*files[number], tuple(sorted(own, key=lambda use: use.record_id)))
            for number, own in users.items()
        }

    def _rows(self, chosen: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        start = 0
        for batch in self.batches():
            numbers = chosen[start : start + batch.num_rows]
            start += batch.num_rows
            places = np.flatnonzero(numbers >= 0)
            if len(places):
                yield from zip(numbers[places].tolist(), batch.take(pa.array(places)).to_pylist(), strict=True)


class Files:
    """The distinct files among uses, numbered by their digests; arrays over uses are in the order of the files."""

    def __init__(self, *uses: Uses) -> None:
        keys = [_keys(batch["digest"].to_pylist()) for each in uses for batch in each.batches()]
        digests = np.concatenate(keys) if keys else np.zeros((0, 2), np.uint64)
        del keys
        self.order = np.lexsort((digests[:, 1], digests[:, 0]))
        new = np.zeros(len(digests), bool)
        for word in (0, 1):
            ordered = digests[self.order, word]
            new[1:] |= ordered[1:] != ordered[:-1]
        new[:1] = True
        self.starts = np.flatnonzero(new)
        self._uses = uses

    def __len__(self) -> int:
        return len(self.starts)

    def numbers(self) -> np.ndarray:
        """Of each use in the order of arrival, the number of its file."""
        numbers = np.empty(len(self.order), np.int32)
        numbers[self.order] = np.repeat(np.arange(len(self), dtype=np.int32), self._counts())
        return numbers

    def several(self, column: str) -> np.ndarray:
        """bool of each file: whether its uses differ in a column of words."""
        values = self._column(column, lambda array: np.fromiter(map(hash, array.to_pylist()), np.int64, len(array)))
        return np.minimum.reduceat(values, self.starts) != np.maximum.reduceat(values, self.starts)

    def paired(self) -> np.ndarray:
        """How many paired records use each file."""
        values = self._column("paired", lambda array: array.to_numpy(zero_copy_only=False).astype(np.int32))
        return np.add.reduceat(values, self.starts)

    def groups(self, limit: int) -> near.Groups:
        """Files joined by near hashes; those whose hash isn't known stay alone."""
        words, known = self._last_hashes()
        if len(known) < len(words):
            words = words[known]
        grouped = near.groups(words, limit)
        first = np.arange(len(self))
        first[known] = known[grouped.first]
        return near.Groups(first, grouped.capped, grouped.full)

    def _counts(self) -> np.ndarray:
        return np.diff(self.starts, append=len(self.order))

    def _column(self, name: str, values_of: Any) -> np.ndarray:
        parts = [values_of(batch[name]) for each in self._uses for batch in each.batches()]
        return np.concatenate(parts)[self.order]

    def _last_hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """uint64 [files 4] from the last use of each file, and the numbers of those files that have one."""
        words, known = np.zeros((len(self), 4), np.uint64), np.zeros(len(self), bool)
        file_of = np.full(len(self.order), -1, np.int32)
        file_of[self.order[self.starts + self._counts() - 1]] = np.arange(len(self), dtype=np.int32)
        start = 0
        for each in self._uses:
            for batch in each.batches():
                places = np.flatnonzero(file_of[start : start + batch.num_rows] >= 0)
                files = file_of[start + places]
                texts = batch["hash"].take(pa.array(places)).to_pylist()
                known[files] = np.fromiter(map(bool, texts), bool, len(texts))
                words[files] = _bits([text or _UNKNOWN for text in texts])
                start += batch.num_rows
        return words, np.flatnonzero(known)


def _bits(hashes: list[str]) -> np.ndarray:
    """uint64 [n 4] of hashes in hexadecimal."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").reshape(-1, 4).astype(np.uint64)


def _keys(digests: list[str]) -> np.ndarray:
    """uint64 [n 2], different for different files."""
    try:
        whole = _bits(digests)
        if len(whole) != len(digests):
            raise ValueError
    except ValueError:
        whole = _bits([digest if _HEXADECIMAL(digest) else _sha256(digest) for digest in digests])
    return whole[:, :2] + whole[:, 2:] * _MIXER


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
