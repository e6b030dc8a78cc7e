"""What networks made of a record, as columns of its shard: every command that reads or rewrites shards copes."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import browser, finished
from support.helpers import draw, rows
from support.small_shards import row

from pipelines import annotate, export, report, select, stats, validate
from schemas import codecs, fields, kinds, record, tensors
from schemas.folders import open_folder

PERSON = fields.tensor("latents_person_image", ("person_image",), "a digest")
MASKED = fields.tensor("latents_masked", ("person_image", "agnostic_mask"), "a digest")


def latents(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(2, 4, 16, 12)).astype(np.float16)


def stored(number: int) -> dict[str, Any]:
    """Record 1 lacks one of the two; each says where they come from."""
    made: dict[str, Any] = row(number)
    cells = {PERSON.name: latents(number), MASKED.name: None if number == 1 else latents(10 + number)}
    for field in (PERSON, MASKED):
        made[field.name] = record.encode(field, cells[field.name], f"{number}.npy")
    entry = {"origin": "annotator", "annotator": "vae", "digest": "d", "note": None}
    made["provenance"] = [{"column": name} | entry for name, value in cells.items() if value is not None]
    return made


@pytest.fixture(params=["parquet", "arrow"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    written = finished.write(tmp_path / "in", [stored(n) for n in range(4)], 2, request.param, (PERSON, MASKED))
    return Path(written)


def problems(folder: Path) -> list[str]:
    return validate.validate(open_folder(str(folder))).problems


def test_they_are_validated(folder: Path, tmp_path: Path) -> None:
    assert not [line for line in problems(folder) if "latents" in line]
    bad = [stored(n) for n in range(2)]
    bad[1][PERSON.name] = {"bytes": b"\x93NUMPY", "path": "x.npy"}
    told = problems(finished.write(tmp_path / "bad", bad, extra=(PERSON, MASKED)))
    assert [line for line in told if "latents" in line] == [
        "train-00000-of-00001.parquet: small/train/00001: latents_person_image: not a .npy file"
    ]


def test_they_are_counted(folder: Path) -> None:
    _, shares = stats.tables(stats.read([open_folder(str(folder))]), False)
    total = {row[0]: row[-1] for row in shares.rows}
    assert (total["latents_person_image"], total["latents_masked"]) == (1.0, 0.75)


def test_selecting_keeps_them_to_the_byte_and_reports_show_pictures_alone(folder: Path, tmp_path: Path) -> None:
    words = [str(folder), "--where", 'person_id != "00002"', "--output", str(tmp_path / "out")]
    assert select.main(words) == 0
    kept = [one for one in rows(folder) if one["person_id"] != "00002"]
    for before, after in zip(kept, rows(tmp_path / "out"), strict=True):
        assert after | {"provenance": None} == before | {"provenance": None}
        assert sorted(one["column"] for one in after["provenance"]) == sorted(
            one["column"] for one in before["provenance"]
        )
    assert np.array_equal(tensors.decode(kept[1][PERSON.name]["bytes"]), latents(1))
    assert report.main([str(tmp_path / "out"), "--output", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    titles = {figure["title"] for card in browser.data(page, "sheet")["cards"] for figure in card["figures"]}
    assert "person_image" in titles and not any("latents" in title for title in titles)


def test_what_is_made_of_a_changed_column_goes_with_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrected = tmp_path / "masks"
    corrected.mkdir()
    (corrected / "small__train__00000.png").write_bytes(codecs.encode_mask(255 - draw(0)["mask"]))
    words = [str(folder), "--from-folder", f"agnostic_mask={corrected}", "--output", str(tmp_path / "out")]
    assert annotate.main(words) == 0
    assert "latents_masked is left out: it was made of person_image, agnostic_mask" in capsys.readouterr().err
    before, after = rows(folder), rows(tmp_path / "out")
    assert all(MASKED.name not in one for one in after)
    assert [one[PERSON.name] for one in after] == [one[PERSON.name] for one in before]
    assert all(entry["column"] != MASKED.name for one in after for entry in one["provenance"])
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert MASKED.name not in manifest["columns"] and PERSON.name in manifest["columns"]
    words = [str(folder), "--annotators", "quality", "--output", str(tmp_path / "other")]
    assert annotate.main(words) == 0
    assert [one[MASKED.name] for one in rows(tmp_path / "other")] == [one[MASKED.name] for one in before]


def test_exports(folder: Path, tmp_path: Path) -> None:
    for layout in ("webdataset", "imagefolder"):
        assert export.main([str(folder), "--layout", layout, "--output", str(tmp_path / layout)]) == 0
    with tarfile.open(sorted((tmp_path / "webdataset").glob("*.tar"))[0]) as tar:
        names = tar.getnames()
        member = tar.extractfile("small__train__00000.latents_person_image.npy")
        assert member is not None and np.array_equal(np.load(io.BytesIO(member.read())), latents(0))
    assert "small__train__00001.latents_masked.npy" not in names
    assert not list((tmp_path / "imagefolder").rglob("*latents*"))


def test_datasets_reads_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    if not list(folder.glob("*.parquet")):
        pytest.skip("`datasets` reads Parquet")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets.disable_progress_bars()
    files = [str(path) for path in sorted(folder.glob("*.parquet"))]
    loaded = datasets.load_dataset("parquet", data_files={"train": files}, cache_dir=str(tmp_path / "cache"))["train"]
    cells = [one["latents_masked"] for one in loaded]
    assert np.array_equal(np.load(io.BytesIO(cells[0]["bytes"])), latents(10))
    assert not (cells[1] or {}).get("bytes") and loaded[0]["person_image"].size == (96, 128)


def test_the_reader(folder: Path) -> None:
    pytest.importorskip("torch")
    from vton_models.reading.dataset import ShardDataset

    columns = [PERSON.name, MASKED.name, "record_id"]
    items = list(ShardDataset(str(folder), columns, shuffle=False))
    assert all(np.array_equal(item[PERSON.name], latents(n)) for n, item in enumerate(items))
    assert items[1][MASKED.name] is None and items[0][MASKED.name].dtype == np.float16
    batch = next(iter(ShardDataset(str(folder), columns, shuffle=False, batch_size=4)))
    assert batch[PERSON.name].shape == (4, 2, 4, 16, 12) and str(batch[PERSON.name].dtype) == "torch.float16"
    assert batch["has_latents_masked"].tolist() == [True, False, True, True] and not batch[MASKED.name][1].any()


def test_the_kinds_have_none_of_their_own() -> None:
    for kind in kinds.KINDS.values():
        assert not any(map(fields.is_tensor, kind.columns))
