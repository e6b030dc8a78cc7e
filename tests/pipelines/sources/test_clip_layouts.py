"""Data sets of annotated clips: frames and masks where each layout keeps them, and the terms that it is paired by."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support.helpers import rows

from annotators.functional import masks
from pipelines import build_object_pairs
from pipelines.sources import load, sample_clips
from schemas import codecs
from schemas.cli.flags import UsageError

SIZE = (128, 96)  # width, height
LAYOUTS = {
    "youtubevos": ("train/JPEGImages", "train/Annotations", "video"),
    "youtubevis": ("train/JPEGImages", "train/Annotations", "video"),
    "mose": ("train/JPEGImages", "train/Annotations", "high_quality"),
    "vipseg": ("images", "panomasksRGB", "video"),
}
FRAMES = range(0, 24, 2)


@pytest.fixture(scope="module")
def drawn():
    """Frame number → picture and ids of a clip of two objects."""
    frames = list(sample_clips.frames(sample_clips.CLIPS["two"]))
    return {
        number: (cv2.resize(picture, SIZE), cv2.resize(ids, SIZE, interpolation=cv2.INTER_NEAREST))
        for number, (picture, ids) in enumerate(frames)
        if number in FRAMES
    }


def write(folder: Path, layout: str, drawn, clip: str = "clip") -> Path:
    images, annotations = (folder / place / clip for place in LAYOUTS[layout][:2])
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for number, (picture, ids) in drawn.items():
        Image.fromarray(picture).save(images / f"{number:05d}.jpg", quality=95)
        save_ids(annotations / f"{number:05d}.png", ids, layout)
    return folder


def save_ids(path: Path, ids: np.ndarray, layout: str) -> None:
    """Objects 1 and 2; VIPSeg's are 255 and 70,000 in three channels."""
    if layout != "vipseg":
        image = Image.fromarray(ids, "P")
        image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
        image.save(path)
        return
    colours = np.zeros((*ids.shape, 3), np.uint8)
    colours[ids == 1] = (255, 0, 0)
    colours[ids == 2] = (70_000 % 256, 70_000 // 256 % 256, 70_000 // 65_536)
    Image.fromarray(colours).save(path)


def build(folder: Path, out: Path, layout: str, *flags: object) -> int:
    arguments = ["--input", str(folder), "--layout", layout, "--output", str(out), *map(str, flags)]
    return build_object_pairs.main(arguments)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_show_the_objects_of_the_masks(layout: str, drawn, tmp_path: Path) -> None:
    assert build(write(tmp_path / "in", layout, drawn), tmp_path / "out", layout) == 0
    found = rows(tmp_path / "out")
    names = {"1": 1, "2": 2} if layout != "vipseg" else {"255": 1, "70000": 2}
    assert {row["object_id"] for row in found} <= set(names) and found
    for row in found:
        assert (row["dataset"], row["split"], row["video_id"]) == (layout, "train", "clip")
        assert row["dynamics"] == LAYOUTS[layout][2]
        for role in ("reference", "target"):
            expected = masks.as_mask(drawn[row[f"{role}_frame"]][1] == names[row["object_id"]])
            assert np.array_equal(codecs.decode_mask(row[f"{role}_mask"]["bytes"]), expected)


@pytest.mark.parametrize("layout", ["mose", "vipseg"])
def test_a_reference_in_two_parts_is_declined(layout: str, drawn, tmp_path: Path) -> None:
    parted = {}
    for number, (picture, ids) in drawn.items():
        parted[number] = picture, np.where(ids == 2, np.uint8(2), np.uint8(0))
        parted[number][1][2:4, 2:4] = 2  # a speck far from the object
    assert build(write(tmp_path / "in", layout, parted), tmp_path / "out", layout, "--max-reject-rate", 1) == 3
    assert not rows(tmp_path / "out")


@pytest.mark.parametrize("layout", ["youtubevos", "youtubevis", "mose"])
def test_validation_clips_are_the_test_split(layout: str, drawn, tmp_path: Path) -> None:
    root = write(tmp_path / "in", layout, drawn)
    (root / "train").rename(root / "valid")
    assert build(root, tmp_path / "out", layout, "--pairs-per-object", 1) == 0
    assert {row["split"] for row in rows(tmp_path / "out")} == {"test"}
    plain = tmp_path / "plain"
    (root / "valid").rename(plain)
    assert build(plain, tmp_path / "other", layout, "--pairs-per-object", 1, "--split", "train") == 0
    assert {row["split"] for row in rows(tmp_path / "other")} == {"train"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_unreadable_mask_costs_its_frame(layout: str, drawn, tmp_path: Path) -> None:
    root = write(tmp_path / "in", layout, drawn)
    (root / LAYOUTS[layout][1] / "clip" / "00004.png").write_bytes(b"no mask")
    assert build(root, tmp_path / "out", layout, "--max-reject-rate", 1, "--pairs-per-object", 100) == 0
    shown = {row[f"{role}_frame"] for row in rows(tmp_path / "out") for role in ("reference", "target")}
    assert shown and 4 not in shown


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_is_told_what_was_expected(layout: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="layout not found in .*: expected .*; found photos/"):
        build(tmp_path, tmp_path / "out", layout)
    assert load(layout).EXPECTED
