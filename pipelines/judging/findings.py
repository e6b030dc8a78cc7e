"""What is worth a look: images that are nearly equal, stand in two splits or repeat, and what is odd about one record.

`health` judges a record's pictures, `consistency` what it says of itself.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.judging import consistency, health, near
from schemas import kinds, shards
from schemas.cli.flags import UsageError
from schemas.folders import Folder
from schemas.kinds import OBJECT_PAIR, TRYON, Kind

# Of 256 bits. Encoding a photo again moves the hash by at most 22; different garments on white are 84 apart or more.
NEAR = 32
# Of paired records. VITON-HD and Dress Code use a photo once, IGPair a garment for 2 to 5 people; one of IGPair's is
# listed 144 times (muzishen/IMAGDressing#38).
MOST_USES = 20
KINDS = ("near_duplicate", "split_leak", "repeated_photo", *health.KINDS, *consistency.KINDS)
# Photo → the member of `quality` that is its perceptual hash. Frames of one clip are alike by nature: of object pairs
# only equal files are told, and what stands in two splits.
HASHES = {"person_image": "person_hash", "garment_image": "garment_hash"}
PLACEMENT = ("object_id", "target_box")  # columns that tell of a thing placed into a scene
_BLOCK = 2_048


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


def find(output: Folder, done: Iterable[Any], extension: str) -> list[dict[str, Any]]:
    """Rows of findings.parquet, sorted. Records that share one file are no duplicates of each other."""
    uses: defaultdict[str, dict[str, list[Use]]] = defaultdict(lambda: defaultdict(list))
    hashes: defaultdict[str, dict[str, str]] = defaultdict(dict)
    clips: defaultdict[str, list[Use]] = defaultdict(list)
    rows: list[dict[str, Any]] = []
    for item in done:
        kind, small = _small_columns(output, f"{item.unit.stem}.{extension}")
        for row in small:
            _note(row, kind, uses, hashes)
            if kind is OBJECT_PAIR and row["video_id"]:
                clips[f"{row['dataset']}/{row['video_id']}"].append(Use(row["record_id"], row["split"] or "", ""))
            rows += _judged(row, kind)
    for column in uses:
        images = [
            Image(digest, hashes[column].get(digest, ""), tuple(sorted(users, key=lambda u: u.record_id)))
            for digest, users in sorted(uses[column].items())
        ]
        rows += _image_findings(column, sorted(images, key=lambda image: image.uses[0].record_id))
    if clips:
        rows += _leaks_between_roles(uses, clips, {row["record_id"] for row in rows if row["kind"] == "split_leak"})
    return sorted(rows, key=lambda row: (row["record_id"], row["kind"], row["group"], row["detail"]))


def _judged(row: dict[str, Any], kind: Kind) -> Iterator[dict[str, Any]]:
    """Findings about one record alone; what it is to be judged by differs from kind to kind."""
    if kind is TRYON:
        yield from health.findings(row)
        yield from consistency.findings(row)
    else:
        yield from health.judge(row, consistency.OF_ANY_KIND)


def _small_columns(output: Folder, name: str) -> tuple[Kind, Iterator[dict[str, Any]]]:
    """The kind of a shard's records, and their small columns; of `tags`, only whether they are set."""
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
    if "tags" in table.column_names:
        table = table.append_column("has_tags", table["tags"].is_valid()).drop_columns(["tags"])
    return kind, (row for batch in table.to_batches(_BLOCK) for row in batch.to_pylist())


def _note(
    row: dict[str, Any],
    kind: Kind,
    uses: Mapping[str, dict[str, list[Use]]],
    hashes: Mapping[str, dict[str, str]],
) -> None:
    digests = {entry["column"]: entry["digest"] for entry in row["provenance"] or ()}
    for column, owner in kind.identities.items():
        digest = digests.get(column)
        if digest is None:
            continue
        uses[column][digest].append(
            Use(row["record_id"], row["split"] or "", _identity(row, column, owner), bool(row.get("paired")))
        )
        hashes[column][digest] = (row.get("quality") or {}).get(HASHES.get(column)) or ""


def _identity(row: Mapping[str, Any], column: str, owner: str) -> str:
    """Whose picture it is: of a thing that is placed into many scenes, at a box, the thing's own."""
    placed = column == "reference_image" and row.get("target_box") is not None
    return str(row[PLACEMENT[0] if placed else owner] or "")


def _leaks_between_roles(
    uses: Mapping[str, Mapping[str, list[Use]]], clips: Mapping[str, list[Use]], told: set[str]
) -> Iterator[dict[str, Any]]:
    """An object's pictures in two splits, of which neither column alone tells: one is a reference here and a target
    there, or both are frames of one clip. Records that are `told` already aren't told again.
    """
    files: defaultdict[str, list[tuple[str, Use]]] = defaultdict(list)
    for column, by_digest in uses.items():
        for digest_, users in by_digest.items():
            files[digest_] += [(f"{column} of {use.identity}", use) for use in users]
    named = {clip: [(f"clip {clip}", use) for use in users] for clip, users in clips.items()}
    for key, members in [*sorted(files.items()), *sorted(named.items())]:
        splits = sorted({use.split for _, use in members})
        for what, use in members if len(splits) > 1 else ():
            if use.record_id not in told:
                told.add(use.record_id)
                others = ", ".join(split for split in splits if split != use.split)
                yield _row(use, "split_leak", digest([key])[:16], "error", f"{what} is also in {others}")


def _image_findings(column: str, images: list[Image]) -> Iterator[dict[str, Any]]:
    for group in _groups(images):
        members = [images[index] for index in group]
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


def _groups(images: list[Image]) -> list[list[int]]:
    """Indices of images joined by near hashes; images of their own group included."""
    known = [index for index, image in enumerate(images) if image.hash]
    words = np.array([_words(images[index].hash) for index in known], np.uint64).reshape(-1, 4)
    first = dict(zip(known, near.groups(words, NEAR).first.tolist(), strict=True))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(images)):
        groups[known[first[index]] if index in first else index].append(index)
    return [groups[key] for key in sorted(groups)]


def _words(text: str) -> list[int]:
    return [int(text[i : i + 16], 16) for i in range(0, 64, 16)]


def digest(texts: Iterable[str]) -> str:
    """sha256 over texts, one a line."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
