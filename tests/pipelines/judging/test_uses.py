"""Uses of images by columns against the same rules over plain lists."""

import io
import random
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support import shard_rows

from pipelines.judging import findings
from pipelines.judging.uses import SCHEMA, Files, Use, Uses
from schemas.folders import open_folder

HASHES = [f"{bits:064x}" for bits in (0, 2**20 - 1, 2**52 - 1, 2**200 - 1)]  # each 20, 32, 148 bits from the one before


def drawn(seed: int) -> list[dict[str, Any]]:
    """Records of few files, some of which are alike, have two owners or stand in two splits."""
    draw = random.Random(seed)
    hash_of = {name: draw.choice([*HASHES, None]) for name in "abcdefgh"}
    rows = []
    for number in range(draw.randrange(1, 40)):
        files = {column: draw.choice("abcdefgh") for column in findings.HASHES}
        rows.append(
            shard_rows.row(
                number,
                record_id=f"r{draw.randrange(10**6):06d}",
                split=draw.choice(["train", "test"]),
                paired=draw.random() < 0.9,
                quality={f"{column.removesuffix('_image')}_hash": hash_of[name] for column, name in files.items()},
                provenance=[shard_rows.note(column, None, name * 64) for column, name in files.items()],
                **{f"{column.removesuffix('_image')}_id": draw.choice("xy") for column in files},
            )
        )
    return rows


def expected(rows: list[dict[str, Any]], column: str) -> Iterator[tuple[str, str, str]]:
    """(record, kind, severity) by the rules in words."""
    owner = f"{column.removesuffix('_image')}_id"
    uses: dict[str, list[dict[str, Any]]] = {}
    hashes = {}
    for row in rows:
        (digest,) = [entry["digest"] for entry in row["provenance"] if entry["column"] == column]
        uses.setdefault(digest, []).append(row)
        hashes[digest] = row["quality"][owner.replace("_id", "_hash")]
    groups = [{digest} for digest in uses]
    for a, b in combinations(uses, 2):
        if hashes[a] and hashes[b] and findings.hamming(hashes[a], hashes[b]) <= findings.NEAR:
            one, other = (next(group for group in groups if digest in group) for digest in (a, b))
            if one is not other:
                groups.remove(other)
                one |= other
    for group in groups:
        members = [(digest, row) for digest in group for row in uses[digest]]
        first, head = min(members, key=lambda member: member[1]["record_id"])
        if len(group) > 1 or len({row[owner] for _, row in members}) > 1:
            for digest, row in members:
                info = digest == first and row[owner] == head[owner]
                yield row["record_id"], "near_duplicate", "info" if info else "warning"
        if len({row["split"] for _, row in members}) > 1:
            yield from ((row["record_id"], "split_leak", "error") for _, row in members)


@pytest.mark.parametrize("seed", range(25))
def test_findings_of_images_by_columns_are_those_of_the_rules(tmp_path: Path, seed: int) -> None:
    rows = drawn(seed)
    for split in ("test", "train"):
        own = [row for row in rows if row["split"] == split]
        shard_rows.write(tmp_path, f"{split}-00000-of-00001.parquet", own)
    names = [f"{split}-00000-of-00001.parquet" for split in ("test", "train")]
    found = findings.find(open_folder(str(tmp_path)), names).rows.to_pylist()
    of_images = [row for row in found if row["kind"] in ("near_duplicate", "split_leak")]
    told = sorted((row["record_id"], row["kind"], row["severity"]) for row in of_images)
    assert told == sorted(row for column in findings.HASHES for row in expected(rows, column))
    assert found == sorted(found, key=lambda row: [row[name] for name in ("record_id", "kind", "group", "detail")])


def batch(*rows: tuple[str, str | None, str]) -> pa.RecordBatch:
    values = {"split": "train", "record_id": "r", "paired": True}
    return pa.RecordBatch.from_pylist(
        [{"digest": digest, "hash": hash_, "identity": owner, **values} for digest, hash_, owner in rows], SCHEMA
    )


def test_digests_of_any_words_tell_files_apart() -> None:
    """Also where only one batch holds a word that is no digest; a hash of zeros is one, and none is near to nothing."""
    with tempfile.TemporaryFile() as file:
        uses = Uses(file)
        uses.add(batch(("a" * 64, HASHES[0], "x"), ("b" * 64, None, "x"), ("0" * 63 + "1", HASHES[0], "x")))
        uses.add(batch(("a" * 64, HASHES[0], "y"), ("clip 7", "", "x"), ("0" * 63 + "2", HASHES[3], "x")))
        files = Files(uses)
        numbers = files.numbers().tolist()
        assert len(files) == 5 and numbers[0] == numbers[3] and len(set(numbers)) == 5
        assert np.flatnonzero(files.several("identity")).tolist() == [numbers[0]]
        first = files.groups(findings.NEAR).first
        assert first[numbers[0]] == first[numbers[2]] and len(set(first.tolist())) == 4
        chosen = np.where(np.array(numbers) == numbers[0], numbers, -1)
        (image,) = uses.images(chosen).values()
        assert image.digest == "a" * 64 and image.uses == (Use("r", "train", "x", True), Use("r", "train", "y", True))


def test_no_uses_are_no_files() -> None:
    uses = Uses(io.BytesIO())
    uses.add(batch())
    assert uses.count == 0 and len(Files(uses)) == 0
