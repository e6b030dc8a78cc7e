"""Shards made of shards: one for one, rows in and rows out, resumable, with the manifest that tells of both."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import small_shards
from support.helpers import rows as stored_rows

from schemas.cli.flags import UsageError
from schemas.finished import manifest, tables
from schemas.finished.rewriting import Rejects, Rewriting, Row, Told, with_cell
from schemas.folders import open_folder
from schemas.kinds import TRYON

NAME, CAPTION = "train-00000-of-00001.parquet", "garment_caption"
ORIGIN = {"origin": "annotator", "annotator": "writer", "digest": None, "note": None}


def captioned(rows: Iterator[Row], rejects: Rejects) -> Iterator[Row]:
    """Row 1 is left out, since nothing could be said of it."""
    for number, row in enumerate(rows):
        if number == 1:
            what = {"stage": "write", "error": "speechless", "message": "no words", "source": NAME}
            rejects.append({"record_id": row["record_id"], **what})
        else:
            yield with_cell(row, CAPTION, f"number {number}", ORIGIN)


@pytest.fixture
def rewriting(tmp_path: Path) -> Rewriting:
    source = small_shards.write(tmp_path / "source", 3)
    made = Rewriting(open_folder(str(source)), open_folder(str(tmp_path / "out")), (TRYON.fields[CAPTION],))
    made.begin()
    return made


def test_rows_in_rows_out(rewriting: Rewriting, tmp_path: Path) -> None:
    assert rewriting.receipt(NAME) is None
    receipt = rewriting.write(NAME, "train", captioned)
    assert (receipt.rows, [row["error"] for row in receipt.rejects]) == (2, ["speechless"])
    assert receipt.origins == {CAPTION: {"annotator": 2}} and rewriting.receipt(NAME) == receipt
    before = {row["record_id"]: row for row in stored_rows(tmp_path / "source")}
    for row in stored_rows(tmp_path / "out"):
        old = before[row["record_id"]]
        assert all(row[column] == old[column] for column in set(old) - {"provenance"})
        assert row[CAPTION].startswith("number ") and row["provenance"][-1] == {"column": CAPTION, **ORIGIN}


def test_what_is_half_done_is_done_again(rewriting: Rewriting, tmp_path: Path) -> None:
    rewriting.write(NAME, "train", captioned)
    with (tmp_path / "out" / NAME).open("ab") as file:
        file.write(b"more")
    assert rewriting.receipt(NAME) is None, "the shard isn't the one that the receipt is of"
    with pytest.raises(RuntimeError):
        rewriting.write(NAME, "train", lambda rows, rejects: (_fail() for _ in rows))
    (tmp_path / "out/_receipts" / f"{NAME}.json").write_text("{")
    assert rewriting.receipt(NAME) is None


def _fail() -> Row:
    raise RuntimeError


def test_the_manifest_tells_of_both_builds(rewriting: Rewriting) -> None:
    receipt = rewriting.write(NAME, "train", captioned)
    told = Told("write", {"seed": 1}, {"writer": {}}, (), (), lambda content: f"# {content['dataset']}\n")
    source = manifest.read(rewriting.source)
    rewriting.finish(source, [receipt], told)
    read = manifest.read(rewriting.output)
    assert read.shards == (receipt.shard,) and read.content["counts"]["rejects_by_stage"] == {"write": 1}
    assert read.content["columns"][CAPTION] == {"type": "string", "origins": {"annotator": 2}}
    assert read.content["source_build"]["manifest_sha256"] == source.sha256 and read.content["licence"] == "CC0-1.0"
    assert rewriting.output.read("README.md") == b"# small\n"
    rejects = tables.read(rewriting.output, tables.REJECTS_FILE)
    assert rejects is not None and rejects.num_rows == 1 and rejects.schema.equals(tables.REJECTS)


def test_a_manifest_that_names_no_shard_is_refused(rewriting: Rewriting) -> None:
    content = json.loads(rewriting.source.read(manifest.NAME))
    content["shards"][0]["name"] = "../elsewhere/" + NAME
    rewriting.output.write(manifest.NAME, json.dumps(content).encode())
    with pytest.raises(UsageError, match="is no shard's name"):
        _ = manifest.read(rewriting.output).shards
    rewriting.output.write(manifest.NAME, b"[]")
    assert manifest.look(rewriting.output) == (None, "is damaged: it holds no object")
    with pytest.raises(UsageError, match="has no readable manifest.json"):
        manifest.read(rewriting.output)
