"""An entry of the plan may be a clip, whose source yields many records: through the whole of a build."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import toy_clips, toy_pairs
from support.helpers import digests, rows

from pipelines import sources, validate
from pipelines.building import command, receipts
from pipelines.building.build import Request
from pipelines.building.configuration import Flags
from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.folders import open_folder


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips of four frames, of the second of which two are dark, and one that is damaged."""
    rooms = sources._rooms()
    monkeypatch.setattr(sources, "_rooms", lambda: {**rooms, "toy": "clips", "pairs": "clips"})
    monkeypatch.setitem(sys.modules, "pipelines.sources.clips.toy", toy_clips)
    monkeypatch.setitem(sys.modules, "pipelines.sources.clips.pairs", toy_pairs)
    for name, dark in (("a", ()), ("b", (1, 3)), ("c", ())):
        toy_clips.write(tmp_path / "clips", name, 4, dark)
    (tmp_path / "clips/d.png").write_bytes(b"no picture")
    return tmp_path / "clips"


def build(clips: Path, output: Path, *engine: str, shard_size: int = 2) -> int:
    words = ["--output", str(output), "--shard-size", str(shard_size), "--annotators", "quality"]
    line = command.parse("build_toy", "", "", Flags, [*words, "--max-reject-rate", "0.5", *engine])
    return command.run(Request(line, "toy", "toy", str(clips)))


def loaded(output: Path) -> Sequence[receipts.UnitReceipt]:
    folder = open_folder(str(output))
    return [receipts.load(folder, name) for name in sorted(receipts.names(folder), key=str)]


def test_a_clip_yields_its_records_and_counts_what_it_declines(clips: Path, tmp_path: Path) -> None:
    assert build(clips, tmp_path / "out") == 0
    ids = [row["record_id"] for row in rows(tmp_path / "out")]
    assert ids == [f"toy/{clip}-{n}" for clip, ns in (("a", "0123"), ("b", "02"), ("c", "0123")) for n in ns]
    first, second = loaded(tmp_path / "out")
    assert (first.rows, first.declined, first.rejects) == (6, {"dark": 2}, [])
    assert (second.rows, second.declined, len(second.rejects)) == (4, {}, 1)
    assert set(second.inputs) == {"c.png", "d.png"}, "also of the clip that gave nothing"
    counts = json.loads((tmp_path / "out/manifest.json").read_text())["counts"]
    assert (counts["records"], counts["rejects"], counts["declined"]) == (10, 1, {"dark": 2})


def test_a_clip_that_is_declined_as_a_whole_is_no_reject_and_is_done(clips: Path, tmp_path: Path) -> None:
    (clips / "d.png").unlink()
    toy_clips.write(clips, "d", 2, (0, 1))
    assert build(clips, tmp_path / "out") == 0
    assert loaded(tmp_path / "out")[1].declined == {"dark": 2}
    (clips / "d.png").touch()
    assert build(clips, tmp_path / "out") == 0
    run = json.loads((tmp_path / "out/_run.json").read_text())
    assert run["skipped_shards"] == 2, "a touch is no change: its input is in the receipt"


def test_what_a_killed_run_left_is_gone_on_with(clips: Path, tmp_path: Path) -> None:
    assert build(clips, tmp_path / "whole") == 0 and build(clips, tmp_path / "killed") == 0
    for path in ("manifest.json", "train-00001-of-00002.parquet"):
        (tmp_path / "killed" / path).unlink()
    (tmp_path / "killed/.tmp-train-00001-of-00002.parquet-1-1").write_bytes(b"half")
    assert build(clips, tmp_path / "killed") == 0
    assert json.loads((tmp_path / "killed/_run.json").read_text())["skipped_shards"] == 1
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


def test_workers_and_the_cut_into_chunks_change_nothing(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.building import unit

    assert build(clips, tmp_path / "one", "--direct_num_workers=1", shard_size=1) == 0
    assert build(clips, tmp_path / "four", "--direct_num_workers=4", shard_size=1) == 0
    monkeypatch.setattr(unit, "PIXELS_AHEAD", 1)
    assert build(clips, tmp_path / "single", shard_size=1) == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "four") == digests(tmp_path / "single")


def pairs(clips: Path, output: Path, step: int, *words: str) -> int:
    flags = ["--output", str(output), "--max-reject-rate", "0.5", *words]
    line = command.parse("build_pairs", "", "", Flags, flags)
    return command.run(Request(line, "pairs", "toy", str(clips), {"step": step}))


def test_records_are_of_the_kind_that_the_source_names(clips: Path, tmp_path: Path) -> None:
    """Without --annotators none runs, since the default ones are a try-on record's; columns are the kind's base."""
    assert pairs(clips, tmp_path / "out", 1) == 0
    records = rows(tmp_path / "out")
    assert [row["record_id"] for row in records[:3]] == [f"toy/a/object/{n}+{n + 1}" for n in range(3)]
    assert tuple(records[0]) == kinds.OBJECT_PAIR.base
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["kind"] == "object_pair" and manifest["configuration"]["annotators"] == {}
    assert validate.main([str(tmp_path / "out")]) == 0


def test_columns_of_another_kind_are_none_to_skip(clips: Path, tmp_path: Path) -> None:
    assert pairs(clips, tmp_path / "out", 1, "--skip", "high_frequency_map") == 0
    with pytest.raises(UsageError, match="--skip 'garment_back_image'; allowed are"):
        pairs(clips, tmp_path / "other", 1, "--skip", "garment_back_image")


def test_what_the_source_was_told_makes_other_shards(clips: Path, tmp_path: Path) -> None:
    """A source that reads its entries itself makes other records of the same entries, so nothing of before is kept."""
    assert pairs(clips, tmp_path / "out", 1) == 0
    with pytest.raises(UsageError, match="holds another build .source_options step was '1', is '2'"):
        pairs(clips, tmp_path / "out", 2)
    assert pairs(clips, tmp_path / "out", 2, "--overwrite") == 0
    assert json.loads((tmp_path / "out/_run.json").read_text())["skipped_shards"] == 0
    assert pairs(clips, tmp_path / "fresh", 2) == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "fresh")
