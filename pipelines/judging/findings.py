"""What is worth a look: images that are nearly equal, stand in two splits or repeat, and what is odd about one record.

`health` judges a record's pictures, `consistency` what it says of itself.
"""

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.judging import consistency, health, plain
from pipelines.judging.near import MOST_IN_GROUP, Groups
from pipelines.judging.provenance import Provenance
from pipelines.judging.uses import SCHEMA, Files, Image, Use, Uses
from schemas import kinds, shards
from schemas.cli.flags import UsageError
from schemas.finished import tables
from schemas.folders import Folder
from schemas.kinds import OBJECT_PAIR, TRYON, Kind
from schemas.messages import counted

# Of 256 bits. Encoding a photo again moves the hash by at most 22; different garments on white are 84 apart or more.
NEAR = 32
# Of paired records. VITON-HD and Dress Code use a photo once, IGPair a garment for 2 to 5 people; one of IGPair's is
# listed 144 times (muzishen/IMAGDressing#38).
MOST_USES = 20
KINDS = ("near_duplicate", "split_leak", "repeated_photo", *health.KINDS, *consistency.KINDS)
# Photo → the member of `quality` that is its perceptual hash. Frames of one clip are alike by nature: of object pairs
# only equal files are told, and what stands in two splits.
HASHES = {"person_image": "person_hash", "garment_image": "garment_hash"}
_ROWS_AT_ONCE = 4_096
PLACEMENT = ("object_id", "target_box")  # columns that tell of a thing placed into a scene


@dataclass(frozen=True)
class Findings:
    """Rows of findings.parquet, sorted; and lines about what the search for near-duplicates left out."""

    rows: pa.Table
    told: tuple[str, ...] = ()

    def kinds(self) -> Iterator[dict[str, str]]:
        """{"kind": …} of each row."""
        for batch in self.rows.select(["kind"]).to_batches(_ROWS_AT_ONCE):
            yield from batch.to_pylist()


def find(output: Folder, shard_names: Iterable[str]) -> Findings:
    """Records that share one file are no duplicates of each other."""
    with ExitStack() as files:
        search = _Search(lambda: Uses(files.enter_context(tempfile.TemporaryFile())))
        for name in shard_names:
            search.add(output, name)
        return search.result()


class _Search:
    """Goes through shards once: what is odd about one record is known then, what images share when all are there."""

    def __init__(self, new_uses: Callable[[], Uses]) -> None:
        self.new_uses = new_uses
        self.found = tables.Packed(tables.FINDINGS)
        self.uses: dict[str, Uses] = {}  # by column
        self.clips = new_uses()
        self.leaking: set[str] = set()  # records
        self.told: list[str] = []

    def add(self, output: Folder, name: str) -> None:
        kind, table = _small_columns(output, name)
        if not len(table):
            return
        provenance = Provenance(table["provenance"])
        words = table.drop_columns(["provenance"])
        for row, notes in zip(plain.rows(words), provenance.notes(consistency.BEGINNINGS), strict=True):
            row["provenance"] = notes
            self.found.add(_judged(row, kind))
        for column, owner in kind.identities.items():
            if column not in self.uses:
                self.uses[column] = self.new_uses()
            self.uses[column].add(_uses_of(table, column, owner, provenance.digests(column)))
        if kind is OBJECT_PAIR:
            self.clips.add(_uses_of(table, "", "video_id", _clips(table)))

    def result(self) -> Findings:
        for column, uses in self.uses.items():
            if uses.count:
                self._add(self._images(column, uses))
        if self.clips.count:
            self._add(self._leaks_between_roles())
        return Findings(self.found.table(by=("record_id", "kind", "group", "detail")), tuple(self.told))

    def _add(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            if row["kind"] == "split_leak":
                self.leaking.add(row["record_id"])
            self.found.add([row])

    def _images(self, column: str, uses: Uses) -> Iterator[dict[str, Any]]:
        files = Files(uses)
        grouped = files.groups(NEAR)
        self.told += _left_out(column, grouped)
        shared = np.bincount(grouped.first, minlength=len(files))[grouped.first] > 1
        worth = shared | files.several("identity") | files.several("split") | (files.paired() > MOST_USES)
        groups: defaultdict[int, list[Image]] = defaultdict(list)
        for number, image in uses.images(_chosen(files.numbers(), worth)).items():
            groups[int(grouped.first[number])].append(image)
        for members in groups.values():
            members.sort(key=lambda image: (image.uses[0].record_id, image.digest))
            yield from _of_group(column, members)

    def _leaks_between_roles(self) -> Iterator[dict[str, Any]]:
        """An object's pictures in two splits, of which neither column alone tells: one is a reference here and a target
        there, or both are frames of one clip. Records that are told already aren't told again.
        """
        files: defaultdict[str, list[tuple[str, Use]]] = defaultdict(list)
        for column, image in _in_several_splits(self.uses):
            files[image.digest] += [(f"{column} of {use.identity}", use) for use in image.uses]
        clips = {
            clip.digest: [(f"clip {clip.digest}", use) for use in clip.uses]
            for _, clip in _in_several_splits({"": self.clips})
        }
        for key, members in [*sorted(files.items()), *sorted(clips.items())]:
            splits = sorted({use.split for _, use in members})
            for what, use in members:
                if use.record_id not in self.leaking:
                    others = ", ".join(split for split in splits if split != use.split)
                    yield _row(use, "split_leak", digest([key])[:16], "error", f"{what} is also in {others}")


def _in_several_splits(columns: Mapping[str, Uses]) -> Iterator[tuple[str, Image]]:
    """The files whose uses stand in several splits, all columns together; a file comes once for each column."""
    used = {column: uses for column, uses in columns.items() if uses.count}
    if not used:
        return
    files = Files(*used.values())
    chosen = _chosen(files.numbers(), files.several("split"))
    start = 0
    for column, uses in used.items():
        for image in uses.images(chosen[start : start + uses.count]).values():
            yield column, image
        start += uses.count


def _chosen(numbers: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """The number of each use's file, -1 where that isn't worth a look."""
    return np.where(worth[numbers], numbers, -1)


def _left_out(column: str, grouped: Groups) -> Iterator[str]:
    """What the findings don't show of very many images that are alike."""
    if grouped.full:
        groups = counted(grouped.full, "group of near-duplicates is", "groups of near-duplicates are")
        yield f"{column}: {groups} full at {MOST_IN_GROUP} images; more are like them"
    if grouped.capped:
        runs = counted(grouped.capped, "run of like hashes was", "runs of like hashes were")
        yield f"{column}: {runs} too long to compare every pair; near-duplicates among them may be missed"


def _judged(row: dict[str, Any], kind: Kind) -> Iterator[dict[str, Any]]:
    """Findings about one record alone; what it is to be judged by differs from kind to kind."""
    if kind is TRYON:
        yield from health.findings(row)
        yield from consistency.findings(row)
    elif row["provenance"]:
        yield from health.judge(row, consistency.OF_ANY_KIND)


def _small_columns(output: Folder, name: str) -> tuple[Kind, pa.Table]:
    """The kind of a shard's records, and their small columns; of `tags` and boxes, only whether they are set."""
    try:
        with output.open(name) as file:
            reader = shards.ShardReader(file, name)
            kind = kinds.of(reader.schema)
            judged = ("tags", *health.COLUMNS, *consistency.COLUMNS)
            named = ("record_id", "dataset", "split", *kind.identities.values(), *PLACEMENT)
            table = reader.table(list(dict.fromkeys([*named, *judged])))
    except (OSError, pa.ArrowException) as error:
        raise UsageError(
            f"{output}: {name} is unreadable ({type(error).__name__}); remove it, and build again"
        ) from None
    for column, told in (("tags", "has_tags"), ("target_box", "has_box")):
        if column in table.column_names:
            table = table.append_column(told, table[column].is_valid()).drop_columns([column])
    return kind, table.combine_chunks()


def _uses_of(table: pa.Table, column: str, owner: str, digests: pa.Array) -> pa.RecordBatch:
    """The records that have a digest of a column, as `uses` keeps them."""
    hashes = pa.nulls(len(table), pa.string())
    if column in HASHES and "quality" in table.column_names:
        hashes = pc.struct_field(table["quality"], HASHES[column])
    columns = {
        "digest": digests,
        "hash": hashes,
        "identity": _identity(table, column, owner),
        "split": _words(table, "split"),
        "record_id": _words(table, "record_id"),
        "paired": pc.fill_null(table["paired"], False) if "paired" in table.column_names else [False] * len(table),
    }
    batches = pa.table(columns, schema=SCHEMA).filter(digests.is_valid()).combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], SCHEMA)


def _clips(table: pa.Table) -> pa.Array:
    """The clip of each record, null where it isn't known."""
    known = pc.not_equal(_words(table, "video_id"), "")
    clip = pc.binary_join_element_wise(pc.fill_null(_words(table, "dataset"), ""), _words(table, "video_id"), "/")
    return pc.if_else(known, clip, None)


def _identity(table: pa.Table, column: str, owner: str) -> pa.Array:
    """Whose picture it is: of a thing that is placed into many scenes, at a box, the thing's own."""
    if column == "reference_image" and "has_box" in table.column_names:
        return pc.if_else(table["has_box"], _words(table, PLACEMENT[0]), _words(table, owner))
    return _words(table, owner)


def _words(table: pa.Table, column: str) -> pa.ChunkedArray:
    """Texts, "" for null."""
    return pc.fill_null(table[column].cast(pa.string()), "")


def _of_group(column: str, members: list[Image]) -> Iterator[dict[str, Any]]:
    """Findings about images that are alike, or about one that is used in several ways; the first stands for them."""
    splits = sorted({use.split for image in members for use in image.uses})
    identities = {use.identity for image in members for use in image.uses}
    key = members[0].digest[:16]
    if len(members) > 1 or len(identities) > 1:
        yield from _near_duplicates(column, members, key)
    if len(splits) > 1:
        for image in members:
            for use in image.uses:
                others = ", ".join(split for split in splits if split != use.split)
                detail = f"{column} of {use.identity} is also in {others}"
                yield _row(use, "split_leak", key, "error", detail)
    for image in members:
        yield from _repeated(column, image)


def _repeated(column: str, image: Image) -> Iterator[dict[str, Any]]:
    """The uses of one file beyond the first MOST_USES, in the order of their records."""
    paired = [use for use in image.uses if use.paired]
    for number, use in enumerate(paired[MOST_USES:], start=MOST_USES + 1):
        detail = f"{column} of {use.identity} is in {len(paired)} paired records; this is number {number}"
        yield _row(use, "repeated_photo", image.digest[:16], "warning", detail)


def _near_duplicates(column: str, members: list[Image], key: str) -> Iterator[dict[str, Any]]:
    """The first image of a group is kept as its representative ("info"), the others are what to drop ("warning")."""
    first = members[0].uses[0].identity
    for position, image in enumerate(members):
        distance = hamming(members[0].hash, image.hash) if position else 0
        for use in image.uses:
            if position == 0 and use.identity == first:
                detail = f"{column} of {use.identity} stands for {len(members)} near-duplicates"
                yield _row(use, "near_duplicate", key, "info", detail)
            else:
                detail = f"{column} of {use.identity} is like that of {first}: {distance} of 256 bits differ"
                yield _row(use, "near_duplicate", key, "warning", detail)


def _row(use: Use, kind: str, group: str, severity: str, detail: str) -> dict[str, Any]:
    return {"record_id": use.record_id, "kind": kind, "group": group, "severity": severity, "detail": detail}


def hamming(a: str, b: str) -> int:
    """Bits that differ between two hashes in hexadecimal; 0 where either is unknown."""
    return (int(a, 16) ^ int(b, 16)).bit_count() if a and b else 0


def digest(texts: Iterable[str]) -> str:
    """sha256 over texts, one a line."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
