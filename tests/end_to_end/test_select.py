"""Some records of finished shards, every cell as it was."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from support.helpers import HEIGHT, WIDTH, Dataset, Result, digests, draw

from pipelines.judging import findings
from schemas import codecs, shards

Command = Callable[..., Result]
BUILD, SELECT = "pipelines.build_vitonhd", "pipelines.select"


def rows(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*-of-*")):
        with path.open("rb") as file:
            found += list(shards.ShardReader(file, path.name).rows())
    return found


@pytest.fixture
def built(command: Command, dataset: Dataset, tmp_path: Path) -> Path:
    for seed in range(10, 13):
        dataset.add(f"{seed:05d}_00", seed, split="train")
    dataset.pairs(*(f"{seed:05d}_00.jpg {seed:05d}_00.jpg" for seed in range(10, 13)), split="train")
    assert command(BUILD, "--input", dataset.root, "--output", tmp_path / "built", "--shard-size", 2).code == 0
    return tmp_path / "built"


def test_where(command: Command, built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    where = 'split == "train" or person_id in ("00001_00", "00004_00", "00005_00")'
    result = command(SELECT, built, "--where", where, "--output", out)
    assert (result.code, result.json["records"], result.json["shards"]) == (0, 6, 4), result.stderr
    assert result.stderr.startswith("6 of ") and "records kept" in result.stderr.splitlines()[0]
    expected = [
        r for r in rows(built) if r["split"] == "train" or r["person_id"] in ("00001_00", "00004_00", "00005_00")
    ]
    assert rows(out) == expected
    assert [path.name for path in sorted(out.glob("test-*"))] == [f"test-0000{i}-of-00002.parquet" for i in range(2)]
    assert command("pipelines.validate", out).code == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["configuration"]["where"] == where and manifest["source_build"]["command"] == "build_vitonhd"
    before = digests(out)
    again = command(SELECT, built, "--where", where, "--output", out)
    assert again.json["skipped_shards"] == 4 and digests(out) == before


def test_everything_selected_is_everything(command: Command, built: Path, tmp_path: Path) -> None:
    result = command(SELECT, built, "--where", "quality.person_sharpness > 0", "--output", tmp_path / "out")
    assert result.json["records"] == 9
    for path in built.glob("*-of-*"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_nothing_selected(command: Command, built: Path, tmp_path: Path) -> None:
    result = command(SELECT, built, "--where", "width > 5000", "--output", tmp_path / "out")
    assert (result.code, result.json["records"], result.json["shards"]) == (3, 0, 0)
    assert command("pipelines.finish", tmp_path / "out").code == 0


def test_wrong_usage_is_one_line(command: Command, built: Path, tmp_path: Path) -> None:
    cases = [
        ((), "--where EXPR and --drop-findings"),
        (("--where", ""), "empty"),
        (("--where", "colour == 'red'"), "'colour'"),
        (("--where", "width >"), "isn't understood"),
        (("--drop-findings", "ugly"), f"'ugly'; allowed are {', '.join(findings.KINDS)}"),
        (("--where", "width > 1", "--foo"), "--foo"),
    ]
    for arguments, named in cases:
        result = command(SELECT, built, *arguments, "--output", tmp_path / "out")
        assert result.code == 2 and named in result.error, arguments
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()


def enlarged(drawn: np.ndarray) -> np.ndarray:
    """Large enough not to be a finding by itself, and sharp."""
    return cv2.resize(drawn, (4 * WIDTH, 4 * HEIGHT), interpolation=cv2.INTER_NEAREST)


def test_findings_are_dropped(command: Command, tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "dataset")
    names = ["blurred", "cut", "dark", "good", "twin"]
    for seed, name in enumerate(names):
        drawn = draw(seed)
        person = enlarged(draw(3)["person"] if name == "twin" else drawn["person"])
        garment = np.full((4 * HEIGHT, 4 * WIDTH, 3), 246, np.uint8)
        garment[64:448, 64:320] = np.kron(
            np.random.default_rng(seed).integers(0, 180, (12, 8, 3)), np.ones((32, 32, 1))
        )
        if name == "blurred":
            person = cv2.GaussianBlur(person, (0, 0), 6)
        if name == "dark":
            person //= 8
        if name == "cut":
            garment[100:400, :30] = (10, 20, 30)
        if name == "twin":
            person[0, 0] ^= 1
        dataset.put(f"test/image/{name}.png", codecs.encode_png(person))
        dataset.put(f"test/cloth/{name}.png", codecs.encode_png(garment))
    dataset.pairs(*(f"{name}.png {name}.png" for name in names))
    built = tmp_path / "built"
    skipped = ("--skip", "parse,keypoints,densepose,caption")
    assert command(BUILD, "--input", dataset.root, "--output", built, *skipped).code == 0
    found = pq.read_table(io.BytesIO((built / "findings.parquet").read_bytes())).to_pylist()
    assert {row["severity"] for row in found if row["kind"] == "near_duplicate"} == {"info", "warning"}
    for kinds, dropped in [
        ("blurred", {"blurred", "dark"}),  # in the dark nothing is sharp
        ("garment_outside_frame", {"cut"}),
        ("near_duplicate", {"twin"}),
        ("blurred,dark,near_duplicate,garment_outside_frame,nobody", {"blurred", "dark", "cut", "twin"}),
    ]:
        out = tmp_path / kinds
        result = command(SELECT, built, "--drop-findings", kinds, "--output", out)
        assert result.code == 0, result.stderr
        told = {row["record_id"] for row in found if row["kind"] in kinds.split(",") and row["severity"] != "info"}
        kept = [row for row in rows(built) if row["record_id"] not in told]
        assert rows(out) == kept and not {row["person_id"] for row in kept} & dropped
        manifest = json.loads((out / "manifest.json").read_text())
        assert not set(kinds.split(",")) & set(manifest["counts"]["findings_by_kind"]), "findings are made anew"


def test_real_photos_spoilt(command: Command, data: Path, models: Path, tmp_path: Path) -> None:
    people = [codecs.decode_image(path.read_bytes()) for path in sorted((data / "photos/person").iterdir())]
    garment = codecs.decode_image((data / "photos/garment/00126.jpg").read_bytes())
    spoilt = {
        "cropped": people[0][:, :400],
        "several_people": np.concatenate(people[:2], axis=1),
        "nobody": garment,
        "too_small": np.pad(people[4][::3, ::3], ((300, 300), (250, 250), (0, 0)), mode="edge"),
        "blurred": cv2.GaussianBlur(people[2], (0, 0), 3),
        "dark": people[3] // 5,
        "garment_outside_frame": people[0],
        "sound": people[1],
    }
    dataset = Dataset(tmp_path / "dataset")
    for name, person in spoilt.items():
        own = garment[:, 200:] if name == "garment_outside_frame" else garment
        dataset.put(f"test/image/{name}.png", codecs.encode_png(np.ascontiguousarray(person)))
        dataset.put(f"test/cloth/{name}.png", codecs.encode_png(np.ascontiguousarray(own)))
    dataset.pairs(*(f"{name}.png {name}.png" for name in spoilt))
    chosen = ("--annotators", "pose,person_mask,garment_mask,quality", "--nobody", "null", "--weights", models)
    built = tmp_path / "built"
    result = command(BUILD, "--input", dataset.root, "--output", built, *chosen, timeout=600)
    assert result.code == 0, result.stderr
    rows_found = pq.read_table(io.BytesIO((built / "findings.parquet").read_bytes())).to_pylist()
    found = {(row["record_id"].rpartition("+")[2], row["kind"]) for row in rows_found}
    assert {(name, name) for name in spoilt if name != "sound"} <= found
    assert not {kind for name, kind in found if name == "sound"} - {"near_duplicate"}
