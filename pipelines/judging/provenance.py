"""The column `provenance` of a shard by columns: digests of files, and the notes that findings are about."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Provenance:
    """Of all records of a table. `column`: list<struct<column, digest, note, …>>."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        lists = column.combine_chunks()
        self.records = len(lists)
        entries = pc.list_flatten(lists)
        self._record = pc.list_parent_indices(lists).to_numpy()
        self._columns, self._digests, self._notes = (
            pc.struct_field(entries, name) for name in ("column", "digest", "note")
        )

    def digests(self, column: str) -> pa.Array:
        """Text of each record, the last entry's where there are several; null without one."""
        places = np.flatnonzero(pc.fill_null(pc.equal(self._columns, column), False).to_numpy(zero_copy_only=False))
        last = np.full(self.records, -1)
        last[self._record[places]] = places
        return self._digests.take(pa.array(last, mask=last < 0))

    def notes(self, beginnings: Sequence[str]) -> list[list[dict[str, str]]]:
        """Of each record the entries whose note has one of these texts in it, as {"column", "note"}."""
        found: list[list[dict[str, str]]] = [[] for _ in range(self.records)]
        texts = self._notes.dictionary_encode()
        told = [text is not None and any(map(text.__contains__, beginnings)) for text in texts.dictionary.to_pylist()]
        numbers = pc.fill_null(texts.indices, -1).to_numpy()
        for place in np.flatnonzero(np.append(told, False)[numbers]).tolist():
            entry = {"column": self._columns[place].as_py(), "note": self._notes[place].as_py()}
            found[self._record[place]].append(entry)
        return found
