"""All records of a build by their small columns, and where each lies: no picture is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.reporting.finished import Finding, Finished
from schemas import kinds, shards
from schemas.cli.flags import UsageError
from schemas.folders import Folder
from schemas.kinds import Kind

# Columns of few values by which the sheet is filtered.
FACETS = ("dataset", "split", "category", "dynamics", "garment_type", "garment_view", "paired")
SMALL = ("record_id", *FACETS, "height", "width", "caption", "garment_caption", "quality", "provenance")
WEIGHTS = {"error": 10_000, "warning": 100, "info": 1}  # of findings, in what is called worst


@dataclass(frozen=True)
class Place:
    """Where a record lies."""

    shard: str
    group: int
    row: int


@dataclass(frozen=True)
class Listing:
    """`table` has a row per record, in the order of the shards; `places` are arrays of shard, row group and row."""

    kind: Kind
    shards: tuple[str, ...]
    table: pa.Table
    places: np.ndarray  # int64 [records 3]
    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return self.table.num_rows

    def place(self, index: int) -> Place:
        shard, group, row = (int(number) for number in self.places[index])
        return Place(self.shards[shard], group, row)

    @cached_property
    def ids(self) -> list[str]:
        """Of all records; a null one, which no build writes, is shown as None."""
        return [str(value) for value in self.column("record_id")]

    @cached_property
    def index_of(self) -> dict[str, int]:
        return {record_id: index for index, record_id in enumerate(self.ids)}

    @cached_property
    def found(self) -> dict[int, list[int]]:
        """Index of a record → indices of its findings."""
        by_record: dict[int, list[int]] = {}
        for number, finding in enumerate(self.findings):
            index = self.index_of.get(finding.record_id)
            if index is not None:
                by_record.setdefault(index, []).append(number)
        return by_record

    @cached_property
    def worst(self) -> np.ndarray:
        """float64 [records]: higher is worse; findings by severity, then what is blurred."""
        score = np.zeros(len(self))
        for index, numbers in self.found.items():
            score[index] = sum(WEIGHTS.get(self.findings[number].severity, 1) for number in numbers)
        sharpness = self.measures.get("person_sharpness", self.measures.get("reference_sharpness"))
        if sharpness is not None and len(self):
            order = np.argsort(np.argsort(np.where(np.isnan(sharpness), np.inf, sharpness), kind="stable"))
            score += (1 - order / len(self)) * 0.9
        return score

    @cached_property
    def measures(self) -> dict[str, np.ndarray]:
        """Member of `quality` that is a number, or length of a caption → float64 [records], NaN where it is unknown."""
        numbers: dict[str, np.ndarray] = {}
        if "quality" in self.table.column_names:
            quality = self.table["quality"].combine_chunks()
            for member in quality.type:
                if not pa.types.is_string(member.type):
                    numbers[member.name] = _floats(pc.struct_field(quality, member.name))
        for name in ("caption", "garment_caption"):
            if name in self.table.column_names:
                numbers[f"{name} length"] = _floats(pc.utf8_length(self.table[name].combine_chunks()))
        return {name: values for name, values in numbers.items() if not np.isnan(values).all()}

    def column(self, name: str) -> list[object]:
        """Values; none where the shards have no such column."""
        return self.table[name].to_pylist() if name in self.table.column_names else []

    @cached_property
    def facets(self) -> dict[str, list[str]]:
        """Column of few values → the value of each record; only those that differ between records."""
        columns = {name: [words(value) for value in self.column(name)] for name in FACETS}
        return {name: values for name, values in columns.items() if 1 < len(set(values)) <= 40}

    @cached_property
    def provenance(self) -> pa.Table:
        """column, origin, annotator, note → records: entries of all records that say the same."""
        entries = self.table["provenance"].combine_chunks()
        flat = pc.list_flatten(entries)
        names = ("column", "origin", "annotator", "note")
        table = pa.table({name: pc.struct_field(flat, name).cast(pa.string()) for name in names})
        counted = table.group_by(list(names), use_threads=False).aggregate([([], "count_all")])
        return counted.sort_by([(name, "ascending") for name in names])


def words(value: object) -> str:
    """A value of a column in FACETS, for people; "" for null."""
    return (
        {True: "paired", False: "unpaired"}[value] if isinstance(value, bool) else "" if value is None else str(value)
    )


def _floats(values: pa.Array) -> np.ndarray:
    return np.asarray(values.cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False))


def of(finished: Finished) -> Listing:
    """Raises UsageError for an unreadable shard, and for one that no build wrote."""
    read = [_small(finished.folder, name, number) for number, name in enumerate(finished.shards)]
    empty = pa.schema([finished.kind.fields[name] for name in ("record_id", "provenance")]).empty_table()
    table = pa.concat_tables([empty, *(rows for rows, _ in read)], promote_options="permissive").unify_dictionaries()
    places = np.concatenate([np.zeros((0, 3), np.int64), *(where for _, where in read)])
    return Listing(finished.kind, finished.shards, table, places, finished.findings)


def _small(folder: Folder, name: str, number: int) -> tuple[pa.Table, np.ndarray]:
    """The small columns of a shard, and where its rows lie."""
    with opened(folder, name) as reader:
        names = [column for column in reader.schema.names if column in SMALL]
        groups = [reader.group(index, names) for index in range(reader.groups)]
        table = pa.concat_tables([reader.schema.empty_table().select(names), *groups], promote_options="permissive")
    places = [
        np.stack([np.full(group.num_rows, number), np.full(group.num_rows, index), np.arange(group.num_rows)], axis=1)
        for index, group in enumerate(groups)
    ]
    return table, np.concatenate([np.zeros((0, 3), np.int64), *places])


@contextmanager
def opened(folder: Folder, name: str) -> Iterator[shards.ShardReader]:
    """Raises UsageError where the file is no shard of a build, also for what is read within the block."""
    try:
        with folder.open(name) as file:
            reader = shards.ShardReader(file, name)
            kinds.check(reader.schema, f"{folder}: {name}")
            yield reader
    except UsageError:
        raise
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        raise UsageError(f"{folder}: {name} is unreadable ({type(error).__name__})") from None
