"""The papers' tables: numbers against counting by hand, several folders, object pairs, and what is read for them."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.shard_rows import row, write

from pipelines import stats
from schemas import codecs, kinds, shards
from schemas.cli.flags import UsageError
from schemas.cli.tables import Table
from schemas.folders import LocalFolder, open_folder

PICTURE = {"bytes": codecs.encode_mask(np.eye(8, dtype=np.uint8) * 255), "path": "mask.png"}


@pytest.fixture(params=["parquet", "arrow"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Seven records: three persons wear one garment, and one photo is larger."""
    ending = request.param
    columns = ("quality", "parse", "agnostic_mask", "caption", "keypoints", "captions", "person_mask")
    train = [
        row(0, garment_type="shirt", agnostic_mask=PICTURE, caption="a", keypoints=[0.0] * 75),
        row(1, garment_id="00000_00", garment_type="shirt", agnostic_mask=PICTURE),
        row(2, garment_id="00000_00", garment_type="dress", captions=[{"text": "a", "model": None}]),
        row(3, height=2048, width=1536),
    ]
    low = [row(4, category="lower_body", quality={"people": None})]
    test = [row(n, split="test", paired=False, record_id=f"vitonhd/test/{n}", garment_id="g") for n in (5, 6)]
    write(tmp_path / "a", f"train-00000-of-00002.{ending}", train, columns)
    write(tmp_path / "a", f"train-00001-of-00002.{ending}", low, columns)
    write(tmp_path / "a", f"test-00000-of-00001.{ending}", test, columns)
    return tmp_path / "a"


def made(*folders: Path, wide: bool = False) -> list[Table]:
    return stats.tables(stats.read([open_folder(str(folder)) for folder in folders]), wide)


def by_label(table: Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    keys = sum(name in stats.KEYS for name in table.header)
    return {row[:keys]: dict(zip(table.header[keys:], row[keys:], strict=True)) for row in table.rows}


def test_counts(folder: Path) -> None:
    counts, shares = made(folder)
    rows = by_label(counts)
    assert list(rows) == [
        ("vitonhd", "train", "upper_body"),
        ("vitonhd", "train", "lower_body"),
        ("vitonhd", "test", "upper_body"),
        ("total", "", ""),
    ]
    assert counts.total
    upper = {"records": 4, "paired": 4, "persons": 4, "garments": 2, "persons per garment": 2.0, "most persons": 3}
    assert rows["vitonhd", "train", "upper_body"] == upper | {
        "garment types": 2, "captions": 1, "sizes": 2, "height x width": "1024x768 (1024x768 to 2048x1536)",
    }  # fmt: skip
    total = rows["total", "", ""]
    assert (total["records"], total["paired"], total["persons"], total["garments"]) == (7, 5, 7, 4)
    assert rows["vitonhd", "test", "upper_body"]["height x width"] == "1024x768"
    assert rows["vitonhd", "test", "upper_body"]["garment types"] is None
    annotated = {line[0]: line[1:] for line in shares.rows}
    assert annotated["agnostic_mask"] == pytest.approx((0.5, 0, 0, 2 / 7))
    assert annotated["keypoints"] == annotated["caption"] == annotated["captions"] == pytest.approx((0.25, 0, 0, 1 / 7))
    assert annotated["quality"] == pytest.approx((0, 1, 0, 1 / 7)), "there, though nothing in it is known"
    assert "parse" not in annotated and "person_mask" not in annotated, "no record has them"
    assert list(annotated) == [name for name in kinds.TRYON.fields if name in annotated]


def test_several_folders_and_a_wide_table(folder: Path, tmp_path: Path) -> None:
    other = [row(0, dataset="own", category=None, worn=1, provenance=None), row(1, dataset="own", category="dresses")]
    write(tmp_path / "b", "train-00000-of-00001.parquet", other, ("tags",))
    (table,) = made(folder, tmp_path / "b", wide=True)
    rows = by_label(table)
    assert list(rows)[:3] == [("own", "train", "dresses"), ("own", "train", ""), ("vitonhd", "train", "upper_body")]
    assert rows["own", "train", ""]["agnostic_mask"] == 0 and rows["total", "", ""]["agnostic_mask"] == 2 / 9
    assert rows["total", "", ""]["persons"] == 9, "the same id in two datasets is two persons"


def test_object_pairs(tmp_path: Path) -> None:
    """design.md section 3: videos and kinds of motion in the place of garments and categories; the paper's words."""
    names = ("record_id", "dataset", "split", "video_id", "object_id", "dynamics")
    cells = [
        ("0", "davis", "train", "judo", "1", "video"),
        ("1", "davis", "train", "judo", "2", "video"),
        ("2", "davis", "train", "dog", "1", "video"),
        ("3", "mvimgnet", "train", "7", "1", "still"),
    ]
    fields = [pa.field(name, pa.string()) for name in names]
    with (tmp_path / "train-00000-of-00001.parquet").open("wb") as file:
        writer = shards.ShardWriter(file, pa.schema(fields), "parquet")
        for values in cells:
            writer.write(dict(zip(names, values, strict=True)))
        writer.close()
    rows = by_label(made(tmp_path)[0])
    clip = {"type": "video", "variation": "yes", "picture quality": "low"}
    assert rows["davis", "train", "video"] == clip | {"records": 3, "videos": 2, "objects": 3}
    still = {"type": "image", "variation": "no", "picture quality": "high"}
    assert rows["mvimgnet", "train", "still"] == still | {"records": 1, "videos": 1, "objects": 1}
    both = {"type": "image, video", "variation": "no, yes", "picture quality": "high, low"}
    assert rows["total", "", ""] == both | {"records": 4, "videos": 3, "objects": 4}


def test_shards_without_records(tmp_path: Path) -> None:
    write(tmp_path, "train-00000-of-00001.parquet", [])
    counts, shares = made(tmp_path)
    assert by_label(counts)["total", "", ""]["records"] == 0 and shares.rows == ()


def test_one_row_needs_no_total(tmp_path: Path) -> None:
    write(tmp_path, "train-00000-of-00001.parquet", [row(0), row(1)])
    (table, _) = made(tmp_path)
    assert len(table.rows) == 1 and not table.total


class Counting(io.FileIO):
    bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        data = super().read(-1 if size is None else size)
        self.bytes_read += len(data)
        return data


def test_pictures_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = {"bytes": np.random.default_rng(0).bytes(300_000), "path": "photo.jpg"}
    rows = [row(n, person_image=heavy, garment_image=heavy, pose_image=heavy) for n in range(60)]
    path = write(tmp_path, "train-00000-of-00001.parquet", rows, ("pose_image",))
    opened: list[Counting] = []

    def open_counting(self: LocalFolder, name: str) -> Counting:
        opened.append(Counting(self.root / name))
        return opened[-1]

    monkeypatch.setattr(LocalFolder, "open", open_counting)
    _, shares = made(tmp_path)
    assert [line[0] for line in shares.rows] == ["pose_image"]
    assert 0 < sum(file.bytes_read for file in opened) < path.stat().st_size / 100


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stats.main([str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "| vitonhd | train | upper_body | 4 |" in shown and "| **total** |" in shown
    target = tmp_path / "table.csv"
    assert stats.main([str(folder), "--format", "csv", "--output", str(target)]) == 0
    assert capsys.readouterr().out == ""
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [line["records"] for line in rows] == ["4", "1", "2", "7"] and rows[0]["agnostic_mask"] == "0.5"
    assert stats.main([str(folder), "--format", "latex"]) == 0
    assert r"vitonhd & train & upper\_body & 4 &" in capsys.readouterr().out


def test_records_that_count_twice_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, "train-00000-of-00001.parquet", [row(0)])
    assert stats.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "1 record stands in more than one place" in capsys.readouterr().err


def test_wrong_usage_and_damage(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [
        ([str(tmp_path / "nowhere")], "nowhere"),
        ([str(folder), str(folder) + "/"], "given twice"),
        ([str(folder), "--format", "html"], "'html'"),
        ([str(folder), "--output", str(tmp_path / "no/folder.md")], "no/folder.md"),
        ([], "SHARDS"),
    ]
    for arguments, named in cases:
        with pytest.raises(UsageError, match=named):
            stats.main(arguments)
    next(folder.glob("test-*")).write_bytes(b"no shard")
    assert stats.main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and error.startswith("python -m pipelines.stats: ")
