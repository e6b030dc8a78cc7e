"""Own clips whose objects are told by a file beside them, or found by a mask-generation model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import layouts_stills, moving, tiny_sam2
from support.commands import hub_cache_at
from support.helpers import rows

from annotators.functional import masks
from pipelines import build_object_pairs, validate
from schemas import codecs
from schemas.cli.flags import UsageError

FRAMES = 14


@pytest.fixture(scope="module")
def clip() -> moving.Moving:
    return moving.render(96)


@pytest.fixture
def root(clip: moving.Moving, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "kite").mkdir(parents=True)
    for number, picture in enumerate(clip.pictures[:FRAMES]):
        Image.fromarray(picture).save(folder / f"kite/{number}.png")
    return folder


def build(root: Path, *flags: object, code: int = 0) -> list[dict[str, Any]]:
    out = root.parent / "out"
    words = ["--layout", "raw", "--tracker", "classical", "--input", str(root), "--output", str(out), "--overwrite"]
    assert build_object_pairs.main([*words, "--max-reject-rate", "1", *map(str, flags)]) == code
    if code == 0:
        assert validate.main([str(out)]) == 0
    return rows(out)


def rejects(root: Path) -> list[str]:
    """Messages; each is of the file that tells the objects."""
    listed = pq.read_table(root.parent / "out/rejects.parquet").to_pylist()
    assert {row["source"] for row in listed} <= {"kite.json"}
    return [row["message"] for row in listed]


def centre(clip: moving.Moving, number: int) -> list[int]:
    y, x = np.array(np.nonzero(clip.masks[number])).mean(axis=1).round().astype(int).tolist()
    return [x, y]


def tell(root: Path, **document: object) -> None:
    (root / "kite.json").write_text(json.dumps(document))


def outlines(clip: moving.Moving, number: int) -> dict[str, dict[str, Any]]:
    rows_, columns = np.nonzero(clip.masks[number])
    box = [int(columns.min()) - 5, int(rows_.min()) - 5, int(columns.max()) + 6, int(rows_.max()) + 6]
    counts = layouts_stills.runs(clip.masks[number] > 0)
    return {
        "box": {"boxes": [box]},
        "point": {"points": [centre(clip, number)]},
        "points": {"points": [[centre(clip, number), [3, 3, 0]]]},
        "mask": {"masks": [{"size": list(clip.masks[number].shape), "counts": counts}]},
    }


@pytest.mark.parametrize("kind", ["box", "point", "points", "mask"])
@pytest.mark.parametrize("frame", [0, 6])
def test_objects_are_told_in_a_frame_and_followed_both_ways(
    kind: str, frame: int, clip: moving.Moving, root: Path
) -> None:
    tell(root, frame=frame, **outlines(clip, frame)[kind])
    found = build(root, "--pairs-per-object", 12)
    assert {row["object_id"] for row in found} == {"1"} and not rejects(root)
    shown = {row[f"{role}_frame"] for row in found for role in ("reference", "target")}
    assert min(shown) < max(frame, 3) and max(shown) > frame + 3
    for row in found:
        for role in ("reference", "target"):
            mask = codecs.decode_mask(row[f"{role}_mask"]["bytes"])
            assert masks.iou(mask, clip.masks[row[f"{role}_frame"]]) > 0.7
            (origin,) = [entry for entry in row["provenance"] if entry["column"] == f"{role}_mask"]
            own = {"mask": None, "box": "seeding:box"}.get(kind, "seeding:points")
            assert origin["annotator"] == (own if row[f"{role}_frame"] == frame else "tracking:classical")


def test_what_is_no_outline_costs_its_own_object(clip: moving.Moving, root: Path) -> None:
    good = outlines(clip, 0)
    wrong = {
        "boxes": [[1, 2, 3], [900, 900, 950, 950], ["a", 1, 2, 3], *good["box"]["boxes"]],
        "points": [[500, 5], [[4, 4, 0]], [[None, 1]], 7, []],
        "masks": [{"size": [4, 4], "counts": [16]}, "no mask"],
    }
    tell(root, **wrong)
    found = build(root)
    assert {row["object_id"] for row in found} == {"4"}
    told = sorted(rejects(root))
    assert len(told) == 10
    for object_id, words in {
        1: "[1, 2, 3] is not 4 numbers",
        2: "holds nothing of a picture of 240x426",
        3: "is not 4 numbers",
        5: "point [500, 5] lies outside a picture of 240x426",
        6: "no point on it",
        7: "is not 3 numbers",
        8: "is not 3 numbers",
        9: "no point on it",
        10: "a mask of 4x4 for a picture of 240x426",
        11: "run lengths",
    }.items():
        assert any(line.startswith(f"object {object_id}: ") and words in line for line in told), (object_id, told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", ""),
        ("[]", "no objects; expected"),
        ("{}", "no objects; expected"),
        ('{"boxes": {}}', "no objects; expected"),
        ('{"boxes": 5}', "no objects; expected"),
        ('{"boxes": [[0, 0, 9, 9]], "frame": "a"}', "no objects; expected"),
        ('{"boxes": [[0, 0, 9, 9]], "frame": 99}', "frame 99 of a clip of 14"),
        ('{"boxes": [[0, 0, 9, 9]], "frame": -1}', "frame -1 of a clip of 14"),
        ("[" * 100_000, ""),
    ],
)
def test_a_file_that_tells_nothing_rejects_its_clip(content: str, told: str, root: Path) -> None:
    (root / "kite.json").write_text(content)
    assert not build(root, code=3)
    (message,) = rejects(root)
    assert told in message and message


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    tiny_sam2.build().save_pretrained(folder)
    return folder


def test_a_mask_generation_model_finds_objects(
    clip: moving.Moving, root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of random weights, whose masks are noise: the star's own mask is put in the place of one of them."""
    from annotators.tracking import segmenting

    monkeypatch.setattr(segmenting.Segmenter, "everything", lambda self, picture: [255 - clip.masks[3], clip.masks[3]])
    found = build(root, "--seeding", "model", "--seeding-model", model)
    assert {row["object_id"] for row in found} == {"3.0"}
    told = json.loads((root.parent / "out/manifest.json").read_text())["configuration"]["source_options"]
    assert (told["seeding"], told["seeding_model"]) == ("model", str(model)) and len(told["seeding_digest"]) == 64
    notes = {entry["annotator"] for row in found for entry in row["provenance"] if entry["column"] == "reference_mask"}
    assert notes <= {"seeding:model", "tracking:classical"}


def test_a_model_that_is_sure_of_nothing_declines_the_clip(root: Path, model: Path) -> None:
    assert not build(root, "--seeding", "model", "--seeding-model", model, code=3)
    declined = json.loads((root.parent / "out/manifest.json").read_text())["counts"]["declined"]
    assert declined == {"no_object": 1}


def test_told_boxes_are_cut_out_by_the_model_that_is_asked_for(
    clip: moving.Moving, root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from annotators.tracking import segmenting

    asked = []
    monkeypatch.setattr(
        segmenting.Segmenter, "at", lambda self, picture, box, points: asked.append((box, points)) or clip.masks[0]
    )
    tell(root, **outlines(clip, 0)["box"])
    assert build(root, "--seeding", "model", "--seeding-model", model)
    assert asked == [(tuple(outlines(clip, 0)["box"]["boxes"][0]), ())]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--seeding", "model"], "sam2_hiera_tiny"),
        (["--seeding", "model", "--seeding-model", "hats"], "unknown weights 'hats'"),
        (["--seeding", "model", "--seeding-model", "./hats"], "no such file or folder"),
        (["--seeding", "person"], "selfie"),
        (["--seeding", "people"], "choose from 'auto', 'motion', 'person', 'model'"),
    ],
)
def test_wrong_seeding_is_one_line_before_any_work(
    flags: list[str], told: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(root.parent / "hub"))
    monkeypatch.delenv("VTON_WEIGHTS", raising=False)
    with pytest.raises(UsageError) as raised:
        build(root, *flags)
    assert told in str(raised.value) and "\n" not in str(raised.value)
    assert not (root.parent / "out").exists()


def test_without_weights_auto_seeds_by_motion_and_says_so(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_cache_at(root.parent, monkeypatch)
    (root.parent / "none").mkdir()
    build(root, "--weights", root.parent / "none")
    assert "objects are found by motion, followed by classical" in capfd.readouterr().err


@pytest.mark.parametrize("frames", [2, 3, 5])
def test_what_moves_is_found_in_a_clip_of_a_few_frames(frames: int, clip: moving.Moving, root: Path) -> None:
    for number in range(frames, FRAMES):
        (root / f"kite/{number}.png").unlink()
    found = build(root, "--seeding", "motion")
    assert found
    for row in found:
        for role in ("reference", "target"):
            mask = codecs.decode_mask(row[f"{role}_mask"]["bytes"])
            assert masks.iou(mask, clip.masks[row[f"{role}_frame"]]) > 0.6


def test_a_frame_that_cannot_be_read_beside_the_first_costs_no_object(root: Path) -> None:
    (root / "kite/0.png").write_bytes(b"no picture")
    assert build(root, "--seeding", "motion")
