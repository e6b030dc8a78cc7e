"""`sample` through the real command: killed and started again, and a model that is trained on what another made."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import small_shards
from support.helpers import Result
from support.killing import killed_midway

from vton_models.commands import sample, synthesize

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

Command = Callable[..., Result]
RANDOM = ("--weights", "random", "--tiny")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_and_started_again_ends_with_the_same_bytes(process: Command, tmp_path: Path) -> None:
    shards = small_shards.write(tmp_path / "shards", 9)
    words = ["sample", "catvton", *RANDOM, "--shards", str(shards), "--num-inference-steps", "10", "--batch-size", "2"]
    out = tmp_path / "killed"
    command_line = [sys.executable, "-m", "vton_models", *words, "--output", str(out)]
    killed_midway(command_line, out, lambda: any(out.glob("0*.png")), lambda: len(list(out.glob("0*.png"))) == 9)
    assert not (out / "samples.parquet").exists() and len(list(out.glob("0*.png"))) < 9
    again = process("vton_models", *words, "--output", out)
    assert again.code == 0, again.stderr
    # Not in this process: other tests may have changed its number of threads, and with it the last bit.
    assert process("vton_models", *words, "--output", tmp_path / "whole").code == 0
    assert again.json["samples"] == 9 and 0 < again.json["skipped"] < 9
    assert contents(out) == contents(tmp_path / "whole")


def test_a_mask_free_model_learns_from_synthesised_records(command: Command, tmp_path: Path) -> None:
    shards = small_shards.write(tmp_path / "shards", 4)
    steps = ("--num-inference-steps", "1")
    made = ["catvton", *RANDOM, *steps, "--shards", str(shards), "--output", str(tmp_path / "b")]
    assert synthesize.main(made) == 0
    words = ("train", "catvton", "--tiny", "--mask-free", "--steps", "2", "--shards", tmp_path / "b", "--workers", "0")
    trained = command("vton_models", *words, "--output", tmp_path / "run")
    assert trained.code == 0 and trained.json["steps"] == 2, trained.stderr
    (data,) = json.loads((tmp_path / "run/config.json").read_text())["data"]
    assert data["manifest_sha256"], "its lineage names the synthesised shards"
    words = ("catvton", "--weights", tmp_path / "run", *steps, "--shards", tmp_path / "b", "--pairs", "paired")
    assert sample.main([*map(str, words), "--output", str(tmp_path / "out")]) == 0
    assert pq.read_table(tmp_path / "out/samples.parquet").num_rows == 4
