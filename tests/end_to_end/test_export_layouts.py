"""What an export holds comes back: shards → another layout → the builder that reads it → the same records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import finished
from support.helpers import WEIGHTLESS, Result, rows

from schemas import codecs, fields, kinds, record

Command = Callable[..., Result]
BUILD, EXPORT = "pipelines.build_vitonhd", "pipelines.export"
OWN = ("record_id", "dataset", "provenance", "geometry", "quality")  # what a record's way through files may change


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Test pairs with everything, and in train a skirt with tags and captions and a top with hardly an annotation."""
    names = [f"{i:05d}_00" for i in range(3)]
    rows = [finished.row(a, b, seed=i) for i, (a, b) in enumerate(zip(names, names[1:] + names[:1], strict=True))]
    tags = [{"name": "item", "value": "Skirt"}, {"name": "fit", "value": None}]
    captions = [{"text": "a person in a skirt", "model": "blip"}, {"text": "ein Rock", "model": None}]
    texts: dict[str, Any] = {"caption": "a person in a skirt", "garment_caption": "Rock, «blau»", "captions": captions}
    rows.append(finished.row("t1", "t1", "train", 8, category="lower_body", tags=tags, **texts))
    rows.append(finished.row("t2", "t2", "train", 9) | {"parse": None, "keypoints": None, "densepose_image": None})
    return finished.write(tmp_path / "built", rows)


def by_id(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["record_id"].split("/", 1)[1]: row for row in rows(folder)}


def assert_came_back(before: dict[str, Any], after: dict[str, Any], lossy: list[str]) -> None:
    for name, cell in before.items():
        if name in OWN or cell is None:
            continue
        kind = fields.kind(kinds.TRYON.fields[name])
        if kind == "image" and name not in lossy:
            assert after[name]["bytes"] == cell["bytes"], name
        elif kind == "image":
            was, now = (codecs.decode_image(each["bytes"]).astype(int) for each in (cell, after[name]))
            assert np.abs(was - now).mean() < 5, name
        elif kind in ("mask", "label_map"):
            field = kinds.TRYON.fields[name]
            assert np.array_equal(record.decode(field, after[name]), record.decode(field, cell)), name
        else:
            assert after[name] == cell, name


def test_vitonhd_and_back(command: Command, built: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "tree", tmp_path / "back"
    result = command(EXPORT, built, "--layout", "vitonhd", "--output", out)
    assert result.code == 0 and (result.json["records"], result.json["left_out"]) == (5, 0), result.stderr
    assert result.json["lossy"] == ["agnostic_image"] == json.loads((out / "_export.json").read_bytes())["lossy"]
    again = command(BUILD, "--input", out, "--output", back, "--skip", WEIGHTLESS)
    assert (again.code, again.json["rejects"]) == (0, 0), again.stderr
    before, after = by_id(built), by_id(back)
    assert set(before) == set(after)
    for name, row in before.items():
        assert_came_back(row, after[name], result.json["lossy"])


def test_the_embedded_sample_comes_back(command: Command, drawn_sample: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(drawn_sample / "cache")}
    flags = ("--split", "test", "--limit", 4, "--skip", "high_frequency,quality")
    assert command(BUILD, "--output", tmp_path / "a", *flags, env=cache).code == 0
    result = command(EXPORT, tmp_path / "a", "--layout", "vitonhd", "--output", tmp_path / "tree")
    assert result.code == 0, result.stderr
    again = command(BUILD, "--input", tmp_path / "tree", "--output", tmp_path / "b", *flags)
    assert again.code == 0, again.stderr
    before, after = by_id(tmp_path / "a"), by_id(tmp_path / "b")
    assert set(before) == set(after) and len(before) == 4
    for name, row in before.items():
        assert_came_back(row, after[name], result.json["lossy"])


def test_dresscode_and_back(command: Command, built: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "tree", tmp_path / "back"
    result = command(EXPORT, built, "--layout", "dresscode", "--output", out)
    assert result.code == 0 and result.json["left_out"] == 0, result.stderr
    assert set(result.json["lossy"]) == {"keypoints", "parse"}
    done = command("pipelines.build_dresscode", "--input", out, "--output", back, "--skip", WEIGHTLESS)
    assert (done.code, done.json["rejects"]) == (0, 0), done.stderr

    def key(row: dict[str, Any]) -> tuple[str, ...]:
        return (row["split"], row["category"], row["person_id"], row["garment_id"])

    before, after = ({key(row): row for row in rows(folder)} for folder in (built, back))
    assert set(before) == set(after)
    held = ("person_image", "garment_image", "densepose_image", "agnostic_mask", "garment_mask", "garment_caption")
    for name, row in before.items():
        found = after[name]
        assert_came_back({column: row[column] for column in (*held, "category", "paired")}, found, [])
        if row["keypoints"] is not None:
            was, now = (np.float32(each["keypoints"]).reshape(25, 3) for each in (row, found))
            assert np.allclose(was[:8], now[:8], atol=1e-3)  # head and arms; the mid-hip is made anew
