"""Any table of paths: each row of a CSV, TSV, JSONL, JSON or Parquet file is a record, columns named as in the record.

Picture columns and keypoints hold paths below the table's folder or another root; the others hold the value itself.
Required are person_image and garment_image. Left out: split is train, ids come from the file names, garment_view is
flat, and paired is true unless both ids are given and differ. Rows count from 1 below the header, lines in JSONL.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.paths import BadPath, Lookup, inside
from pipelines.sources.tryon import _cells, _tables
from pipelines.sources.tryon._cells import Malformed
from pipelines.sources.tryon._names import digest, stem_of
from schemas import fields, kinds
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.json_text import canonical
from schemas.messages import normal, printable

DATASET = "table"
EXPECTED = f"a table of rows, one of {', '.join(_tables.READERS)}, with columns person_image and garment_image"
REQUIRED = ("person_image", "garment_image")

# One OpenPose file fills keypoints, keypoints_face and keypoints_hands.
PATHS = tuple(name for name, field in kinds.TRYON.fields.items() if fields.is_picture(field) or name == "keypoints")
_VALUES: dict[str, Callable[[str, Any], Any]] = {
    "paired": _cells.yes_or_no,
    "garment_view": lambda name, value: _cells.choice(name, value, _cells.VIEWS),
    "caption": _cells.text,
    "garment_caption": _cells.text,
    "captions": _cells.captions,
    "tags": _cells.tags,
}
_IDS = ("person_id", "garment_id")
COLUMNS = (*PATHS, "record_id", "split", *_IDS, "category", "garment_type", *_VALUES)


@dataclass(frozen=True)
class Table:
    """A file of rows, and which of its columns are called otherwise (theirs, ours) or left out."""

    name: str
    data: bytes
    renamed: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        renamed = [f"{theirs}={ours}" for theirs, ours in self.renamed]
        return ", ".join([self.name, *renamed, *(f"without {name}" for name in self.ignored)])


def listing(
    root: InputFolder,
    split: str,
    pairing: str,
    dataset: str = DATASET,
    table: Table | None = None,
    category: str | None = None,
) -> Listing:
    """The table's rows of a split; `category` is that of rows without category and garment_type.

    `pairing` means nothing here. Raises UsageError for a table that can't be read, a column that no record has, a
    required column that isn't there, and a split without rows.
    """
    if table is None:
        raise UsageError(f"no table for {root}: expected {EXPECTED}; found {contents(root)}")
    rows = _named(table, _tables.read(table.name, table.data, frozenset(table.ignored)))
    listed = _Rows(Lookup(root), table.name, dataset, split, category)
    listed.add(rows)
    found = listed.found
    found.files = listed.files.used
    if split == "all":  # else most files are left out on purpose
        unused = listed.files.unused({path.rpartition("/")[0] for path in listed.files.used})
        beside = [name for name in unused.pop("", ()) if name != table.name]
        found.unused = ({".": beside} if beside else {}) | unused
    if not found.records and not found.refused:
        raise UsageError(f"no row of split {split!r} in {table.name}; there is {', '.join(sorted(listed.splits))}")
    return found


def _named(table: Table, rows: list[_tables.Row]) -> list[_tables.Row]:
    """The rows with columns called as ours. Raises UsageError naming a column that no record has."""
    theirs = dict.fromkeys(name for row in rows for name in row.cells)
    ours = dict(table.renamed)
    for name, new in table.renamed:
        if new not in COLUMNS:
            raise UsageError(f"--columns {name}={new}: no column {new!r}; allowed are {', '.join(COLUMNS)}")
    names = [ours.get(name, name) for name in theirs]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise UsageError(
            f"column {printable(unknown[0])!r} of {table.name} is in no record; allowed are {', '.join(COLUMNS)};"
            " or say what it is with --columns theirs=ours, or leave it out with --ignore-columns"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    lacking = [name for name in REQUIRED if name not in names]
    if twice:
        raise UsageError(f"two columns of {table.name} are {twice[0]!r}; allowed is one, see --columns")
    if lacking and theirs:
        shown = ", ".join(map(printable, theirs))
        raise UsageError(f"no column {lacking[0]!r} in {table.name}; there are {shown}; see --columns")
    return [_tables.Row(row.number, {ours.get(c, c): v for c, v in row.cells.items()}, row.fault) for row in rows]


@dataclass(frozen=True)
class _Draft:
    """A row that names existing files, before it has ids."""

    number: int
    split: str
    given: dict[str, str]  # ids
    values: dict[str, Any]
    references: dict[str, str]


class _Rows:
    """The records being listed."""

    def __init__(self, files: Lookup, name: str, dataset: str, split: str, category: str | None) -> None:
        self.files, self.name, self.dataset, self.wanted, self.category = files, name, dataset, split, category
        self.found = Listing()
        self.splits: set[str] = set()
        self.seen: set[str] = set()
        self.record_ids: set[str] = set()

    def add(self, rows: list[_tables.Row]) -> None:
        drafts = list(self._drafts(rows))
        stems = [_ids({draft.references[column] for draft in drafts}) for column in REQUIRED]
        for draft in drafts:
            person, garment = (ids[draft.references[c]] for ids, c in zip(stems, REQUIRED, strict=True))
            self._record(draft, person, garment)

    def _drafts(self, rows: list[_tables.Row]) -> Iterator[_Draft]:
        """The rows of the wanted split; those that can't become records are refused."""
        for row in rows:
            split = "test" if self.wanted == "test" else "train"  # of a row that can't say
            try:
                if row.fault:
                    raise Malformed(row.fault)
                split = _cells.choice("split", row.cells.get("split", "train"), _cells.SPLITS)
                self.splits.add(split)
                if self.wanted in ("all", split):
                    yield self._draft(row, split)
            except Malformed as fault:
                self._refuse(f"row-{row.number:06d}", split, "malformed_row", str(fault), row.number)
            except BadPath as fault:
                self._refuse(f"row-{row.number:06d}", split, fault.error, str(fault), row.number)

    def _draft(self, row: _tables.Row, split: str) -> _Draft:
        """Raises Malformed or BadPath."""
        lacking = [name for name in REQUIRED if name not in row.cells]
        if lacking:
            raise Malformed(f"no {lacking[0]} in this row")
        read = {name: read_cell(name, row.cells[name]) for name, read_cell in _VALUES.items() if name in row.cells}
        values = {name: value for name, value in read.items() if value not in ("", [])}
        if "captions" in values:
            values = {"caption": values["captions"][0]["text"]} | values
        ids = {name: _cells.word(name, row.cells[name]) for name in ("record_id", *_IDS) if name in row.cells}
        values = {"garment_view": "flat"} | values | _cells.garment(row.cells, self.category)
        references = {name: self._file(name, row.cells[name]) for name in PATHS if name in row.cells}
        return _Draft(row.number, split, ids, values, references)

    def _file(self, column: str, cell: Any) -> str:
        """The file of a cell, noted as used. Raises BadPath, or Malformed for a cell that holds no path."""
        if not isinstance(cell, str):
            raise Malformed(f"{column} holds a {type(cell).__name__}; allowed is a path")
        path = inside(cell)
        present = self.files.find(path)
        if present is None:
            raise BadPath("missing_file", f"{column}: {printable(path)} is missing")
        return self.files.take(present)

    def _record(self, draft: _Draft, person: str, garment: str) -> None:
        given = draft.given
        ids = {"person_id": given.get("person_id") or person, "garment_id": given.get("garment_id") or garment}
        ids = {name: found.replace("/", "_") for name, found in ids.items()}
        own = f"{self.dataset}/{draft.split}/{ids['person_id']}+{ids['garment_id']}"
        record_id = given.get("record_id") or own
        paired = not set(_IDS) <= set(given) or ids["person_id"] == ids["garment_id"]
        values = {"paired": paired} | draft.values | ids
        seen = canonical([record_id, draft.split, values, draft.references])
        if seen in self.seen:
            self.found.repeated_lines += 1
            return
        self.seen.add(seen)
        if record_id in self.record_ids:
            self._refuse(f"row-{draft.number:06d}", draft.split, "repeated_id", f"id {record_id!r} again", draft.number)
            return
        self.record_ids.add(record_id)
        source = f"{self.name}:{draft.number}"
        self.found.records.append(Listed(record_id, draft.split, values, draft.references, source))

    def _refuse(self, key: str, split: str, error: str, message: str, number: int) -> None:
        record_id = f"{self.dataset}/{split}/{key}"
        self.found.refused.append(Refused(record_id, split, error, message, f"{self.name}:{number}"))


def _ids(paths: set[str]) -> dict[str, str]:
    """Path → id: the file's stem; where two files share one, the path without ending; then with a digest."""
    ids = {path: printable(stem_of(path)) for path in paths}
    count = Counter(ids.values())
    whole = {path: printable(normal(str(PurePosixPath(path).with_suffix("")))).replace("/", "_") for path in paths}
    ids = {path: own_id if count[own_id] == 1 else whole[path] for path, own_id in ids.items()}
    count = Counter(ids.values())
    return {path: own_id if count[own_id] == 1 else f"{own_id}~{digest(path)}" for path, own_id in ids.items()}
