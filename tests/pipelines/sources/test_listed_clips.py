"""UVO and BURST: clips whose masks stand as run lengths in JSON."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import layouts_clips as layouts
from support.helpers import rows

from pipelines import build_object_pairs, validate
from schemas import codecs
from schemas.cli.flags import UsageError

UVO_LIST = "VideoSparseSet/UVO_sparse_train_video_with_interpolation.json"
BURST_LIST = "annotations/train/all_classes.json"
LISTS = {"uvo": UVO_LIST, "burst": BURST_LIST}


def build(tmp_path: Path, layout: str, *flags: object, code: int = 0) -> list[dict[str, Any]]:
    """The records of tmp_path/in; the exit code is checked."""
    out = tmp_path / "out"
    arguments = ["--layout", layout, "--input", str(tmp_path / "in"), "--output", str(out), *map(str, flags)]
    assert build_object_pairs.main(arguments) == code
    if code == 0:
        assert validate.main([str(out)]) == 0
    return rows(out)


def rejects(tmp_path: Path) -> list[tuple[str, str, str, str]]:
    """Stage, error, source and message of each."""
    listed = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    return [(row["stage"], row["error"], row["source"], row["message"]) for row in listed]


def assert_masks(found: list[dict[str, Any]], objects: dict[str, int], frame: Any) -> None:
    """Each pair's masks are those that were drawn; `frame` tells the drawn frame of a name in a record's id."""
    for row in found:
        names = row["record_id"].rpartition("/")[2].split("+")
        assert frame(names[0]) < frame(names[1])
        for role, name in zip(("reference", "target"), names, strict=True):
            expected = layouts.clip()[frame(name)].mask(objects[row["object_id"]])
            assert np.array_equal(codecs.decode_mask(row[f"{role}_mask"]["bytes"]) > 0, expected)


def test_pairs_of_uvo_are_those_of_its_list(tmp_path: Path) -> None:
    layouts.uvo(tmp_path / "in")
    found = build(tmp_path, "uvo", "--pairs-per-object", 40)
    assert {row["object_id"] for row in found} == {"71", "72"}
    for row in found:
        assert (row["dataset"], row["split"], row["video_id"], row["dynamics"]) == ("uvo", "train", "7", "video")
        assert row["record_id"] == f"uvo/train/7/{row['object_id']}/{row['reference_frame']}+{row['target_frame']}"
    assert_masks(found, {"71": 1, "72": 2}, int)
    assert not any(row["object_id"] == "72" and row["reference_frame"] == 0 for row in found), "it has no mask there"
    assert any(row["object_id"] == "71" and row["reference_frame"] == 0 for row in found)


def test_uvo_asks_upstreams_map_for_the_frames(tmp_path: Path) -> None:
    document = layouts.uvo(tmp_path / "in")
    names = document.pop("videos")[0]["file_names"]
    layouts.put(tmp_path / "in" / UVO_LIST, document)
    with pytest.raises(UsageError, match="no list of videos"):
        build(tmp_path, "uvo")
    layouts.put(tmp_path / "in" / UVO_LIST.replace(".json", "_reorg.json"), {"7": names})
    assert build(tmp_path, "uvo")


def test_validation_lists_are_the_test_split_and_a_fifth_of_uvos_lies_between(tmp_path: Path) -> None:
    layouts.uvo(tmp_path / "in", "val")
    found = build(tmp_path, "uvo", "--pairs-per-object", 100)
    assert {row["split"] for row in found} == {"test"}
    frames = len(layouts.clip())
    assert min(row["target_frame"] - row["reference_frame"] for row in found) == 2 * (frames // 5)


def test_pairs_of_burst_are_those_of_its_annotated_frames(tmp_path: Path) -> None:
    document = layouts.burst(tmp_path / "in")
    found = build(tmp_path, "burst", "--pairs-per-object", 40)
    assert {row["object_id"] for row in found} <= {"1", "2"} and found
    annotated = {name.removesuffix(".jpg") for name in document["sequences"][0]["annotated_image_paths"]}
    for row in found:
        assert (row["split"], row["video_id"], row["dynamics"]) == ("train", "LaSOT/kite-3", "video")
        prefix, _, frames = row["record_id"].rpartition("/")
        assert prefix == f"burst/train/LaSOT/kite-3/{row['object_id']}" and set(frames.split("+")) <= annotated
        assert {mask["annotator"] for mask in row["provenance"] if mask["column"].endswith("_mask")} == {None}
    assert_masks(found, {"1": 1, "2": 2}, lambda name: int(name.removeprefix("frame")))


@pytest.mark.parametrize("split", ["val", "test"])
def test_first_frames_of_burst_are_carried_on(split: str, tmp_path: Path) -> None:
    layouts.burst(tmp_path / "in", split, annotated=100)
    source = tmp_path / "in" / "annotations" / split / "all_classes.json"
    source.rename(source.with_name("first_frame_annotations.json"))
    found = build(tmp_path, "burst", "--tracker", "classical")
    assert found and {row["split"] for row in found} == {"test"}
    notes = {mask["annotator"] for row in found for mask in row["provenance"] if mask["column"] == "target_mask"}
    assert notes == {"tracking:classical"}


def test_a_mask_off_by_a_pixel_is_resized_and_more_is_rejected(tmp_path: Path) -> None:
    document = layouts.burst(tmp_path / "in")
    for height, width in ((layouts.HEIGHT + 1, layouts.WIDTH - 1), (layouts.HEIGHT + 2, layouts.WIDTH)):
        full = np.zeros((height, width), bool)
        full[20:50, 20:60] = True
        sequence = document["sequences"][0]
        sequence |= {"height": height, "width": width}
        masks = {"1": {"rle": layouts.packed(layouts.runs(full))}}
        sequence["segmentations"] = [masks] * len(sequence["segmentations"])
        layouts.put(tmp_path / "in" / BURST_LIST, document)
        code = 0 if width < layouts.WIDTH else 3
        found = build(tmp_path, "burst", "--overwrite", code=code)
        assert bool(found) == (code == 0)
    (reject,) = rejects(tmp_path)
    assert reject[:3] == ("read", "unreadable", BURST_LIST)
    assert reject[3] == f"a mask of {layouts.HEIGHT + 2}x{layouts.WIDTH} for a picture of 72x96"


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        ("PPPPPPPPPPPPPPPPPPPPPP", "no picture has"),
        ("9", "run lengths of 9 pixels"),
        (None, "are NoneType"),
        (7, "are int"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "allowed are"),
        ({"size": ["a", 2], "counts": []}, "size"),
    ],
)
def test_what_is_no_mask_costs_its_frame(mask: Any, problem: str, tmp_path: Path) -> None:
    document = layouts.burst(tmp_path / "in", annotated=1)
    document["sequences"][0]["segmentations"][2]["1"] = {"rle": mask}
    layouts.put(tmp_path / "in" / BURST_LIST, document)
    found = build(tmp_path, "burst", "--pairs-per-object", 100, "--max-reject-rate", 1)
    (reject,) = rejects(tmp_path)
    assert reject[:3] == ("read", "unreadable", BURST_LIST)
    assert reject[3].startswith("object 1, frame frame0004: ") and problem in reject[3]
    own = [row["record_id"] for row in found if row["object_id"] == "1"]
    assert own and not any("frame0004" in record_id for record_id in own)
    assert any("frame0004" in row["record_id"] for row in found if row["object_id"] == "2")


@pytest.mark.parametrize("layout", LISTS)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "has no list of"),
        (b'{"videos": {}, "sequences": [3], "annotations": 5}', "has no list of"),
    ],
)
def test_a_garbled_list_ends_the_run(layout: str, content: bytes, problem: str, tmp_path: Path) -> None:
    getattr(layouts, layout)(tmp_path / "in")
    (tmp_path / "in" / LISTS[layout]).write_bytes(content)
    with pytest.raises(UsageError, match=problem) as caught:
        build(tmp_path, layout)
    assert "\n" not in str(caught.value) and LISTS[layout] in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [b"3", b'["a"]', b"{"])
def test_a_garbled_map_of_uvo_ends_the_run(names: bytes, tmp_path: Path) -> None:
    layouts.uvo(tmp_path / "in")
    (tmp_path / "in" / UVO_LIST.replace(".json", "_reorg.json")).write_bytes(names)
    with pytest.raises(UsageError, match="_reorg.json is no"):
        build(tmp_path, "uvo")


@pytest.mark.parametrize(
    ("changed", "error", "problem"),
    [
        ({"file_names": "a"}, "damaged_entry", "no list of its frames"),
        ({"file_names": ["x/0.png"]}, "damaged_entry", "12 masks for 1 frames"),
        ({"file_names": ["../x.png"] * 12}, "outside_root", "no plain path below"),
        ({"file_names": [f"x/{number}.png" for number in range(12)]}, "missing_file", "x/0.png is missing"),
        ({"id": 8}, "damaged_entry", "no list of its frames"),
    ],
)
def test_damaged_videos_of_uvo_are_refused(changed: dict[str, Any], error: str, problem: str, tmp_path: Path) -> None:
    document = layouts.uvo(tmp_path / "in")
    document["videos"][0] |= changed
    layouts.put(tmp_path / "in" / UVO_LIST, document)
    assert not build(tmp_path, "uvo", code=3)
    (reject,) = rejects(tmp_path)
    assert reject[:2] == ("list", error) and problem in reject[3]


@pytest.mark.parametrize(
    ("changed", "error", "problem"),
    [
        ({"segmentations": []}, "damaged_entry", "masks for 0 frames, of 6"),
        ({"segmentations": None}, "damaged_entry", "segmentations is missing"),
        ({"seq_name": 5}, "damaged_entry", "seq_name is missing"),
        ({"seq_name": "other"}, "missing_file", "frame0000.jpg is missing"),
        ({"dataset": "/etc"}, "missing_file", "frame0000.jpg is missing"),
        ({"dataset": ".."}, "outside_root", "no plain path below"),
    ],
)
def test_damaged_sequences_of_burst_are_refused(
    changed: dict[str, Any], error: str, problem: str, tmp_path: Path
) -> None:
    document = layouts.burst(tmp_path / "in")
    document["sequences"][0] |= changed
    layouts.put(tmp_path / "in" / BURST_LIST, document)
    assert not build(tmp_path, "burst", code=3)
    (reject,) = rejects(tmp_path)
    assert reject[:2] == ("list", error) and problem in reject[3]


def test_links_out_of_the_root_are_refused(tmp_path: Path) -> None:
    layouts.burst(tmp_path / "in")
    frame = tmp_path / "in" / "frames/train/LaSOT/kite-3/frame0000.jpg"
    frame.rename(tmp_path / "away.jpg")
    frame.symlink_to(tmp_path / "away.jpg")
    assert not build(tmp_path, "burst", code=3)
    assert rejects(tmp_path)[0][:2] == ("list", "outside_root")


def test_files_that_no_list_names_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    layouts.uvo(tmp_path / "in")
    frames = tmp_path / "in" / "uvo_frames_sparse"
    (frames / "Pr6_ytid" / "99.png").write_bytes(b"more")
    (frames / "another").mkdir()
    (tmp_path / "in" / "VideoSparseSet" / "UVO_sparse_train_extra.json").write_text("{}")
    build(tmp_path, "uvo")
    said = capfd.readouterr().err
    for name in ("99.png", "another", "UVO_sparse_train_extra.json"):
        assert name in said
