"""What reading an entry of the plan gives: records on their way, entries that failed, and what was turned down."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Planned:
    """An entry of the plan: column → (path, size) of the files that its record, or its records, are made from."""

    record_id: str
    split: str
    values: dict[str, Any]
    references: dict[str, tuple[str, int]]
    source: str


@dataclass
class Rejection(Exception):
    """A record that can't be made: stage, kind of error, message without paths or addresses, and the file to blame."""

    record_id: str
    stage: str
    error: str
    message: str
    source: str


class Unusable(Exception):
    """A model that can't be loaded: its weights are damaged or others, or its device isn't there.

    No record is to blame, so the unit fails.
    """


@dataclass(frozen=True)
class Declined:
    """What a source could have made a record of and did not want: it is counted by the rule, and is no reject."""

    rule: str


@dataclass
class Reading:
    """A record on its way: decoded columns, the bytes that stay as they are, where each column comes from."""

    planned: Planned
    columns: dict[str, Any]
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    provenance: dict[str, dict[str, str | None]] = field(default_factory=dict)
    unreadable: dict[str, tuple[str, str]] = field(default_factory=dict)  # column → (message, path)
    digests: dict[str, str] = field(default_factory=dict)  # path → sha256
    nothing: dict[str, str] = field(default_factory=dict)  # column → why its annotator left it null
    seconds: dict[str, float] = field(default_factory=dict)  # annotator → spent by it while the record was read

    @property
    def record_id(self) -> str:
        """The record's own, where an entry yields several; else the entry's."""
        return str(self.columns.get("record_id") or self.planned.record_id)

    @property
    def pixels(self) -> int:
        """Of all decoded pictures together; maps and masks, which are smaller, aren't counted."""
        arrays = (value for value in self.columns.values() if isinstance(value, np.ndarray) and value.ndim == 3)
        return sum(array.shape[0] * array.shape[1] for array in arrays)

    def has(self, column: str) -> bool:
        """Whether the record will have a value in this column."""
        return column in self.kept or self.columns.get(column) is not None

    def came_from(self, column: str, origin: str, annotator: str | None, digest: str | None, note: str) -> None:
        values = {"column": column, "origin": origin, "annotator": annotator, "digest": digest, "note": note or None}
        self.provenance[column] = values

    def reject(self, stage: str, error: str, message: str, source: str) -> Rejection:
        return Rejection(self.record_id, stage, error, message, source)


Outcome = Reading | Rejection | Declined


class ReadSettings(Protocol):
    """What a source that reads its entries itself may ask of the build; small and the same in every worker."""

    @property
    def dataset(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    @property
    def fit(self) -> str: ...
    @property
    def skip(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def weights_dir(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def source_options(self) -> tuple[tuple[str, str], ...]: ...
