"""Runs an annotator over records in batches, so that one bad record costs only itself.

On an accelerator, batches are cut by pixels, and threads prepare the next ones and finish the last ones while the
device computes.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Self, TypeVar

Record = dict[str, Any]
Annotator = Callable[[list[Record]], list[Record]]
Result = Record | Exception

PHOTO = 768 * 1024  # pixels of the photo that `batch_size` counts in
TIMES = 4  # an accelerator takes so many times the photos that a CPU does
THREADS = 4
AHEAD = 2  # batches prepared while one is computed

Prepared = TypeVar("Prepared")
Computed = TypeVar("Computed")


class Staged(ABC, Generic[Prepared, Computed]):
    """An annotator in three steps, of which the middle one is its device's."""

    turn: threading.Lock  # held while a batch computes: workers that share the annotator must not fill the device

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        self = super().__new__(cls)
        self.turn = threading.Lock()
        return self

    @property
    @abstractmethod
    def accelerated(self) -> bool:
        """Whether its device computes by itself, so that the host is free meanwhile."""

    @abstractmethod
    def prepare(self, records: Sequence[Record]) -> Prepared:
        """What the network reads, still on the host. Any thread may do this."""

    @abstractmethod
    def compute(self, prepared: Prepared) -> list[Computed]:
        """What the network says, back on the host: one item per record."""

    @abstractmethod
    def finish(self, record: Record, computed: Computed) -> Any:
        """The record's new columns, or an exception in their place; raises one too. Any thread may do this."""

    def __call__(self, records: Sequence[Record]) -> list[Any]:
        computed = self.compute(self.prepare(records))
        return [self.finish(*each) for each in zip(records, computed, strict=True)]


def run(annotator: Annotator, records: Sequence[Record], batch_size: int) -> list[Result]:
    """One dict of new columns, or the exception it raised, per record, in order.

    An annotator may hand back an exception in a record's place. A batch that raises is halved, and its halves again,
    down to the single record: this isolates a bad record and also finds the batch that fits when memory runs out.
    """
    if isinstance(annotator, Staged) and annotator.accelerated:
        return _overlapped(annotator, list(by_pixels(records, batch_size)))
    results: list[Result] = []
    for start in range(0, len(records), batch_size):
        results += _run_batch(annotator, list(records[start : start + batch_size]))
    return results


def by_pixels(records: Iterable[Record], batch_size: int) -> Iterator[list[Record]]:
    """Records in batches of at most four times `batch_size`, and of as many pixels as so many photos of 768×1024 have.

    A record alone may have more.
    """
    batch: list[Record] = []
    pixels = 0
    for record in records:
        size = _pixels(record)
        if batch and (len(batch) == TIMES * batch_size or pixels + size > TIMES * batch_size * PHOTO):
            yield batch
            batch, pixels = [], 0
        batch.append(record)
        pixels += size
    if batch:
        yield batch


def _pixels(record: Record) -> int:
    """Of the photos that annotators look at; the larger one."""
    photos = [record.get(column) for column in ("person_image", "garment_image")]
    return max((photo.shape[0] * photo.shape[1] for photo in photos if photo is not None), default=0)


def _overlapped(annotator: Staged[Any, Any], batches: Sequence[list[Record]]) -> list[Result]:
    results: list[Result] = []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="annotator") as pool:
        ahead = deque(pool.submit(annotator.prepare, batch) for batch in batches[:AHEAD])
        unfinished: deque[tuple[list[Record], list[Future[Any]] | Exception]] = deque()
        for number, batch in enumerate(batches):
            prepared = ahead.popleft()
            if number + AHEAD < len(batches):
                ahead.append(pool.submit(annotator.prepare, batches[number + AHEAD]))
            try:
                inputs = prepared.result()
                with annotator.turn:
                    computed = annotator.compute(inputs)
                del inputs
            except Exception as error:  # a bad record, or too little memory: told apart when the batch is halved
                unfinished.append((batch, error))
            else:
                pairs = zip(batch, computed, strict=True)
                unfinished.append((batch, [pool.submit(annotator.finish, *pair) for pair in pairs]))
            del prepared
            while len(unfinished) > AHEAD:
                results += _finished(annotator, *unfinished.popleft())
        for each in unfinished:
            results += _finished(annotator, *each)
    return results


def _finished(annotator: Staged[Any, Any], batch: list[Record], work: list[Future[Any]] | Exception) -> list[Result]:
    if isinstance(work, Exception):
        return _halved(annotator, batch, work)
    errors = [future.exception() for future in work]
    for error in errors:
        if error is not None and not isinstance(error, Exception):
            raise error
    return [
        error if isinstance(error, Exception) else future.result() for future, error in zip(work, errors, strict=True)
    ]


def _run_batch(annotator: Annotator, batch: list[Record]) -> list[Result]:
    try:
        outputs = annotator(batch)
    except Exception as error:  # any failure of a record is data: it is kept with the record
        return _halved(annotator, batch, error)
    if len(outputs) != len(batch):
        raise AssertionError(f"{annotator} returned {len(outputs)} results for {len(batch)} records")
    return list(outputs)


def _halved(annotator: Annotator, batch: list[Record], error: Exception) -> list[Result]:
    if len(batch) == 1:
        return [error]
    middle = len(batch) // 2
    return _run_batch(annotator, batch[:middle]) + _run_batch(annotator, batch[middle:])
