"""What every kind of records promises, and object pairs through the commands that read shards."""

import json
import sys
import tarfile
import types
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import browser, object_pairs
from support.helpers import rows

from annotators.common import registry
from pipelines import annotate, export, report, select, stats, validate
from pipelines.judging import expected
from schemas import codecs, fields, kinds, record
from schemas.cli.flags import UsageError
from schemas.kinds import tryon


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = [object_pairs.row(number, "still" if number == 3 else "video") for number in range(4)]
    return object_pairs.write(tmp_path_factory.mktemp("pairs") / "shards", drawn)


@pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_names_columns_that_it_has(kind: kinds.Kind) -> None:
    named = {*kind.base, *kind.photos, *kind.aligned, *kind.aligned.values(), *kind.ids, *kind.required, *kind.told}
    named |= {*kind.identities, *kind.identities.values(), *(column for column, _, _ in kind.trained)}
    assert named <= set(kind.fields)
    assert set(kind.required) <= set(kind.base)
    assert all(fields.kind(kind.fields[photo]) == "image" for photo in kind.photos)
    assert kinds.of(record.schema(kind, ())) is kind


@pytest.mark.parametrize(
    ("kind", "column", "photo"),
    [
        (kinds.OBJECT_PAIR, "reference_mask", "reference_image"),
        (kinds.OBJECT_PAIR, "target_mask", "target_image"),
        (kinds.OBJECT_PAIR, "target_image", "target_image"),
        (kinds.OBJECT_PAIR, "high_frequency_map", "reference_image"),
        (kinds.TRYON, "agnostic_mask", "person_image"),
        (kinds.TRYON, "garment_mask", "garment_image"),
        (kinds.TRYON, "high_frequency_map", "garment_image"),
        (kinds.TRYON, "garment_image", "garment_image"),
    ],
)
def test_pictures_are_aligned_with_their_photo(kind: kinds.Kind, column: str, photo: str) -> None:
    assert kind.photo_of(column) == photo


SET, EMPTY = np.full((8, 8), 255, np.uint8), np.zeros((8, 8), np.uint8)
PHOTO = np.zeros((8, 8, 3), np.uint8)
JOINTS = np.ones((25, 3), np.float32)


@pytest.mark.parametrize(
    ("dynamics", "changed", "problem"),
    [
        ("still", {}, ""),
        ("video", {"target_image": PHOTO, "target_mask": SET}, ""),
        ("high_quality", {"target_image": PHOTO, "target_mask": SET}, ""),
        ("still", {"target_image": PHOTO}, "target_image is there; a still has none"),
        ("still", {"target_mask": SET}, "target_mask is there; a still has none"),
        ("video", {"target_image": PHOTO}, "only a still may lack them"),
        ("video", {"target_mask": SET}, "only a still may lack them"),
        ("high_quality", {}, "only a still may lack them"),
        ("film", {}, "dynamics 'film'; allowed are still, video, high_quality"),
        (None, {}, "dynamics None; allowed are still"),
        ("still", {"reference_mask": EMPTY}, "reference_mask sets no pixel"),
        ("video", {"target_image": PHOTO, "target_mask": EMPTY}, "target_mask sets no pixel"),
    ],
)
def test_what_is_wrong_with_a_pair(dynamics: str | None, changed: dict[str, Any], problem: str) -> None:
    found = kinds.OBJECT_PAIR.problems({"dynamics": dynamics, "reference_mask": SET, **changed})
    assert (problem in found[0] and len(found) == 1) if problem else found == []


@pytest.mark.parametrize(
    ("box", "problem"),
    [((0, 0, 8, 8), ""), ((0, 0, 9, 8), "no box inside"), ((4, 4, 4, 8), "no box inside"), ((-1, 0, 4, 4), "no box")],
)
def test_a_target_may_have_a_box_instead_of_a_mask(box: tuple[int, ...], problem: str) -> None:
    target = {"target_image": PHOTO, "target_box": np.array(box, np.float32)}
    found = kinds.OBJECT_PAIR.problems({"dynamics": "video", **target})
    assert (problem in found[0] and len(found) == 1) if problem else found == []
    assert (
        "a still has none" in kinds.OBJECT_PAIR.problems({"dynamics": "still", "target_box": target["target_box"]})[0]
    )
    without = kinds.OBJECT_PAIR.problems({"dynamics": "video", "target_box": target["target_box"], "target_mask": SET})
    assert "is empty" in without[0]


def _spoilt(row: int, column: int, value: float) -> np.ndarray:
    points = JOINTS.copy()
    points[row, column] = value
    return points


@pytest.mark.parametrize(
    ("decoded", "problem"),
    [
        ({"category": "dresses", "keypoints": JOINTS}, ""),
        ({"category": None}, ""),
        ({"category": "hats"}, "category 'hats'; allowed are upper_body, lower_body, dresses"),
        ({"keypoints": _spoilt(3, 0, np.nan)}, "keypoints holds NaN, infinity or a negative score"),
        ({"keypoints_face": _spoilt(3, 1, np.inf)}, "keypoints_face holds"),
        ({"keypoints_hands": _spoilt(3, 2, -0.1)}, "keypoints_hands holds"),
        ({"keypoints": _spoilt(3, 2, 0.0)}, ""),
        ({"keypoints": _spoilt(3, 0, -5.0)}, ""),
    ],
)
def test_what_is_wrong_with_a_try_on_record(decoded: dict[str, Any], problem: str) -> None:
    found = kinds.TRYON.problems(decoded)
    assert (problem in found[0] and len(found) == 1) if problem else found == []


def test_a_mask_that_sets_what_the_agnostic_picture_leaves_is_inverted() -> None:
    """A quarter of the photo is repainted; what is changed alike on both sides tells nothing."""
    photo, mask = np.full((8, 8, 3), 200, np.uint8), EMPTY.copy()
    mask[:4, :4] = 255
    repainted = np.where(mask[..., None] > 0, np.uint8(128), photo)
    assert tryon.inverted(photo, repainted, mask) is False and tryon.inverted(photo, repainted, 255 - mask) is True
    for undecided in (photo, np.full_like(photo, 128)):
        assert tryon.inverted(photo, undecided, mask) is None
    for one_sided in (SET, EMPTY):
        assert tryon.inverted(photo, repainted, one_sided) is None
    whole = {"person_image": photo, "agnostic_image": repainted}
    assert kinds.TRYON.problems({**whole, "agnostic_mask": mask}) == []
    assert "looks inverted" in kinds.TRYON.problems({**whole, "agnostic_mask": 255 - mask})[0]
    assert kinds.TRYON.problems({**whole, "agnostic_mask": np.zeros((4, 4), np.uint8)}) == [], "others compare sizes"


def test_shards_from_before_there_were_kinds_are_try_on() -> None:
    old = record.schema(kinds.TRYON, ()).with_metadata({b"huggingface": b"{}"})
    assert kinds.of(old) is kinds.TRYON


def test_an_unknown_kind_is_named() -> None:
    schema = record.schema(kinds.TRYON, ()).with_metadata({b"kind": b"clip"})
    with pytest.raises(UsageError, match="'clip'; allowed are tryon, object_pair"):
        kinds.of(schema)


def test_pairs_are_valid(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.main([str(pairs)]) == 0, capsys.readouterr()
    assert "4 records in 1 shard: valid" in capsys.readouterr().out


def test_a_pair_without_its_target_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = object_pairs.write(tmp_path / "shards", [object_pairs.row(0, target_mask=None)])
    assert validate.main([str(folder)]) == 1
    assert "only a still may lack them" in capsys.readouterr().out


def test_pairs_are_selected_by_their_own_columns(pairs: Path, tmp_path: Path) -> None:
    assert select.main([str(pairs), "--where", 'dynamics == "video"', "--output", str(tmp_path / "out")]) == 0
    kept = rows(tmp_path / "out")
    assert [row["record_id"] for row in kept] == [f"clips/train/{number:03d}" for number in range(3)]
    assert [row["target_mask"] for row in kept] == [row["target_mask"] for row in rows(pairs)[:3]]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["kind"] == "object_pair"
    assert validate.main([str(tmp_path / "out")]) == 0


def test_an_annotator_of_persons_is_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="annotator quality reads person_image, which these shards lack"):
        annotate.main([str(pairs), "--annotators", "quality", "--output", str(tmp_path / "out")])


@dataclass(frozen=True)
class Config:
    def build(self) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return lambda records: [{"caption": f"{one['reference_image'].shape[1]} wide"} for one in records]


def test_an_annotator_of_references_runs(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("annotators.size_caption", "Says how wide the reference is.")
    module.READS, module.FIELDS, module.Config = ("reference_image",), (fields.text("caption"),), Config  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "annotators.size_caption", module)
    known = (*registry.names(), "size_caption")
    monkeypatch.setattr(registry, "names", lambda: known)
    monkeypatch.setattr("annotators.names", lambda: known)
    assert annotate.main([str(pairs), "--annotators", "size_caption", "--output", str(tmp_path / "out")]) == 0
    assert [row["caption"] for row in rows(tmp_path / "out")] == ["64 wide"] * 4
    assert validate.main([str(tmp_path / "out")]) == 0


def test_pairs_are_reported_and_counted(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(pairs), "--output", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "reference_mask" in page and "still" in page
    assert list(browser.data(page, "sheet")["facets"]) == ["dynamics"]
    capsys.readouterr()
    assert stats.main([str(pairs), "--format", "csv"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "dynamics" in head and "objects" in head and any("still" in line for line in lines)


def test_the_page_of_pairs_names_what_is_damaged_and_what_was_declined(tmp_path: Path) -> None:
    spoilt = {"bytes": b"no picture", "path": "x.png"}
    drawn = [object_pairs.row(0, video_id="<b>"), object_pairs.row(1, reference_image=spoilt, record_id="<script>")]
    folder = object_pairs.write(tmp_path / "shards", drawn)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["counts"]["declined"] = {"reference_area": 6}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert report.main([str(folder), "--output", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<b>6</b><span>declined: reference_area</span>" in page
    sheet = browser.data(page, "sheet")
    assert [one[0] for one in sheet["records"]] == ["clips/train/000", "<script>"]
    assert page.count("<script>") == 2, "the page's own"
    whole, damaged = (one["figures"] for one in sheet["cards"])
    assert [bool(figure["source"]) for figure in whole] == [True] * 5 and "frame 0 → 5" in sheet["cards"][0]["facts"]
    assert [layer["name"] for layer in whole[1]["layers"]] == ["target_mask", "box ×1.1", "crop"]
    assert [figure["error"] for figure in damaged] == ["not a picture", "", *["not a picture"] * 3], "the target shows"
    manifest["counts"]["declined"] = ["reference_area"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"is damaged: counts"):
        report.main([str(folder)])


def _members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]


def test_pairs_as_an_imagefolder(pairs: Path, tmp_path: Path) -> None:
    """Pictures under their columns' names, the reference as the main one; a still has no target."""
    out = tmp_path / "out"
    assert export.main([str(pairs), "--layout", "imagefolder", "--output", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "train/metadata.jsonl").read_text().splitlines()]
    for line, row in zip(lines, rows(pairs), strict=True):
        for name in ("record_id", "video_id", "object_id", "dynamics", "reference_frame", "target_frame"):
            assert line[name] == row[name]
        for name in ("reference_image", "reference_mask", "target_image", "target_mask"):
            file = line["file_name" if name == "reference_image" else f"{name}_file_name"]
            assert (file is None) == (row[name] is None)
            if file is not None:
                decode = codecs.decode_mask if name.endswith("mask") else codecs.decode_image
                assert np.array_equal(decode((out / "train" / file).read_bytes()), decode(row[name]["bytes"]))


def test_pairs_as_a_webdataset(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export.main([str(pairs), "--layout", "webdataset", "--output", str(out)]) == 0
    members = _members(out / "train-00000.tar")
    for row in rows(pairs):
        key = row["record_id"].replace("/", "__")
        assert json.loads(members[f"{key}.json"])["dynamics"] == row["dynamics"]
        for name in ("reference_image", "reference_mask", "target_image", "target_mask"):
            if row[name] is None:
                assert f"{key}.{name}.png" not in members
            else:
                decode = codecs.decode_mask if name.endswith("mask") else codecs.decode_image
                assert np.array_equal(decode(members[f"{key}.{name}.png"]), decode(row[name]["bytes"]))


@pytest.mark.parametrize(("records", "code"), [(2_399, 1), (2_400, 0)])
def test_the_benchmark_is_compared_with_its_published_size(records: int, code: int) -> None:
    counted = expected.Counted(Counter({("test", ""): records}))
    missing, notes = expected.compare("dreambooth", counted)
    assert bool(missing) is bool(code) and f"{records:,} of 2,400 records" in (missing or notes)[0]


def test_pairs_that_the_benchmark_lacks_are_told(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.main([str(pairs), "--expect", "dreambooth"]) == 1
    told = capsys.readouterr()
    assert "0 of 2,400 records, 2,400 missing" in told.out + told.err


def test_masks_of_pairs_are_reviewed(pairs: Path, tmp_path: Path) -> None:
    arguments = ["--layout", "review", "--review-column", "target_mask", "--output", str(tmp_path / "out")]
    assert export.main([str(pairs), *arguments]) == 0
    assert len(list((tmp_path / "out/target_mask").iterdir())) == 3


@pytest.mark.parametrize("layout", ["vitonhd", "dresscode"])
def test_a_layout_of_persons_says_what_it_needs(pairs: Path, tmp_path: Path, layout: str) -> None:
    with pytest.raises(UsageError, match=f"{layout} needs try-on records; these shards hold object pairs"):
        export.main([str(pairs), "--layout", layout, "--output", str(tmp_path / "out")])


def test_pairs_are_read_in_batches(pairs: Path) -> None:
    from vton_models import ShardDataset

    columns = ["record_id", "reference_image", "reference_mask", "dynamics"]
    dataset = ShardDataset(pairs, columns, batch_size=2, shuffle=False, rank=0, world_size=1)
    first = next(iter(dataset))
    assert first["reference_image"].shape == (2, object_pairs.HEIGHT, object_pairs.WIDTH, 3)
    assert first["dynamics"] == ["video", "video"]


def test_writers_keep_statistics_of_ids_alone(pairs: Path) -> None:
    import pyarrow.parquet as pq

    group = pq.ParquetFile(pairs / "train-00000-of-00001.parquet").metadata.row_group(0)
    counted = {group.column(i).path_in_schema for i in range(group.num_columns) if group.column(i).is_stats_set}
    assert counted == set(kinds.OBJECT_PAIR.ids)
