"""Clips to object pairs through the command: the drawn sample, DAVIS, own videos, and clips that are no good."""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support import moving
from support.helpers import digests, rows
from support.killing import killed_midway

from annotators.functional import masks
from annotators.functional.placement import acceptance
from pipelines import build_object_pairs, report, select, validate
from pipelines.sources import sample_clips
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.folders import open_folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The drawn sample of clips."""
    folder = tmp_path_factory.mktemp("clips")
    sample_clips.render(folder)
    return folder


@pytest.fixture(scope="module")
def built(clips, tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs") / "out"
    assert build(clips, out) == 0
    return out


def build(folder: Path, out: Path, *flags: object) -> int:
    arguments = ["--input", str(folder), "--output", str(out), *map(str, flags)]
    return build_object_pairs.main(arguments)


def manifest(out: Path) -> dict:
    return json.loads((out / "manifest.json").read_text())


def test_the_sample_becomes_valid_pairs_with_the_drawn_masks(built):
    assert validate.main([str(built)]) == 0
    found = rows(built)
    objects = {(row["video_id"], row["object_id"]) for row in found}
    assert objects == {
        (name, str(number + 1)) for name, clip in sample_clips.CLIPS.items() for number in range(len(clip.ways))
    }
    assert len(found) == 4 * len(objects) == len({row["record_id"] for row in found})
    for row in found[::5]:
        truth = list(sample_clips.frames(sample_clips.CLIPS[row["video_id"]]))
        for role in ("reference", "target"):
            picture, ids = truth[row[f"{role}_frame"]]
            mask = codecs.decode_mask(row[f"{role}_mask"]["bytes"])
            assert np.array_equal(mask, masks.as_mask(ids == int(row["object_id"])))
            assert np.abs(codecs.decode_image(row[f"{role}_image"]["bytes"]).astype(int) - picture).mean() < 4
        assert row["reference_frame"] < row["target_frame"] and row["target_frame"] - row["reference_frame"] >= 2
        assert row["record_id"].split("/") == [
            *("davis", row["split"], row["video_id"], row["object_id"]),
            f"{row['reference_frame']:05d}+{row['target_frame']:05d}",
        ]
        assert {(entry["column"], entry["origin"]) for entry in row["provenance"]} == {
            *((f"{role}_{what}", "dataset") for role in ("reference", "target") for what in ("image", "mask")),
            ("high_frequency_map", "annotator"),
        }
    assert {row["split"] for row in found} == {"train", "test"}


def test_workers_and_cuts_change_no_pair(clips, built, tmp_path):
    out = tmp_path / "out"
    flags = ["--direct_num_workers", 2, "--direct_running_mode", "multi_threading"]
    assert build(clips, out, *flags) == 0
    assert digests(out) == digests(built)
    assert build(clips, tmp_path / "single", "--shard-size", 1) == 0
    assert {row["record_id"] for row in rows(tmp_path / "single")} == {row["record_id"] for row in rows(built)}
    assert build(clips, tmp_path / "other", "--seed", 1) == 0
    assert {row["record_id"] for row in rows(tmp_path / "other")} != {row["record_id"] for row in rows(built)}


def test_options_decide_the_pairs_and_make_another_build(clips, built, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with pytest.raises(UsageError, match="holds another build"):
        build(clips, out, "--pairs-per-object", 2)
    assert build(clips, out, "--pairs-per-object", 2, "--overwrite") == 0
    counted = [(row["video_id"], row["object_id"]) for row in rows(out)]
    assert {counted.count(each) for each in counted} == {2}
    assert build(clips, tmp_path / "varied", "--max-overlap", 0.8) == 0
    declined = manifest(tmp_path / "varied")["counts"]["declined"]
    assert declined["alike"] > 0 and set(declined) <= {*acceptance.DECLINED, "alike", "too_few_frames"}


def test_sizes_and_skips(clips, tmp_path):
    assert build(clips, tmp_path / "out", "--limit", 1, "--size", "128x160", "--skip", "high_frequency_map") == 0
    for row in rows(tmp_path / "out"):
        assert (row["height"], row["width"]) == (128, 160) and row.get("high_frequency_map") is None
        assert codecs.decode_mask(row["target_mask"]["bytes"]).shape == (128, 160)


def test_select_knows_the_kind(built, tmp_path):
    out = tmp_path / "out"
    assert select.main([str(built), "--where", 'dynamics == "video" and video_id == "sun"', "--output", str(out)]) == 0
    assert {row["video_id"] for row in rows(out)} == {"sun"}


def test_the_page_and_the_card_read_as_sentences(clips, tmp_path):
    out = tmp_path / "out"
    assert build(clips, out, "--limit", 1) == 0
    page = report.render(open_folder(str(out)), 1)
    assert "pairs_per_object 0, seconds_between 0.2, seeding motion" in page and "{&#39;" not in page
    card = (out / "README.md").read_text()
    assert " object pairs in 1 shard, made by " in card and "0 list entries were rejected" in card


def davis(folder: Path, pictures: list[np.ndarray], objects: dict[int, np.ndarray]) -> Path:
    """One clip; position → ids uint8 [h w] of its annotated frames."""
    images, annotations = (folder / kind / "480p/clip" for kind in ("JPEGImages", "Annotations"))
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(images / f"{number:05d}.jpg", quality=95)
    for number, ids in objects.items():
        Image.fromarray(ids, "P").save(annotations / f"{number:05d}.png")
    return folder


@pytest.fixture(scope="module")
def moved():
    return moving.render(12)


def ids_of(clip, number):
    return (clip.masks[number] > 0).astype(np.uint8)


def test_an_object_with_one_mask_is_followed(moved, tmp_path):
    folder = davis(tmp_path / "in", moved.pictures[:8], {2: ids_of(moved, 2)})
    assert build(folder, tmp_path / "out") == 0
    found = rows(tmp_path / "out")
    assert found
    for row in found:
        for role in ("reference", "target"):
            (origin,) = [entry for entry in row["provenance"] if entry["column"] == f"{role}_mask"]
            frame = row[f"{role}_frame"]
            assert (origin["origin"], origin["annotator"]) == (
                ("dataset", None) if frame == 2 else ("annotator", "tracking:classical")
            )
            assert masks.iou(codecs.decode_mask(row[f"{role}_mask"]["bytes"]), moved.masks[frame]) > 0.7


def test_a_mask_off_by_a_pixel_is_resized_and_a_smaller_one_rejected(moved, tmp_path):
    objects = {number: ids_of(moved, number) for number in range(6)}
    objects[0] = objects[0][:-1]
    objects[5] = cv2.resize(objects[5], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST)
    folder = davis(tmp_path / "in", moved.pictures[:6], objects)
    assert build(folder, tmp_path / "out", "--pairs-per-object", 15, "--max-reject-rate", 1) == 0
    found = rows(tmp_path / "out")
    assert {row["reference_frame"] for row in found} == {0, 1, 2, 3} and {row["target_frame"] for row in found} == {
        1,
        2,
        3,
        4,
    }
    notes = {entry["note"] for row in found for entry in row["provenance"] if entry["column"] == "reference_mask"}
    assert notes == {None, "resized from 239x426"}
    (reject,) = rejects(tmp_path / "out")
    assert reject["source"] == "Annotations/480p/clip/00005.png" and "120x213" in reject["message"]


def rejects(out: Path) -> list[dict]:
    import pyarrow.parquet as pq

    return pq.read_table(out / "rejects.parquet", use_threads=False).to_pylist()


def test_unreadable_frames_and_masks_cost_their_own_pairs(moved, tmp_path):
    folder = davis(tmp_path / "in", moved.pictures[:6], {number: ids_of(moved, number) for number in range(6)})
    (folder / "JPEGImages/480p/clip/00001.jpg").write_bytes(b"no picture")
    (folder / "Annotations/480p/clip/00003.png").write_bytes(b"no mask")
    assert build(folder, tmp_path / "out", "--pairs-per-object", 15, "--max-reject-rate", 1) == 0
    shown = {row[f"{role}_frame"] for row in rows(tmp_path / "out") for role in ("reference", "target")}
    assert shown == {0, 2, 4, 5}
    assert [reject["source"] for reject in rejects(tmp_path / "out")] == [
        "Annotations/480p/clip/00003.png",
        "JPEGImages/480p/clip/00001.jpg",
    ]


def test_a_clip_of_which_nothing_is_wanted_ends_with_3_and_says_why(moved, tmp_path):
    small = [np.zeros_like(moved.masks[0], dtype=np.uint8) for _ in range(4)]
    for ids in small:
        ids[10:20, 10:20] = 1
    folder = davis(tmp_path / "in", moved.pictures[:4], dict(enumerate(small)))
    assert build(folder, tmp_path / "out") == 3
    assert manifest(tmp_path / "out")["counts"]["declined"] == {"reference_area": 6}
    assert not rejects(tmp_path / "out")


def test_clips_without_pictures_or_masks_are_refused(moved, tmp_path):
    folder = davis(tmp_path / "in", moved.pictures[:3], {number: ids_of(moved, number) for number in range(3)})
    (folder / "JPEGImages/480p/bare").mkdir()
    (folder / "JPEGImages/480p/bare/00000.jpg").write_bytes((folder / "JPEGImages/480p/clip/00000.jpg").read_bytes())
    assert build(folder, tmp_path / "out", "--max-reject-rate", 1) == 0
    (reject,) = rejects(tmp_path / "out")
    assert (reject["record_id"], reject["error"]) == ("davis/train/bare", "missing_file")


def write_video(path: Path, pictures: list[np.ndarray]) -> None:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (width, height))
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def test_own_videos_with_and_without_masks(tmp_path):
    moved = moving.render(96)
    folder = tmp_path / "in"
    folder.mkdir()
    write_video(folder / "moves.mp4", moved.pictures[:20])
    write_video(folder / "given.mp4", moved.pictures[:20])
    Image.fromarray(ids_of(moved, 0), "P").save(folder / "given.png")
    (folder / "broken.mp4").write_bytes((folder / "moves.mp4").read_bytes()[:400])
    (folder / "notes.txt").write_text("mine")
    assert build(folder, tmp_path / "out", "--layout", "raw", "--max-reject-rate", 1, "--tracker", "classical") == 0
    found = rows(tmp_path / "out")
    given = [row for row in found if row["video_id"] == "given.mp4"]
    assert given and {row["object_id"] for row in given} == {"1"}
    for row in given:
        mask = codecs.decode_mask(row["target_mask"]["bytes"])
        assert masks.iou(mask, moved.masks[2 * (row["target_frame"] // 2)]) > 0.7
        assert any("decoded by decord" in (entry["note"] or "") for entry in row["provenance"])
    (reject,) = rejects(tmp_path / "out")
    assert reject["source"] == "broken.mp4" and reject["record_id"] == "raw/train/broken.mp4"
    options = manifest(tmp_path / "out")["configuration"]["source_options"]
    assert (options["tracker"], options["decoders"]) == ("classical", "decord+opencv")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Videos whose object is told for the first frame and followed from there, and a folder in which it is found."""
    slow = moving.render(96)
    folder = tmp_path_factory.mktemp("tracked")
    for number in range(3):
        write_video(folder / f"{number}.mp4", slow.pictures[number : number + 16])
        Image.fromarray(ids_of(slow, number), "P").save(folder / f"{number}.png")
    (folder / "pictures").mkdir()
    for number, picture in enumerate(slow.pictures[:10]):
        Image.fromarray(picture).save(folder / f"pictures/{number}.jpg", quality=90)
    return folder


RAW = ("--layout", "raw", "--tracker", "classical", "--shard-size", "1")


@pytest.fixture(scope="module")
def whole(tracked, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    assert build(tracked, out, *RAW) == 0
    assert {row["video_id"] for row in rows(out)} == {"0.mp4", "1.mp4", "2.mp4", "pictures"}
    return out


def test_killed_within_a_unit_and_started_again_ends_with_the_same_bytes(tracked, whole, tmp_path):
    out = tmp_path / "killed"
    words = [*RAW, "--input", str(tracked), "--output", str(out), "--direct_num_workers", "1"]

    def within_a_unit() -> bool:
        return bool(list(out.glob("_receipts/*.json")) and list(out.glob(".tmp-train-*")))

    killed_midway(
        [sys.executable, "-m", "pipelines.build_object_pairs", *words],
        out,
        within_a_unit,
        (out / "manifest.json").exists,
    )
    assert build_object_pairs.main(words) == 0
    assert json.loads((out / "_run.json").read_text())["skipped_shards"] >= 1
    assert digests(out) == digests(whole) and not list(out.glob(".tmp-*"))


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_workers_change_no_track(mode, tracked, whole, tmp_path):
    out = tmp_path / "out"
    assert build(tracked, out, *RAW, "--direct_num_workers", 2, "--direct_running_mode", mode) == 0
    assert digests(out) == digests(whole)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--layout", "davi"], "davis"),
        (["--tracker", "sam2"], "sam2_hiera_tiny"),
        (["--max-overlap", "2"], "--max-overlap 2.0; allowed is 0 to 1"),
        (["--frames", "1"], "--frames 1; allowed is 2 or more"),
        (["--annotators", "tracking"], "--annotators 'tracking'"),
        (["--layout", "raw"], "no clip in"),
        ([], "no JPEGImages/480p"),
    ],
)
def test_wrong_usage_is_one_line_before_any_work(tmp_path, flags, told, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError) as raised:
        build(tmp_path / "in", tmp_path / "out", *flags)
    assert told in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
