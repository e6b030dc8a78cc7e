"""The main job through its command: build, build again, change something, build again."""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.helpers import WEIGHTLESS, Dataset, Result, copy, digests, rows

from schemas import codecs, kinds, record, shards

Command = Callable[..., Result]
BUILD = "pipelines.build_vitonhd"


def test_everything_shipped_is_taken_and_the_rest_computed(process: Command, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = process(BUILD, "--input", dataset.root, "--output", out, "--shard-size", 4)
    assert result.code == 0, result.stderr
    assert result.json == {"output": str(out), "records": 6, "rejects": 0, "shards": 2, "skipped_shards": 0} | {
        "seconds": result.json["seconds"]
    }
    assert sorted(p.name for p in out.iterdir()) == [
        *("README.md", "_plan.parquet", "_receipts", "_run.json", "findings.parquet", "manifest.json"),
        *("rejects.parquet", "test-00000-of-00002.parquet", "test-00001-of-00002.parquet"),
    ]
    first = rows(out)[0]
    assert first["person_image"]["bytes"] == (dataset.root / "test/image/00000_00.jpg").read_bytes()
    assert first["record_id"] == "vitonhd/test/00000_00+00001_00" and first["paired"] is False
    origins = {entry["column"]: entry["origin"] for entry in first["provenance"]}
    assert origins["parse"] == "dataset" and origins["agnostic_image"] == "annotator"
    filled = {"agnostic_mask", "parse_agnostic", "high_frequency_map", "quality", "caption", "garment_caption"}
    assert all(first[column] is not None for column in filled)
    assert process("pipelines.validate", out).code == 0


def test_a_second_run_does_nothing(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    arguments = ("--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2)
    command(BUILD, *arguments)
    before = digests(tmp_path / "out")
    again = command(BUILD, *arguments)
    assert again.json["skipped_shards"] == 3 and again.json["records"] == 6
    assert digests(tmp_path / "out") == before
    verified = command(BUILD, *arguments, "--verify", "--max-reject-rate", 0)
    assert verified.code == 0, "none is not above none"
    assert verified.json["skipped_shards"] == 3


@pytest.mark.parametrize("file_format", shards.FORMATS)
def test_bytes_do_not_depend_on_workers_or_mode(
    command: Command, process: Command, dataset: Dataset, tmp_path: Path, file_format: str
) -> None:
    modes = [("multi_threading", 1), ("multi_threading", 3), ("multi_processing", 2), ("in_memory", 1)]
    found = []
    for mode, workers in modes:
        out = tmp_path / f"{mode}-{workers}"
        engine = ("--direct_running_mode", mode, "--direct_num_workers", workers)
        arguments = ("--input", dataset.root, "--output", out, "--shard-size", 2, "--format", file_format, *engine)
        result = (process if mode == "multi_processing" else command)(BUILD, *arguments)
        assert result.code == 0, result.stderr
        found.append(digests(out))
    assert all(one == found[0] for one in found)
    assert len(found[0]) == 3 + 5


def test_only_the_changed_unit_is_built_again(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    arguments = ("--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2)
    command(BUILD, *arguments)
    photo = dataset.root / "test/image/00002_00.jpg"
    other = codecs.encode_jpeg(np.full((128, 96, 3), 90, np.uint8))
    photo.write_bytes(other)
    changed = command(BUILD, *arguments)
    assert changed.json["skipped_shards"] == 2
    fresh = tmp_path / "fresh"
    command(BUILD, "--input", dataset.root, "--output", fresh, "--shard-size", 2)
    assert digests(tmp_path / "out") == digests(fresh)


def test_equal_size_other_bytes_is_noticed(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    arguments = ("--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2)
    command(BUILD, *arguments)
    path = dataset.root / "test/openpose_json/00000_00_keypoints.json"
    text = path.read_text()
    path.write_text(text.replace("48.0", "47.0", 1))
    assert command(BUILD, *arguments).json["skipped_shards"] == 2


def test_touch_and_copy_rebuild_nothing(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    arguments = ("--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2)
    command(BUILD, *arguments)
    for path in dataset.root.rglob("*.*"):
        os.utime(path, (1, 1))
    photo = dataset.root / "test/image/00001_00.jpg"
    shutil.copy(photo, photo.with_suffix(".new"))
    photo.with_suffix(".new").replace(photo)
    assert command(BUILD, *arguments).json["skipped_shards"] == 3
    assert command(BUILD, *arguments).json["skipped_shards"] == 3


def test_an_added_pair_equals_a_fresh_build(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    arguments = ("--input", dataset.root, "--shard-size", 2)
    command(BUILD, *arguments, "--output", out)
    lines = (dataset.root / "test_pairs.txt").read_text().split("\n")
    dataset.pairs(*(line for line in lines if line), "00005_00.jpg 00003_00.jpg")
    added = command(BUILD, *arguments, "--output", out)
    assert added.json["skipped_shards"] == 3 and added.json["shards"] == 4, "unchanged units keep their bytes"
    command(BUILD, *arguments, "--output", fresh)
    assert digests(out) == digests(fresh)
    dataset.pairs(*[line for line in lines if line][1:])
    command(BUILD, *arguments, "--output", out)
    again = tmp_path / "again"
    command(BUILD, *arguments, "--output", again)
    assert digests(out) == digests(again), "stale shards are gone"


def test_another_build_is_refused_unless_told(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", out)
    before = digests(out)
    for name in ("notes.txt", "_receipts/mine.json"):
        (out / name).write_text("mine")
    refused = command(BUILD, "--input", dataset.root, "--output", out, "--seed", 5)
    assert refused.code == 2 and "seed was 0, is 5" in refused.error and "--overwrite" in refused.error
    assert {k: v for k, v in digests(out).items() if k != "notes.txt"} == before
    assert command(BUILD, "--input", dataset.root, "--output", out, "--shard-size", 3, "--overwrite").code == 0
    for name in ("notes.txt", "_receipts/mine.json"):
        assert (out / name).read_text() == "mine", "only our own files are deleted"
    assert len(list(out.glob("test-*-of-*"))) == 2
    (out / "_receipts").rename(tmp_path / "elsewhere")
    (out / "_receipts").symlink_to(tmp_path / "elsewhere")
    there = sorted((tmp_path / "elsewhere").iterdir())
    refused = command(BUILD, "--input", dataset.root, "--output", out, "--overwrite")
    assert refused.code == 2 and "_receipts is a link" in refused.error
    assert sorted((tmp_path / "elsewhere").iterdir()) == there


def test_a_foreign_folder_is_refused(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").write_text("mine")
    result = command(BUILD, "--input", dataset.root, "--output", tmp_path / "mine", "--overwrite")
    assert result.code == 2 and "README.md" in result.error
    assert (tmp_path / "mine/README.md").read_text() == "mine"


def test_skip_and_recompute(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    for path in (dataset.root / "test/cloth-mask").glob("0000[0-2]*"):
        path.unlink()
    out = tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", out, "--skip", "garment_mask,quality")
    have = [row["garment_mask"] is not None for row in rows(out)]
    assert have.count(False) == 3, "skipped: shipped ones are kept, the rest stay null"
    assert [row["high_frequency_map"] is not None for row in rows(out)] == have, "what depends on it follows"
    assert all(row["quality"] is None for row in rows(out))
    again = tmp_path / "again"
    command(BUILD, "--input", dataset.root, "--output", again, "--recompute", "garment_mask")
    origins = [{e["column"]: e["origin"] for e in row["provenance"]}["garment_mask"] for row in rows(again)]
    assert origins == ["annotator"] * 6


def test_a_shipped_half_decides_the_other(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    person = codecs.decode_image((dataset.root / "test/image/00000_00.jpg").read_bytes())
    mask = np.zeros(person.shape[:2], np.uint8)
    mask[40:90, 30:70] = 255
    dataset.put("test/agnostic-mask/00000_00_mask.png", codecs.encode_png(np.repeat(mask[..., None], 3, axis=2)))
    out = tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", out)
    first = rows(out)[0]
    painted = codecs.decode_image(first["agnostic_image"]["bytes"])
    assert (painted[mask > 0] == 128).all() and (painted[mask == 0] == person[mask == 0]).all()
    assert (codecs.decode_mask(first["agnostic_mask"]["bytes"]) == mask).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_size_brings_everything_along(command: Command, dataset: Dataset, tmp_path: Path, fit: str) -> None:
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out, "--size", "64x64", "--fit", fit)
    assert result.code == 0, result.stderr
    first = rows(out)[0]
    for column in ("person_image", "parse", "densepose_image", "agnostic_mask", "garment_mask", "high_frequency_map"):
        decoded = record.decode(kinds.TRYON.fields[column], first[column])
        assert decoded.shape[:2] == (64, 64), column
    assert (first["height"], first["width"]) == (64, 64)
    assert command("pipelines.validate", out).code == 0
    scale = first["geometry"]["scale_x"]
    assert scale == {"crop": 64 / 96, "pad": 0.5, "stretch": 64 / 96}[fit]


def test_pairing_and_limit(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out, "--pairing", "paired", "--limit", 4)
    assert result.json["records"] == 4
    assert all(row["paired"] and row["person_id"] == row["garment_id"] for row in rows(out))


def test_all_splits_and_a_leak_between_them(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    dataset.add("00077_00", 0, split="train")  # the same pictures as test's 00000_00
    dataset.add("00078_00", 78, split="train")
    dataset.pairs("00077_00.jpg 00078_00.jpg", "00078_00.jpg 00077_00.jpg", split="train")
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out)
    assert result.json["records"] == 8 and result.json["shards"] == 2
    found = pq.read_table(out / "findings.parquet").to_pylist()
    leaks = {row["record_id"] for row in found if row["kind"] == "split_leak"}
    assert "vitonhd/train/00077_00+00077_00" in leaks and "vitonhd/test/00000_00+00001_00" in leaks
    assert not any("00078" in record_id for record_id in leaks)


def test_datasets_loads_pictures(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    for file_format in shards.FORMATS:
        out = tmp_path / file_format
        command(BUILD, "--input", dataset.root, "--output", out, "--format", file_format)
        found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
        assert set(found) == {"test"} and len(found["test"]) == 6
        first = found["test"][0]
        assert isinstance(first["person_image"], Image.Image) and first["agnostic_mask"].mode in ("1", "L")
        ids = np.unique(np.asarray(first["parse"]))
        assert first["parse"].mode == "P" and set(ids.tolist()) <= set(range(20))
        assert len(first["keypoints"]) == 75 and first["category"] == "upper_body"


def test_the_page_escapes_what_data_says(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    dataset.add(nasty, 9)
    dataset.pairs(f"{nasty}.jpg 00001_00.jpg", "<script>alert(2)</script>.jpg 00001_00.jpg")
    out = tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", out, "--max-reject-rate", 1)
    result = command("pipelines.report", out)
    assert result.code == 0, result.stderr
    page = Path(result.stdout.strip()).read_text()
    assert "<script>alert" not in page and "<img src=x" not in page and "&lt;img src=x" in page
    assert page.count("data:image/jpeg") > 5


def test_preflight_names_the_three_ways_on(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    shutil.rmtree(dataset.root / "test/image-parse-v3")
    (dataset.root / "test/openpose_json/00000_00_keypoints.json").unlink()
    result = command(BUILD, "--input", dataset.root, "--output", tmp_path / "out")
    assert result.code == 2 and len(result.stderr.strip().splitlines()) == 1
    assert "parse (6 of 6 records lack it" in result.error and "keypoints (1 of 6" in result.error
    assert "python -m annotators fetch" in result.error and "--annotators" in result.error
    skip = result.error.split("`--skip ")[1].split("`")[0]
    assert not (tmp_path / "out").exists()
    assert command(BUILD, "--input", dataset.root, "--output", tmp_path / "out", "--skip", skip).code == 0


def test_real_photos(command: Command, data: Path, tmp_path: Path) -> None:
    source = data / "vitonhd_mini"
    lines = [line for line in (source / "test_pairs.txt").read_text().splitlines() if line.strip()]
    out = tmp_path / "out"
    arguments = ("--input", source, "--split", "test", "--output", out, "--runner", "DirectRunner")
    refused = command(BUILD, *arguments)
    assert refused.code == 2 and "--skip" in refused.error
    result = command(BUILD, *arguments, "--skip", WEIGHTLESS)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, len(lines), 0), result.stderr
    assert command("pipelines.validate", out).code == 0
    folder = source / "test"
    for row in rows(out):
        person = row["person_id"]
        both = (folder / f"image-parse-v3/{person}.png").exists() and (
            folder / f"openpose_json/{person}_keypoints.json"
        ).exists()
        assert (row["parse_agnostic"] is not None) == both
        shipped = (folder / f"agnostic-mask/{person}_mask.png").exists()
        assert (row["agnostic_mask"] is not None and row["agnostic_image"] is not None) == (both or shipped)


def test_finish_alone_is_idempotent(command: Command, process: Command, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", out)
    before = digests(out)
    for name in ("manifest.json", "README.md", "rejects.parquet", "findings.parquet"):
        (out / name).unlink()
    assert command("pipelines.finish", out).code == 0
    assert digests(out) == before
    (out / "test-00000-of-00001.parquet").unlink()
    result = process("pipelines.finish", out)
    assert result.code == 1 and "test-00000-of-00001" in result.error


def test_validate_finds_damage(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command(BUILD, "--input", dataset.root, "--output", out)
    shard = out / "test-00000-of-00001.parquet"
    data = bytearray(shard.read_bytes())
    position = data.find(b"\xff\xd8\xff")
    data[position + 400 : position + 460] = bytes(60)
    shard.write_bytes(data)
    result = command("pipelines.validate", out)
    assert result.code == 1 and "sha256 differs" in result.stdout
    assert command("pipelines.validate", tmp_path / "nowhere").code == 2


def test_manifest_holds_no_path_and_no_time(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    moved = copy(dataset.root, tmp_path / "elsewhere/dataset")
    command(BUILD, "--input", moved, "--output", out)
    for name, content in digests(out).items():
        assert str(tmp_path).encode() not in content, name
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"]["records"] == 6 and manifest["shards"][0]["rows"] == 6
    assert pq.read_table(io.BytesIO((out / "rejects.parquet").read_bytes())).num_rows == 0
