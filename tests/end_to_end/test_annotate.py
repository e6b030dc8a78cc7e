"""Columns of finished shards added and replaced; everything else to the byte as it was."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.helpers import Dataset, Result, digests
from support.killing import killed_midway

from pipelines import exports
from schemas import codecs, labels, shards

Command = Callable[..., Result]
BUILD, ANNOTATE = "pipelines.build_vitonhd", "pipelines.annotate"
OTHER = ("--annotators", "agnostic", "--agnostic-recipe", "vitonhd")
MADE = {"agnostic_image", "agnostic_mask", "parse_agnostic"}


def rows(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*-of-*")):
        with path.open("rb") as file:
            found += list(shards.ShardReader(file, path.name).rows())
    return found


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> set[str]:
    """Columns whose cells differ in any record."""
    assert [row["record_id"] for row in before] == [row["record_id"] for row in after]
    return {
        name for old, new in zip(before, after, strict=True) for name in old | new if old.get(name) != new.get(name)
    }


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO((folder / name).read_bytes())).to_pylist()


@pytest.fixture
def built(command: Command, dataset: Dataset, tmp_path: Path) -> Path:
    out = tmp_path / "built"
    assert command(BUILD, "--input", dataset.root, "--output", out, "--shard-size", 4).code == 0
    return out


def png(value: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(value).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", shards.FORMATS)
def test_a_replaced_column_equals_a_build_with_it(
    command: Command, dataset: Dataset, tmp_path: Path, file_format: str
) -> None:
    first, out, direct = tmp_path / "first", tmp_path / "out", tmp_path / "direct"
    arguments = ("--input", dataset.root, "--shard-size", 4, "--format", file_format)
    command(BUILD, *arguments, "--output", first)
    before = digests(first)
    both = ("--annotators", "agnostic,quality", *OTHER[2:])  # quality measures the mask
    result = command(ANNOTATE, first, *both, "--output", out)
    assert (result.code, result.json["records"], result.json["shards"]) == (0, 6, 2), result.stderr
    assert digests(first) == before, "the input is only read"
    assert changed(rows(first), rows(out)) == MADE | {"provenance", "quality"}
    command(BUILD, *arguments, "--agnostic-recipe", "vitonhd", "--output", direct)
    for path in direct.glob("*-of-*"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert command("pipelines.validate", out).code == 0
    assert command("pipelines.report", out).code == 0
    assert command(ANNOTATE, first, *both, "--output", out).json["skipped_shards"] == 2


def test_the_manifest_tells_both_builds(command: Command, built: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    command(ANNOTATE, built, *OTHER, "--output", out)
    command(ANNOTATE, out, "--annotators", "quality", "--output", again)
    source = json.loads((built / "manifest.json").read_text())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["configuration"]["annotators"]["agnostic"]["recipe"] == "vitonhd"
    assert manifest["source_build"]["configuration"] == source["configuration"]
    assert manifest["source_build"]["fingerprint"] == source["fingerprint"] != manifest["fingerprint"]
    assert manifest["columns"].keys() == source["columns"].keys()
    assert json.loads((again / "manifest.json").read_text())["source_build"]["source_build"] == manifest["source_build"]
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    before = digests(out)
    assert command("pipelines.finish", out).code == 0 and digests(out) == before


def test_a_column_is_added(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    first, out = tmp_path / "first", tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", first, "--annotators", "quality")
    lacking = command(ANNOTATE, first, "--annotators", "high_frequency", "--skip", "quality", "--output", out)
    assert lacking.code == 0, "the shipped garment_mask is enough"
    assert changed(rows(first), rows(out)) == {"high_frequency_map", "provenance"}
    recipes = ("--annotators", "agnostic", "--agnostic-recipe", "hrviton,vitonhd", "--output")
    assert command(ANNOTATE, out, *recipes, tmp_path / "both").code == 0
    assert command(ANNOTATE, tmp_path / "both", "--annotators", "quality", "--output", tmp_path / "kept").code == 0
    kept = rows(tmp_path / "kept")
    assert all(
        row["agnostic_mask_vitonhd"] == old["agnostic_mask_vitonhd"]
        for row, old in zip(kept, rows(tmp_path / "both"), strict=True)
    )
    assert kept[0]["agnostic_mask_vitonhd"]["bytes"] != kept[0]["agnostic_mask"]["bytes"]


def test_wrong_usage_is_one_line(command: Command, dataset: Dataset, built: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cases = [
        ((tmp_path / "nowhere", *OTHER), "no folder"),
        ((tmp_path / "empty", *OTHER), "no shards"),
        ((dataset.root, *OTHER), "no shards"),
        ((built,), "--annotators A,B and --from-folder"),
        ((built, "--annotators", "foo"), "'foo'"),
        ((built, "--annotators", "person_mask", "--weights", tmp_path), "fetch person_mask"),
        ((built, *OTHER, "--skip", "foo"), "'foo'"),
        ((built, "--from-folder", "agnostic_mask"), "COLUMN=DIR"),
        ((built, "--from-folder", f"agnostic_mask={tmp_path}/nowhere"), "no folder"),
        ((built, "--from-folder", f"person_image={tmp_path}"), "'person_image' holds no mask"),
        ((built, "--from-folder", f"agnostic_mask={tmp_path}/empty"), "vitonhd__test__00000_00+00001_00.png"),
        ((built, *OTHER, "--foo"), "--foo"),
        ((built, *OTHER, "--runner", "Foo"), "'Foo'"),
    ]
    for arguments, named in cases:
        result = command(ANNOTATE, *arguments, "--output", tmp_path / "out")
        assert result.code == 2 and named in result.error, (arguments, result.error)
        assert len(result.stderr.strip().splitlines()) == 1 or "--foo" in arguments, "Beam has its say on other flags"
        assert not (tmp_path / "out").exists()
    assert "the folder that is read" in command(ANNOTATE, built, *OTHER, "--output", built).error
    command(ANNOTATE, built, *OTHER, "--output", tmp_path / "out")
    refused = command(ANNOTATE, built, "--annotators", "quality", "--output", tmp_path / "out")
    assert refused.code == 2 and "another build" in refused.error
    (built / "test-00001-of-00002.parquet").unlink()
    assert "test-00001-of-00002.parquet isn't as manifest.json says" in command(ANNOTATE, built, *OTHER).error


def test_killed_and_resumed(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    names = [f"{i:05d}_00" for i in range(40)]
    for seed, name in enumerate(names):
        dataset.add(name, seed)
    dataset.pairs(*(f"{name}.jpg {name}.jpg" for name in names))
    first, out, whole = tmp_path / "first", tmp_path / "out", tmp_path / "whole"
    command(BUILD, "--input", dataset.root, "--output", first, "--shard-size", 1)
    words = [sys.executable, "-m", ANNOTATE, str(first), *OTHER, "--output", str(out), "--direct_num_workers", "1"]

    def begun() -> bool:
        return len(list(out.glob("_receipts/*.json"))) >= 5

    killed_midway(words, out, begun, (out / "manifest.json").exists, cwd=tmp_path)
    assert 5 <= len(list(out.glob("_receipts/*.json"))) < 40 and not (out / "manifest.json").exists()
    resumed = command(ANNOTATE, first, *OTHER, "--output", out)
    assert resumed.code == 0 and 5 <= resumed.json["skipped_shards"] < 40
    command(ANNOTATE, first, *OTHER, "--output", whole)
    assert digests(out) == digests(whole)


def test_changed_input_shards_are_noticed(command: Command, dataset: Dataset, built: Path, tmp_path: Path) -> None:
    arguments = (built, *OTHER, "--output", tmp_path / "out")
    command(ANNOTATE, *arguments)
    for path in built.glob("*.parquet"):
        os.utime(path, (1, 1))
    assert command(ANNOTATE, *arguments).json["skipped_shards"] == 2, "touched, not changed"
    dataset.put("test/image/00000_00.jpg", codecs.encode_jpeg(np.full((128, 96, 3), 90, np.uint8)))
    command(BUILD, "--input", dataset.root, "--output", built, "--shard-size", 4)
    assert command(ANNOTATE, *arguments).json["skipped_shards"] == 1
    assert changed(rows(built), rows(tmp_path / "out")) == MADE | {"provenance"}


def test_corrected_masks_come_back_exactly(command: Command, built: Path, tmp_path: Path) -> None:
    review, out = tmp_path / "review", tmp_path / "out"
    assert command("pipelines.export", built, "--layout", "review", "--output", review).code == 0
    old = rows(built)
    path = review / "agnostic_mask/vitonhd__test__00002_00+00003_00.png"
    mask = np.array(Image.open(path))
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    mask[5:25, 3:40] = 255 - mask[5:25, 3:40]
    path.write_bytes(png(mask))
    result = command(ANNOTATE, built, "--from-folder", f"agnostic_mask={review}/agnostic_mask", "--output", out)
    assert (result.code, result.json["rejects"]) == (0, 0), result.stderr
    new = rows(out)
    assert changed(old[:2] + old[3:], new[:2] + new[3:]) == set(), "what nobody changed stays as it was"
    assert changed(old[2:3], new[2:3]) == {"agnostic_mask", "agnostic_image", "provenance"}
    assert (codecs.decode_mask(new[2]["agnostic_mask"]["bytes"]) == mask).all()
    person, painted = (codecs.decode_image(new[2][name]["bytes"]) for name in ("person_image", "agnostic_image"))
    assert (painted[mask > 0] == 128).all() and (painted[mask == 0] == person[mask == 0]).all()
    entry = {row["column"]: row for row in new[2]["provenance"]}["agnostic_mask"]
    assert entry["origin"] == "manual" and entry["digest"] == codecs_digest(path)
    assert command("pipelines.validate", out).code == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["columns"]["agnostic_mask"]["origins"] == {"annotator": 5, "manual": 1}
    only = command(
        ANNOTATE,
        built,
        "--from-folder",
        f"agnostic_mask={review}/agnostic_mask",
        "--output",
        tmp_path / "only",
        "--skip",
        "agnostic_image",
    )
    assert only.code == 0 and changed(old, rows(tmp_path / "only")) == {"agnostic_mask", "provenance"}


def codecs_digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_bad_corrections_are_reported_not_guessed(command: Command, built: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "masks", tmp_path / "out"
    folder.mkdir()
    names = [f"vitonhd__test__{i:05d}_00+{(i + 1) % 6:05d}_00.png" for i in range(6)]
    good = np.zeros((128, 96), np.uint8)
    good[20:90, 20:70] = 255
    (folder / names[0]).write_bytes(png(good))
    (folder / names[1]).write_bytes(png(good[:-1]))
    (folder / names[2]).write_bytes(png(good * 0))
    (folder / names[3]).write_bytes(b"nothing")
    see_through = np.dstack([good, good, good, np.where(good > 0, 255, 0).astype(np.uint8)])
    (folder / names[4]).write_bytes(png(see_through))
    (folder / names[5]).write_bytes(png(np.random.default_rng(0).integers(0, 255, (128, 96), dtype=np.uint8)))
    (folder / "somebody.png").write_bytes(png(good))
    (folder / names[0]).with_suffix(".jpg").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"")
    arguments = (built, "--from-folder", f"agnostic_mask={folder}", "--output", out)
    result = command(ANNOTATE, *arguments, "--max-reject-rate", 1)
    assert result.code == 0 and result.json["records"] == 1 and result.json["rejects"] == 7, result.stderr
    assert "somebody.png" in result.stderr and "00000_00+00001_00.jpg" in result.stderr
    assert ".hidden" not in result.stderr
    found = [(row["record_id"], row["error"]) for row in table(out, "rejects.parquet")]
    assert {row["stage"] for row in table(out, "rejects.parquet")} == {"import"}
    expected = ["wrong_size", "empty_mask", "unreadable", "unreadable", "unreadable"]
    ids = [f"vitonhd/test/{i:05d}_00+{(i + 1) % 6:05d}_00" for i in range(1, 6)]
    assert set(zip(ids, expected, strict=True)) <= set(found) and ("somebody", "unknown_id") in found
    assert (codecs.decode_mask(rows(out)[0]["agnostic_mask"]["bytes"]) == good).all()
    (folder / names[1]).write_bytes(png(good))
    again = command(ANNOTATE, *arguments, "--max-reject-rate", 1)
    assert again.json["records"] == 2 and again.json["skipped_shards"] == 1, "only the shard with the mended file"


def test_imported_masks_and_label_maps_in_the_forms_that_tools_write(
    command: Command, built: Path, tmp_path: Path
) -> None:
    name, out = "vitonhd__test__00000_00+00001_00.png", tmp_path / "out"
    mask = codecs.decode_mask(rows(built)[0]["agnostic_mask"]["bytes"])[:, ::-1]
    parse = codecs.decode_label_map(rows(built)[0]["parse"]["bytes"], "cihp")[:, ::-1]
    given = {"agnostic_mask": mask // 255, "parse": labels.PALETTES["cihp"][parse]}
    for column, pixels in given.items():
        (tmp_path / column).mkdir()
        (tmp_path / column / name).write_bytes(png(pixels))
    folders = [argument for column in given for argument in ("--from-folder", f"{column}={tmp_path / column}")]
    assert command(ANNOTATE, built, *folders, "--output", out).code == 0
    found = rows(out)[0]
    assert (codecs.decode_mask(found["agnostic_mask"]["bytes"]) == mask).all()
    assert (codecs.decode_label_map(found["parse"]["bytes"], "cihp") == parse).all()
    notes = {item["column"]: item["note"] for item in found["provenance"]}
    assert "values 0 and 1 read" in notes["agnostic_mask"] and "palette's colours" in notes["parse"]


def test_an_imported_parse_is_what_agnostic_reads(command: Command, built: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "parses", tmp_path / "out"
    folder.mkdir()
    parse = codecs.decode_label_map(rows(built)[0]["parse"]["bytes"], "cihp")
    parse[34:60, 30:66] = 9  # trousers, which no recipe repaints
    (folder / "vitonhd__test__00000_00+00001_00.png").write_bytes(codecs.encode_label_map(parse, "cihp"))
    both = ("--from-folder", f"parse={folder}", "--annotators", "agnostic", "--output", out)
    assert command(ANNOTATE, built, *both).code == 0
    old, new = rows(built), rows(out)
    assert changed(old[1:], new[1:]) == set(), "the same recipe on the same parse"
    assert (codecs.decode_label_map(new[0]["parse"]["bytes"], "cihp") == parse).all()
    assert not (codecs.decode_mask(new[0]["agnostic_mask"]["bytes"]) > 0)[parse == 9].any()


def test_a_record_that_an_annotator_refuses(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    keypoints = np.zeros((25, 3), np.float32)
    keypoints[1] = (48, 33, 0.9)
    dataset.put("test/openpose_json/00001_00_keypoints.json", codecs.encode_keypoints(keypoints))
    first, out = tmp_path / "first", tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", first, "--annotators", "quality")
    result = command(ANNOTATE, first, "--annotators", "agnostic", "--output", out, "--max-reject-rate", 0.5)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 5, 1), result.stderr
    (reject,) = table(out, "rejects.parquet")
    assert reject["stage"] == "agnostic" and reject["source"] == "test-00000-of-00001.parquet"


def test_every_entry_of_an_imported_folder_is_used_or_named(command: Command, built: Path, tmp_path: Path) -> None:
    assert command("pipelines.export", built, "--layout", "review", "--output", tmp_path / "review").code == 0
    folder = tmp_path / "review/agnostic_mask"
    first, second, *_ = sorted(folder.glob("*.png"))
    mask = np.zeros(np.asarray(Image.open(first)).shape[:2], np.uint8)
    mask[:9] = 255
    first.unlink()
    first.with_suffix(".PNG").write_bytes(png(mask))
    second.with_suffix(".PNG").write_bytes(png(mask))  # beside one whose name is right
    (folder / "old").mkdir()
    out = tmp_path / "out"
    result = command(ANNOTATE, built, "--from-folder", f"agnostic_mask={folder}", "--output", out)
    assert "folders aren't read: old" in result.stderr and f"{second.stem}.PNG" in result.stderr
    (reject,) = table(out, "rejects.parquet")
    assert reject["source"] == f"agnostic_mask/{second.stem}.PNG"
    manual = [row for row in rows(out) if any(entry["origin"] == "manual" for entry in row["provenance"])]
    assert [exports.file_name(row["record_id"], "png") for row in manual] == [first.name]
