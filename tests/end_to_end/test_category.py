"""What garments cover where no row says it: tables and loose photos, built, and annotated again later."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import layouts_tables
from support.helpers import rows
from support.layouts_tables import put, table_bytes, table_rows

from pipelines import annotate, build_photos, build_table

SKIPS = ("--skip", "parse,keypoints,densepose")


def run(module: Any, *arguments: object) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code: int = module.main([str(word) for word in arguments])
    return code


def assumed(folder: Path) -> set[str]:
    """Records with the finding."""
    found = pq.read_table(folder / "findings.parquet").to_pylist()
    return {row["record_id"] for row in found if row["kind"] == "assumed_category"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three rows without category: tags say trousers, the parse shows a dress alone, and nothing tells."""
    layouts_tables.table_files(tmp_path)
    told, shown, silent = ({k: v for k, v in row.items() if k != "category"} for row in table_rows())
    told |= {"tags": {"item": "Pants", "looks": None}, "garment_id": "told"}
    *_, dress = layouts_tables.ids()  # of the categories in order
    shown |= {"parse": f"labels/{dress}.png", "garment_id": "shown", "paired": True}
    silent = {k: v for k, v in silent.items() if k not in ("parse", "tags")} | {"garment_id": "silent"}
    shown.pop("tags")
    for row in (told, shown, silent):
        row.pop("captions")
    return put(tmp_path, "pairs.jsonl", table_bytes([told, shown, silent], ".jsonl"))


def test_tags_and_parse_decide_and_the_rest_is_assumed(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(build_table, "--input", table, "--output", out, "--skip", "densepose,keypoints,parse") == 0
    records = {row["garment_id"]: row for row in rows(out)}
    categories = {name: row["category"] for name, row in records.items()}
    assert categories == {"told": "lower_body", "shown": "dresses", "silent": "upper_body"}
    assert records["told"]["caption"] == "model is wearing Pants"
    assert records["shown"]["garment_caption"].endswith(" dress")
    assert records["silent"]["garment_caption"].endswith(" clothes")
    assert assumed(out) == {records["silent"]["record_id"]}


@pytest.mark.parametrize("chosen", [SKIPS, ("--annotators", "caption_tags,quality")])
def test_loose_photos_say_what_was_assumed(table: Path, tmp_path: Path, chosen: tuple[str, ...]) -> None:
    folders = ("--persons", table.parent / "photos", "--garments", table.parent / "clothes", "--size", "128x96")
    out, told = tmp_path / "out", tmp_path / "told"
    assert run(build_photos, *folders, "--output", out, *chosen) == 0
    assert {row["category"] for row in rows(out)} == {"upper_body"} and len(assumed(out)) == 3
    assert not any(" top" in row["caption"] for row in rows(out))
    assert run(build_photos, *folders, "--output", told, *chosen, "--category", "lower_body") == 0
    assert {row["category"] for row in rows(told)} == {"lower_body"} and not assumed(told)


def test_what_was_assumed_is_no_fact_for_annotators_that_run_later(table: Path, tmp_path: Path) -> None:
    out, captions, again = tmp_path / "out", tmp_path / "captions", tmp_path / "again"
    assert run(build_table, "--input", table, "--output", out, "--skip", "densepose,keypoints,parse") == 0
    before = {row["garment_id"]: row for row in rows(out)}
    assert run(annotate, out, "--annotators", "caption_tags", "--output", captions) == 0
    assert {row["garment_id"]: row["caption"] for row in rows(captions)} == {
        name: row["caption"] for name, row in before.items()
    }
    assert assumed(captions) == assumed(out)
    assert run(annotate, out, "--annotators", "category", "--output", again) == 0
    assert {row["garment_id"]: row["category"] for row in rows(again)} == {
        name: row["category"] for name, row in before.items()
    }
    assert assumed(again) == assumed(out), "there is still nothing that tells"
