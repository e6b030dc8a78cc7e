"""IGPair, DeepFashion and tables of paths through their real commands: values, bytes, twins, wrong usage."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from support import layouts_tables
from support.helpers import Result, digests, rows
from support.layouts_tables import put, table_bytes, table_rows

from pipelines import build_deepfashion, build_igpair, build_table, validate
from schemas import codecs
from schemas.cli.flags import UsageError

Command = Callable[..., Result]
WEIGHTLESS = ("--annotators", "garment_mask,quality,caption_tags", "--max-reject-rate", "0.5")


def build_here(module: Any, *arguments: object) -> tuple[int, dict[str, Any]]:
    """The command in this process: exit code and its line of JSON."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = module.main([str(word) for word in arguments])
    return code, json.loads(out.getvalue().splitlines()[-1])


def problems(folder: Path) -> list[str]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        return [] if validate.main([str(folder)]) == 0 else out.getvalue().splitlines()


def by_id(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["record_id"].split("/", 1)[1]: row for row in rows(folder)}


def origins(row: dict[str, Any]) -> dict[str, str]:
    return {entry["column"]: entry["origin"] for entry in row["provenance"]}


def test_igpair(command: Command, tmp_path: Path) -> None:
    outputs = [tmp_path / "out-one", tmp_path / "out-other"]
    for place in ("one", "other/IGPair"):
        layouts_tables.igpair(tmp_path / place)
        entries = [
            *layouts_tables.igpair_entries(),
            {"image_file": "../a.jpg", "cloth_file": "clothes/cloth_000000.jpg"},
        ]
        put(tmp_path / place, "IGPair.json", json.dumps(entries).encode())
    result = command("pipelines.build_igpair", "--input", tmp_path / "one", "--output", outputs[0], *WEIGHTLESS)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 4, 1), result.stderr
    build_here(build_igpair, "--input", tmp_path / "other/IGPair", "--output", outputs[1], *WEIGHTLESS)
    assert digests(outputs[0]) == digests(outputs[1])
    assert problems(outputs[0]) == []
    found = by_id(outputs[0])
    row, drawn = found["train/image_000000_00+cloth_000000"], layouts_tables.person(layouts_tables.ids()[0])
    assert row["person_image"]["bytes"] == (tmp_path / "one/images/image_000000_00.jpg").read_bytes()
    assert (codecs.decode_mask(row["person_mask"]["bytes"]) == drawn.mask).all()
    assert np.allclose(np.array(row["keypoints"]).reshape(25, 3), drawn.keypoints, atol=1e-4)
    assert (codecs.decode_image(row["densepose_image"]["bytes"]) == drawn.densepose_image).all()
    assert (row["paired"], row["garment_view"], row["category"]) == (True, "flat", "upper_body")
    assert row["caption"] == "caption 0" and [caption["text"] for caption in row["captions"]] == [
        "caption 0",
        "a model",
    ]
    assert origins(row)["garment_mask"] == "annotator" and row["quality"]["garment_area"] > 0.1
    unknown = found["train/image_000002_00+cloth_000002"]
    assert (unknown["category"], unknown["garment_type"]) == (None, "lingerie") and unknown["garment_caption"]
    assert found["train/image_000000_01+cloth_000000"]["pose_image"] is not None
    (reject,) = pq.read_table(outputs[0] / "rejects.parquet").to_pylist()
    assert (reject["error"], reject["source"]) == ("outside_root", "IGPair.json:6")
    assert json.loads((outputs[0] / "_run.json").read_text())["repeated_lines"] == 1


def test_deepfashion(command: Command, tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path / "one")
    layouts_tables.deepfashion(tmp_path / "other/In-shop")
    outputs = [tmp_path / "out-one", tmp_path / "out-other"]
    result = command("pipelines.build_deepfashion", "--input", tmp_path / "one", "--output", outputs[0], *WEIGHTLESS)
    assert (result.code, result.json["records"], result.json["shards"]) == (0, 4, 2), result.stderr
    build_here(build_deepfashion, "--input", tmp_path / "other/In-shop", "--output", outputs[1], *WEIGHTLESS)
    assert digests(outputs[0]) == digests(outputs[1])
    assert problems(outputs[0]) == []
    found = by_id(outputs[0])
    dress = found["train/WOMEN-Dresses-id_00000002-02_1_front+WOMEN-Dresses-id_00000002-02_4_full"]
    folder = tmp_path / "one/img/WOMEN/Dresses/id_00000002"
    assert dress["garment_image"]["bytes"] == (folder / "02_4_full.jpg").read_bytes()
    assert (dress["garment_view"], dress["category"], dress["garment_type"]) == ("worn", "dresses", "Dresses")
    assert dress["garment_mask"] is None and dress["paired"] is True
    hats = found["test/WOMEN-Hats-id_00000090-01_1_front+WOMEN-Hats-id_00000090-01_4_full"]
    assert (hats["category"], hats["garment_type"]) == (None, "Hats")
    notes = {entry["column"]: entry["note"] for entry in hats["provenance"]}
    assert "no category" in notes["garment_image"]
    how = ("--pairs-per-item", "all", "--split", "test", *WEIGHTLESS)
    code, line = build_here(build_deepfashion, "--input", tmp_path / "one", "--output", tmp_path / "all", *how)
    assert (code, line["records"]) == (0, 4)


def test_table(command: Command, tmp_path: Path) -> None:
    layouts_tables.table_files(tmp_path / "data")
    renamed = [{"image" if k == "person_image" else k: v for k, v in row.items()} for row in table_rows()]
    bad = [renamed[0] | {"image": "../out.jpg", "garment_id": "x"}, renamed[0] | {"paired": "perhaps"}]
    put(tmp_path, "lists/pairs.csv", table_bytes([*renamed, *bad], ".csv"))
    out = tmp_path / "out"
    result = command(
        *("pipelines.build_table", "--input", tmp_path / "lists/pairs.csv", "--root", tmp_path / "data"),
        *("--columns", "image=person_image", "--dataset", "mine", "--output", out),
        *("--annotators", "agnostic,quality", "--agnostic-recipe", "hrviton", "--max-reject-rate", "0.5"),
    )
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 3, 2), result.stderr
    assert problems(out) == []
    found = by_id(out)
    person_id = layouts_tables.ids()[0]
    row, drawn = found[f"train/{person_id}+g0"], layouts_tables.person(person_id)
    assert (codecs.decode_label_map(row["parse"]["bytes"], "cihp") == drawn.parse).all()
    assert np.allclose(np.array(row["keypoints"]).reshape(25, 3), drawn.keypoints, atol=1e-4)
    assert codecs.decode_mask(row["agnostic_mask"]["bytes"]).any() and origins(row)["agnostic_mask"] == "annotator"
    assert row["tags"] == [{"name": "item", "value": "Top"}, {"name": "looks", "value": None}]
    assert row["dataset"] == "mine" and row["caption"] == "caption 0"
    assert {row["split"]: row["category"] for row in found.values() if not row["paired"]} == {"test": "lower_body"}
    manifest = (out / "manifest.json").read_text()
    assert str(tmp_path) not in manifest and "pairs.csv, image=person_image" in manifest
    rejects = pq.read_table(out / "rejects.parquet").to_pylist()
    assert {(r["error"], r["source"]) for r in rejects} == {
        *{("outside_root", "pairs.csv:4"), ("malformed_row", "pairs.csv:5")},
    }


def test_the_same_shards_whatever_the_format_and_store(tmp_path: Path) -> None:
    layouts_tables.table_files(tmp_path / "data")
    store = fsspec.filesystem("memory")
    outputs = []
    try:
        for path in sorted((tmp_path / "data").rglob("*.*")):
            store.pipe_file(f"/tables/{path.relative_to(tmp_path / 'data')}", path.read_bytes())
        store.pipe_file("/tables/pairs.parquet", table_bytes(table_rows(), ".parquet"))
        places = ["memory://tables/pairs.parquet"]
        for ending in (".csv", ".jsonl"):
            places.append(str(put(tmp_path / "data", f"pairs{ending}", table_bytes(table_rows(), ending))))
        for number, place in enumerate(places):
            outputs.append(tmp_path / f"out-{number}")
            code, line = build_here(build_table, "--input", place, "--output", outputs[-1], "--annotators", "quality")
            assert (code, line["records"], line["rejects"]) == (0, 3, 0)
    finally:
        store.rm("/tables", recursive=True)
    shards = [{name: data for name, data in digests(out).items() if "-of-" in name} for out in outputs]
    assert shards[0] == shards[1] == shards[2] and len(shards[0]) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((build_igpair,), "--input is missing; allowed is the folder that holds IGPair.json"),
        ((build_deepfashion,), "--input is missing; allowed is the folder that holds img/"),
        ((build_deepfashion, "--input", "data"), "layout not found"),
        ((build_table,), "--input is missing; allowed is a table of paths"),
        ((build_table, "--input", "none.csv"), "'none.csv': No such file or directory"),
        ((build_table, "--input", "data"), "'data': Is a directory"),
        ((build_table, "--input", "nothing://a/b.csv"), "nothing"),
        ((build_table, "--input", "data/pairs.csv", "--root", "nowhere"), "--root 'nowhere' is no folder"),
        ((build_table, "--input", "data/pairs.csv", "--dataset", "../x"), "--dataset '../x'; allowed are letters"),
        ((build_table, "--input", "data/pairs.csv", "--columns", "a"), "--columns 'a'; allowed is theirs=ours"),
        ((build_table, "--input", "data/pairs.csv", "--columns", "tags=tag"), "no column 'tag'; allowed are"),
        ((build_table, "--input", "data/pairs.csv", "--category", "hat"), "hat"),
    ],
)
def test_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...], says: str) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "data/pairs.csv", table_bytes(table_rows(), ".csv"))
    module, *words = arguments
    with pytest.raises(UsageError) as caught:
        module.main(words)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "output").exists()


def test_commands_are_listed_and_end_with_one_line(command: Command, tmp_path: Path) -> None:
    listed = command("pipelines").stdout
    assert all(f"build_{name} " in listed for name in ("igpair", "deepfashion", "table"))
    result = command("pipelines.build_table", "--input", "none.csv")
    assert result.code == 2 and len(result.stderr.strip().splitlines()) == 1 and "none.csv" in result.error
