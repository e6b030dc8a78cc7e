"""Runs an annotator over records in batches, so that one bad record costs only itself."""

from collections.abc import Callable, Sequence
from typing import Any

Record = dict[str, Any]
Annotator = Callable[[list[Record]], list[Record]]


def run(annotator: Annotator, records: Sequence[Record], batch_size: int) -> list[Record | Exception]:
    """One dict of new columns, or the exception it raised, per record, in order.

    An annotator may hand back an exception in a record's place. A batch that raises is halved, and its halves again,
    down to the single record: this isolates a bad record and also finds the batch that fits when memory runs out.
    """
    results: list[Record | Exception] = []
    for start in range(0, len(records), batch_size):
        results += _run_batch(annotator, list(records[start : start + batch_size]))
    return results


def _run_batch(annotator: Annotator, batch: list[Record]) -> list[Record | Exception]:
    try:
        outputs = annotator(batch)
    except Exception as error:  # any failure of a record is data: it is kept with the record
        if len(batch) == 1:
            return [error]
        middle = len(batch) // 2
        return _run_batch(annotator, batch[:middle]) + _run_batch(annotator, batch[middle:])
    if len(outputs) != len(batch):
        raise AssertionError(f"{annotator} returned {len(outputs)} results for {len(batch)} records")
    return list(outputs)
