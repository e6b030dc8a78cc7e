"""Sources of object pairs that are no clips: stills, views, try-on photos, and AnyDoor's benchmark."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import layouts_stills as layouts
from support.helpers import rows

from annotators.functional import boxes, frequency
from pipelines import build_object_pairs, validate
from pipelines.sources.clips.pairs import polygons, rle
from schemas import codecs
from schemas.cli.flags import UsageError

Build = Callable[..., list[dict[str, Any]]]
SEEN = np.uint8(255)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """The records of a layout in tmp_path/in, by id; the exit code is checked."""

    def run(layout: str, *flags: str, code: int = 0) -> list[dict[str, Any]]:
        arguments = ["--layout", layout, "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), *flags]
        assert build_object_pairs.main(arguments) == code
        if code == 0:
            assert validate.main([str(tmp_path / "out")]) == 0
        return sorted(rows(tmp_path / "out"), key=lambda row: str(row["record_id"]))

    return run


def ids(records: list[dict[str, Any]]) -> list[str]:
    return [record["record_id"] for record in records]


def mask_of(record: dict[str, Any], role: str) -> np.ndarray:
    return codecs.decode_mask(record[f"{role}_mask"]["bytes"]) > 0


def rejects(tmp_path: Path) -> list[tuple[str, str, str]]:
    """Stage, error and source of each."""
    listed = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    return [(row["stage"], row["error"], row["source"]) for row in listed]


def declined(tmp_path: Path) -> dict[str, int]:
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    counts: dict[str, int] = manifest["counts"].get("declined", {})
    return counts


def notes_of(record: dict[str, Any], column: str) -> tuple[str, str | None]:
    (row,) = [row for row in record["provenance"] if row["column"] == column]
    return row["origin"], row["annotator"]


def is_still(record: dict[str, Any]) -> bool:
    empty = all(record[name] is None for name in ("target_image", "target_mask", "target_frame"))
    return empty and record["dynamics"] == "still"


def test_views_of_mvimgnet_lie_an_eighth_of_them_apart(build: Build, tmp_path: Path) -> None:
    masks = layouts.mvimgnet(tmp_path / "in", views=24)
    records = build("mvimgnet", "--pairs-per-object", "12")
    assert len(records) == 12 and {record["dynamics"] for record in records} == {"high_quality"}
    for record in records:
        prefix, _, frames = record["record_id"].rpartition("/")
        reference, target = frames.split("+")
        assert prefix == "mvimgnet/train/1/0100012d/object" and int(target) - int(reference) >= 24 // 8
        assert (record["reference_frame"], record["target_frame"]) == (int(reference), int(target))
        for role, frame in (("reference", reference), ("target", target)):
            assert np.array_equal(mask_of(record, role), masks[frame]), "alpha of 128 is none"


def test_a_list_tells_which_folders_of_mvimgnet_count(build: Build, tmp_path: Path) -> None:
    for own_id in ("1/aa", "1/bb"):
        layouts.mvimgnet(tmp_path / "in", own_id)
    (tmp_path / "in" / "mvimagenet.txt").write_text("MVDir/1/bb/images\nMVDir/7/gone/images\n")
    records = build("mvimgnet", code=3)
    assert {record["video_id"] for record in records} == {"1/bb"} and len(records) == 2, "two of each by default"
    assert rejects(tmp_path) == [("list", "missing_file", "7/gone/images")]


def test_a_cut_out_without_transparency_is_rejected_once(build: Build, tmp_path: Path) -> None:
    masks = layouts.mvimgnet(tmp_path / "in")
    broken = tmp_path / "in" / "1/0100012d/images/003_bg_removed.png"
    layouts.write(broken, layouts.grey(masks["003"]))
    records = build("mvimgnet", "--pairs-per-object", "100", "--max-reject-rate", "0.5")
    assert rejects(tmp_path) == [("read", "unreadable", "1/0100012d/images/003_bg_removed.png")]
    assert records and not any("003" in record["record_id"] for record in records)


def test_garments_of_vitonhd_alone_and_worn(build: Build, tmp_path: Path) -> None:
    garment, worn = layouts.vitonhd(tmp_path / "in", "train", "00001_00")
    layouts.vitonhd(tmp_path / "in", "test", "00002_00")
    records = build("vitonhd_pairs")
    assert ids(records) == [
        "vitonhd_pairs/test/00002_00/garment/cloth+image",
        "vitonhd_pairs/train/00001_00/garment/cloth+image",
    ]
    (record,) = [record for record in records if record["split"] == "train"]
    assert record["dynamics"] == "high_quality"
    assert np.array_equal(mask_of(record, "reference"), garment)
    worn[:5] = False
    assert np.array_equal(mask_of(record, "target"), worn), "a box as large as the picture passes for try-on"
    cloth = (tmp_path / "in/train/cloth/00001_00.jpg").read_bytes()
    assert record["reference_image"]["bytes"] == cloth
    detail = frequency.high_frequency_map(codecs.decode_image(cloth), np.where(garment, SEEN, np.uint8(0)))
    assert np.array_equal(codecs.decode_image(record["high_frequency_map"]["bytes"]), detail)


def test_vitonhd_tells_what_is_missing_and_what_is_no_mask(build: Build, tmp_path: Path) -> None:
    for number in range(4):
        layouts.vitonhd(tmp_path / "in", "train", f"{number}")
    train = tmp_path / "in" / "train"
    (train / "image-parse-v3/1.png").unlink()
    noise = np.random.default_rng(0).integers(0, 255, (layouts.HEIGHT, layouts.WIDTH), dtype=np.uint8)
    layouts.write(train / "cloth-mask/2.jpg", noise)
    (train / "image/3.jpg").write_bytes((train / "image/3.jpg").read_bytes()[:200])
    records = build("vitonhd_pairs", code=3)
    assert ids(records) == ["vitonhd_pairs/train/0/garment/cloth+image"]
    assert sorted(rejects(tmp_path)) == [
        ("list", "missing_file", "train/cloth/1.jpg"),
        ("read", "unreadable", "train/cloth-mask/2.jpg"),
        ("read", "unreadable", "train/image/3.jpg"),
    ]


def test_real_vitonhd(data: Path, tmp_path: Path) -> None:
    """Ten test garments of other people than are there, and two true pairs without all of their masks."""
    arguments = ["--layout", "vitonhd_pairs", "--input", str(data / "vitonhd_mini"), "--output", str(tmp_path / "out")]
    assert build_object_pairs.main(arguments) == 3
    listed = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    messages = Counter(row["message"].split("/")[1] for row in listed if row["error"] == "missing_file")
    assert messages == {"image": 10, "image-parse-v3": 1, "cloth-mask": 1}


@pytest.mark.parametrize(
    ("category", "label"), [("upper_body", 4), ("lower_body", 5), ("lower_body", 6), ("dresses", 7)]
)
def test_garments_of_dresscode_on_white_and_worn(build: Build, tmp_path: Path, category: str, label: int) -> None:
    garment, worn = layouts.dresscode(tmp_path / "in", category, "048392", label)
    (record,) = build("dresscode_pairs")
    assert record["record_id"] == f"dresscode_pairs/train/{category}/048392/garment/1+0"
    assert record["dynamics"] == "high_quality"
    assert np.array_equal(mask_of(record, "reference"), garment)
    assert np.array_equal(mask_of(record, "target"), worn)
    assert notes_of(record, "reference_mask") == ("annotator", "red<240")
    assert notes_of(record, "target_mask") == ("dataset", None)


def test_dresscode_without_a_label_map(build: Build, tmp_path: Path) -> None:
    layouts.dresscode(tmp_path / "in", "dresses", "1", 7)
    (tmp_path / "in/dresses/label_maps/1_4.png").unlink()
    assert build("dresscode_pairs", code=3) == []
    assert rejects(tmp_path) == [("list", "missing_file", "dresses/images/1_1.png")]


def test_poses_of_fashiontryon(build: Build, tmp_path: Path) -> None:
    garment, _ = layouts.fashiontryon(tmp_path / "in" / "train", "aurora", ["front", "side", "back"])
    records = build("fashiontryon")
    start = "fashiontryon/train/aurora/garment/target"
    assert ids(records) == [f"{start}+back", f"{start}+front", f"{start}+side"]
    shrunk = np.zeros((layouts.HEIGHT, layouts.WIDTH), bool)
    shrunk[33:77, 33:87] = True
    for record in records:
        assert np.array_equal(mask_of(record, "reference"), garment), "a JPEG mask is cut at its middle"
        assert np.array_equal(mask_of(record, "target"), shrunk) and record["dynamics"] == "high_quality"
    assert len({record["target_frame"] for record in records}) == 3


def test_fashiontryon_takes_some_poses_and_tells_of_bad_ones(build: Build, tmp_path: Path) -> None:
    root = tmp_path / "in"
    layouts.fashiontryon(root, "a", ["p1", "p2", "p3"])
    assert len(build("fashiontryon", "--pairs-per-object", "2")) == 2
    (root / "a/p1/segment.png").unlink()
    (root / "a/p2/segment.png").write_bytes(b"no picture")
    records = build("fashiontryon", "--overwrite", code=3)
    assert ids(records) == ["fashiontryon/train/a/garment/target+p3"]
    assert sorted(rejects(tmp_path)) == [
        ("list", "missing_file", "a/p1/segment.png"),
        ("read", "unreadable", "a/p2/segment.png"),
    ]


@pytest.mark.parametrize(("colours", "code"), [([1, 1, 1], 0), ([1, 1, 0], 3)])
def test_label_maps_of_three_equal_channels(build: Build, tmp_path: Path, colours: list[int], code: int) -> None:
    _, worn = layouts.fashiontryon(tmp_path / "in", "a", ["p"])
    grey = layouts.labels(worn, 7)[..., None] * np.array(colours, np.uint8)
    layouts.write(tmp_path / "in/a/p/segment.png", grey)
    assert len(build("fashiontryon", code=code)) == (code == 0)
    assert rejects(tmp_path) == ([] if code == 0 else [("read", "unreadable", "a/p/segment.png")])


def test_salient_things_are_stills(build: Build, tmp_path: Path) -> None:
    mask = layouts.saliency(tmp_path / "in")
    records = build("saliency")
    assert ids(records) == [
        "saliency/train/DUTS-TE/ILSVRC_1/1/ILSVRC_1",
        "saliency/train/DUTS-TR/ILSVRC_1/1/ILSVRC_1",
        "saliency/train/HFlickr/f800/1/f800",
        "saliency/train/HFlickr/f800/2/f800",
        "saliency/train/MSRA10K/12/1/12",
    ]
    assert all(is_still(record) and np.array_equal(mask_of(record, "reference"), mask) for record in records)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((2, 98, 4, 116), "reference_area"),
        ((20, 80, 30, 39), "small_reference"),
        ((5, 94, 20, 70), "large_target"),
    ],
)
def test_stills_keep_the_rules_as_their_own_target(
    build: Build, tmp_path: Path, box: tuple[int, int, int, int], reason: str
) -> None:
    """ "OR": one side is enough."""
    mask = np.zeros((layouts.HEIGHT, layouts.WIDTH), bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    folder = tmp_path / "in" / "MSRA10K_Imgs_GT"
    layouts.write(folder / "1.jpg", layouts.picture(mask))
    layouts.write(folder / "1.png", layouts.grey(mask))
    assert build("saliency", code=3) == []
    assert declined(tmp_path) == {reason: 1} and rejects(tmp_path) == []


def test_limits_of_variety_do_not_turn_down_a_still_for_being_itself(build: Build, tmp_path: Path) -> None:
    layouts.saliency(tmp_path / "in")
    assert len(build("saliency", "--max-overlap", "0.5", "--min-similarity", "0.9")) == 5


def test_a_photo_without_its_mask_and_a_mask_of_another_size(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "MSRA10K_Imgs_GT"
    mask = layouts.disc()
    for name in ("1", "2", "3"):
        layouts.write(folder / f"{name}.jpg", layouts.picture(mask))
    layouts.write(folder / "2.png", layouts.grey(mask)[:-3])
    layouts.write(folder / "3.png", layouts.grey(mask)[:-1])
    records = build("saliency", code=3)
    assert ids(records) == ["saliency/train/MSRA10K/3/1/3"], "a mask off by one pixel is resized"
    assert [row[2] for row in rejects(tmp_path)] == [
        "MSRA10K_Imgs_GT/1.jpg",
        "MSRA10K_Imgs_GT/2.png",
    ]


SIZE = (400, 500)
LARGE = layouts.disc(200, 250, 140, *SIZE)


def sam_object(mask: np.ndarray, number: int, **changed: Any) -> dict[str, Any]:
    segmentation = {"size": list(mask.shape), "counts": layouts.runs(mask)}
    return {"id": number, "area": int(mask.sum()), "segmentation": segmentation} | changed


@pytest.mark.parametrize("written", [list, layouts.packed])
def test_large_objects_of_sam(build: Build, tmp_path: Path, written: Callable[[list[int]], Any]) -> None:
    small = layouts.disc(200, 250, 100, *SIZE)
    exact = np.zeros(SIZE, bool)
    exact[100:300, 100:350] = True
    assert exact.sum() == 50_000 and small.sum() < 50_000
    segmentation = {"size": list(SIZE), "counts": written(layouts.runs(LARGE))}
    objects = [sam_object(LARGE, 11, segmentation=segmentation), sam_object(small, 12), sam_object(exact, 13)]
    layouts.sam(tmp_path / "in", "0000", "sa_223750", objects, SIZE)
    (record,) = build("sam")
    assert record["record_id"] == "sam/train/0000/sa_223750/11/sa_223750" and is_still(record)
    assert np.array_equal(mask_of(record, "reference"), LARGE)
    assert declined(tmp_path) == {"small_object": 2}


def test_sam_tells_of_bad_objects_and_keeps_the_others(build: Build, tmp_path: Path) -> None:
    root = tmp_path / "in"
    cut = {"size": list(SIZE), "counts": layouts.runs(LARGE)[:-1]}
    objects = [
        sam_object(LARGE, 1, segmentation=cut),
        sam_object(LARGE, 2, segmentation="none"),
        sam_object(LARGE, 3, area="large"),
        sam_object(LARGE[:-5], 4),
        sam_object(LARGE, 5),
    ]
    layouts.sam(root, "", "a", objects, SIZE)
    layouts.sam(root, "", "b", [], SIZE)
    (root / "b.json").write_text("{")
    layouts.sam(root, "", "c", [], SIZE)
    (root / "c.jpg").unlink()
    records = build("sam", code=3)
    assert ids(records) == ["sam/train/a/5/a"]
    expected = [("list", "missing_file", "c.json"), *[("read", "unreadable", "a.json")] * 4]
    assert sorted(rejects(tmp_path)) == [*expected, ("read", "unreadable", "b.json")]


def test_outlines_of_lvis(build: Build, tmp_path: Path) -> None:
    square = [40.0, 20.0, 120.0, 20.0, 120.0, 90.0, 40.0, 90.0]
    layouts.lvis(
        tmp_path / "in",
        [
            {"id": 1, "area": 5600.0, "segmentation": [square]},
            {"id": 2, "area": 3600.0, "segmentation": [square]},
            {"id": 3, "area": 5600.0, "segmentation": [[1.0, 2.0]]},
        ],
    )
    (record,) = build("lvis", "--max-reject-rate", "0.5")
    assert record["record_id"] == "lvis/train/000000000009/1/000000000009" and is_still(record)
    expected = np.zeros((120, 160), bool)
    expected[20:90, 40:120] = True
    assert np.array_equal(mask_of(record, "reference"), expected)
    assert declined(tmp_path) == {"small_object": 1}
    assert rejects(tmp_path) == [("read", "unreadable", "annotations/lvis_v1_train.json")]


def test_photos_of_both_years_and_photos_that_are_gone(build: Build, tmp_path: Path) -> None:
    """The validation list of LVIS names photos of COCO's training too."""
    root = tmp_path / "in"
    square = [40.0, 20.0, 120.0, 20.0, 120.0, 90.0, 40.0, 90.0]
    layouts.lvis(root, [{"id": 1, "area": 5600.0, "segmentation": [square]}])
    train = root / "annotations/lvis_v1_train.json"
    document = json.loads(train.read_text())
    document["images"].append({"id": 1, "coco_url": "http://images.cocodataset.org/val2017/000000000001.jpg"})
    document["annotations"].append({"id": 2, "image_id": 1, "area": 5600.0, "segmentation": [square]})
    train.rename(root / "lvis_v1_val.json").write_text(json.dumps(document))
    (root / "val2017").mkdir()
    (record,) = build("lvis", code=3)
    assert record["record_id"] == "lvis/test/000000000009/1/000000000009"
    assert rejects(tmp_path) == [("list", "missing_file", "val2017/000000000001.jpg")]


def test_run_lengths_of_lvis_and_ids_of_any_type(build: Build, tmp_path: Path) -> None:
    mask = layouts.disc(60, 80, 40, 120, 160)
    segmentation = {"size": [120, 160], "counts": layouts.runs(mask)}
    layouts.lvis(tmp_path / "in", [{"id": "ü", "area": 5000, "segmentation": segmentation}, {"image_id": [1]}])
    (record,) = build("lvis")
    assert record["object_id"] == "ü" and np.array_equal(mask_of(record, "reference"), mask)


def test_names_that_are_no_text_are_refused(build: Build, tmp_path: Path) -> None:
    layouts.saliency(tmp_path / "in")
    folder = os.fsencode(tmp_path / "in/MSRA10K_Imgs_GT/Imgs")
    for ending in (b".jpg", b".png"):
        os.link(folder + b"/12" + ending, folder + b"/\xff" + ending)
    assert len(build("saliency", code=3)) == 5
    assert [error for _, error, _ in rejects(tmp_path)] == ["unreadable_name"]


def test_boxes_of_scenes_that_are_none(build: Build, tmp_path: Path) -> None:
    layouts.dreambooth(tmp_path / "in")
    for text in ("[]", '{"x": [1, 2, 3]}', '{"x": "1234"}', '{"x": [0, 0, 1, Infinity]}', "{"):
        (tmp_path / "in/BG/boxes.json").write_text(text)
        with pytest.raises(UsageError, match=r"BG/boxes.json has no boxes"):
            build("dreambooth")


def test_a_list_of_lvis_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layouts.lvis(tmp_path, [])
    (tmp_path / "annotations/lvis_v1_train.json").write_text('{"images": []}')
    with pytest.raises(UsageError, match=r"lvis_v1_train.json has no list of annotations"):
        build_object_pairs.main(["--layout", "lvis", "--input", str(tmp_path), "--output", str(tmp_path / "out")])


def test_every_thing_of_the_benchmark_meets_every_scene(build: Build, tmp_path: Path) -> None:
    thing = layouts.dreambooth(tmp_path / "in")
    records = build("dreambooth")
    assert ids(records) == [
        "dreambooth/test/000000000001/00/00+000000000001",
        "dreambooth/test/000000000001/dog/02+000000000001",
        "dreambooth/test/000000000002/00/00+000000000002",
        "dreambooth/test/000000000002/dog/02+000000000002",
    ]
    assert {record["dynamics"] for record in records} == {"video"}
    assert not pq.read_table(tmp_path / "out/findings.parquet").num_rows, "the same thing in many scenes, by design"
    masked, boxed = records[0], records[2]
    assert mask_of(masked, "target").sum() == 50 * 60 and masked["target_box"] == [30, 20, 90, 70]
    assert boxed["target_mask"] is None and boxed["target_box"] == [10, 20, 60, 90]
    for record in records:
        reference = codecs.decode_image(record["reference_image"]["bytes"])
        mask = mask_of(record, "reference")
        assert mask.shape == reference.shape[:2] == (85, 85), "1.4 times 61"
        assert np.array_equal(mask[12:73, 12:73], thing) and mask.sum() == thing.sum()
        assert (reference[~mask] == 255).all() and not (reference[mask] == 255).all()


def test_a_box_moves_with_its_scene(build: Build, tmp_path: Path) -> None:
    layouts.dreambooth(tmp_path / "in")
    records = build("dreambooth", "--size", "200x300")
    scale, left = 2, (300 - 2 * layouts.WIDTH) // 2
    assert records[2]["target_box"] == [left + 20, 40, left + 120, 180]
    target = mask_of(records[0], "target")
    assert boxes.of_mask(target.astype(np.uint8)) == (left + 60, 40, left + 180, 140)
    assert records[0]["target_box"] == [left + 30 * scale, 40, left + 180, 140]


def test_scenes_without_a_box_or_with_one_outside(build: Build, tmp_path: Path) -> None:
    root = tmp_path / "in"
    layouts.dreambooth(root)
    (root / "BG/000000000001_mask.png").unlink()
    (root / "BG/boxes.json").write_text(json.dumps({"000000000002": [10, 20, 60, 101]}))
    assert build("dreambooth", code=3) == []
    assert Counter(rejects(tmp_path)) == {
        ("list", "missing_file", "BG/000000000001_GT.png"): 1,
        ("read", "unreadable", "BG/000000000002.jpg"): 2,
    }


@pytest.mark.parametrize(
    "layout",
    ["mvimgnet", "vitonhd_pairs", "dresscode_pairs", "fashiontryon", "saliency", "sam", "lvis", "dreambooth"],
)
def test_another_folder_is_refused_with_the_layout_that_is_expected(tmp_path: Path, layout: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="expected"):
        build_object_pairs.main(["--layout", layout, "--input", str(tmp_path / "in"), "--output", str(tmp_path / "o")])


def test_links_out_of_the_input_are_refused(build: Build, tmp_path: Path) -> None:
    layouts.saliency(tmp_path / "in")
    photo = tmp_path / "in/MSRA10K_Imgs_GT/Imgs/12.png"
    photo.rename(tmp_path / "elsewhere.png")
    photo.symlink_to(tmp_path / "elsewhere.png")
    assert len(build("saliency", code=3)) == 4
    assert rejects(tmp_path) == [("list", "outside_root", "MSRA10K_Imgs_GT/Imgs/12.jpg")]


def test_a_pixel_lies_in_an_outline_where_its_centre_does() -> None:
    triangle = polygons.mask([[0, 0, 4, 0, 0, 4]], 4, 4) > 0
    rows, columns = np.mgrid[:4, :4] + 0.5
    assert np.array_equal(triangle | (rows + columns == 4), rows + columns <= 4)
    ring = polygons.mask([[0, 0, 6, 0, 6, 6, 0, 6, 0, 0, 2, 2, 2, 4, 4, 4, 4, 2, 2, 2]], 6, 6) > 0
    assert not ring[2:4, 2:4].any() and ring.sum() == 32
    parts = polygons.mask([[0, 0, 2, 0, 2, 2, 0, 2], [1, 1, 3, 1, 3, 3, 1, 3]], 3, 3) > 0
    assert parts.sum() == 7, "parts add up, they don't cancel"
    assert polygons.mask([[-5, -5, 20, -5, 20, 20, -5, 20]], 3, 3).all()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ("i0", [25]),  # as COCO's own library writes five by five pixels of nothing
        ([25], [25]),
        (layouts.packed([3, 4, 2, 16]), [3, 4, 2, 16]),
        (layouts.packed([0, 7, 1, 9, 8]), [0, 7, 1, 9, 8]),
    ],
)
def test_run_lengths_go_down_the_columns(counts: Any, expected: list[int]) -> None:
    mask = rle.decode({"size": [5, 5], "counts": counts})
    assert mask.shape == (5, 5) and mask.dtype == np.uint8
    assert layouts.runs(mask > 0) == expected


@pytest.mark.parametrize(
    ("segmentation", "problem"),
    [
        ({"size": [5, 5], "counts": [24]}, "24 pixels for a size of 5x5"),
        ({"size": [5], "counts": [25]}, "size"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "allowed are"),
        ({"size": [5, 5], "counts": "i"}, "break off"),
        ({"size": [5, 5], "counts": "i é"}, "the character"),
        ({"size": [5, 5], "counts": "P" * 10**6}, "no picture has"),
        ({"size": [5, 5], "counts": "_" * 60 + "0"}, "no picture has"),
        ({"size": [5, 5], "counts": [0] * 10**6 + [-1]}, "no run lengths"),
        ({"size": [5, 5], "counts": [30, -5]}, "no run lengths"),
        ({"size": [5, 5]}, "no run lengths"),
    ],
)
def test_what_is_no_run_lengths_is_told(segmentation: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        rle.decode(segmentation)
