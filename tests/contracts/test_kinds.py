"""What every kind of records promises, and object pairs through the commands that read shards."""

import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import object_pairs
from support.helpers import rows

from annotators.common import registry
from pipelines import annotate, export, report, select, stats, validate
from schemas import fields, kinds, record
from schemas.cli.flags import UsageError


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


def test_shards_from_before_there_were_kinds_are_try_on() -> None:
    old = record.schema(kinds.TRYON, ()).with_metadata({b"huggingface": b"{}"})
    assert kinds.of(old) is kinds.TRYON


def test_an_unknown_kind_is_named() -> None:
    schema = record.schema(kinds.TRYON, ()).with_metadata({b"kind": b"clip"})
    with pytest.raises(UsageError, match="'clip'; allowed are tryon, object_pair"):
        kinds.of(schema)


def test_pairs_are_valid(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.main([str(pairs)]) == 0, capsys.readouterr()
    assert "4 records in 1 shards: valid" in capsys.readouterr().out


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
    assert "reference_mask" in page and "still" in page and "paired" not in page
    capsys.readouterr()
    assert stats.main([str(pairs), "--format", "csv"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "dynamics" in head and "objects" in head and any("still" in line for line in lines)


@pytest.mark.parametrize("layout", ["webdataset", "imagefolder"])
def test_pairs_are_exported(pairs: Path, tmp_path: Path, layout: str) -> None:
    assert export.main([str(pairs), "--layout", layout, "--output", str(tmp_path / "out")]) == 0


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
