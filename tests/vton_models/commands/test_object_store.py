"""Shards, bases and runs on an S3 server, for the commands that read them; the stand-in model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accelerate.state import AcceleratorState
from support import small_shards, stand_in
from support.object_store import Bucket

import vton_models
from schemas.cli.flags import UsageError
from vton_models.__main__ import main

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = ("--steps", "2", "--log-every", "1", "--checkpoint-every", "2", "--learning-rate", "0.01", "--seed", "3")


@pytest.fixture(autouse=True)
def stand_in_is_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    known = vton_models.names
    stand_in.register()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    vton_models.names = known
    AcceleratorState._reset_state(True)


def trained(shards: object, output: Path, *words: str) -> dict[str, Any]:
    """What the run says of itself in config.json."""
    line = ["train", "stand_in", "--shards", str(shards), "--output", str(output), *STEPS, *words]
    assert main(line) == 0
    AcceleratorState._reset_state(True)
    return json.loads((output / "config.json").read_bytes())


def weights(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "model").iterdir() if path.suffix not in (".json", ".md")}


def test_training_is_the_same_as_from_a_disk(bucket: Bucket, tmp_path: Path) -> None:
    """With two forked workers; an earlier run is copied here."""
    local = small_shards.write(tmp_path / "shards", 8)
    far = bucket.upload(local, "shards")
    here = trained(local, tmp_path / "here", "--tiny", "--workers", "0")
    there = trained(far, tmp_path / "there", "--tiny", "--workers", "2")
    assert (
        weights(tmp_path / "here")
        and weights(tmp_path / "here") == weights(tmp_path / "there")
        and here["data"] == there["data"]
    )

    run = bucket.upload(tmp_path / "here", "run")
    trained(local, tmp_path / "further", "--tiny", "--workers", "0", "--init", run)
    trained(local, tmp_path / "further_here", "--tiny", "--workers", "0", "--init", str(tmp_path / "here"))
    assert weights(tmp_path / "further") == weights(tmp_path / "further_here")
    assert main(["preview", "stand_in", "--tiny", "--shards", far, "--output", str(tmp_path / "pictures")]) == 0
    assert len(list((tmp_path / "pictures").iterdir())) > 1


@pytest.mark.parametrize("word", ["", "base:", "official:"])
def test_weights_that_are_not_there(bucket: Bucket, tmp_path: Path, word: str) -> None:
    far = bucket.upload(small_shards.write(tmp_path / "shards", 8), "shards")
    line = ["train", "stand_in", "--shards", far, "--output", str(tmp_path / "run"), *STEPS]
    with pytest.raises(UsageError, match=f"{bucket.url}/none: there is no such file or folder"):
        main([*line, "--init", f"{word}{bucket.url}/none"])
    assert not (tmp_path / "run").exists()
