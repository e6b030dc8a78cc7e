"""The embedded sample → `train catvton --tiny`, killed and gone on with, through the real commands."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.helpers import Result
from support.killing import killed_midway

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

Command = Callable[..., Result]
STEPS = ("--steps", "14", "--checkpoint-every", "4", "--workers", "0", "--log-every", "1", "--ema", "0.9")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def sample(drawn_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded sample's train split as shards."""
    folder = tmp_path_factory.mktemp("sample")
    words = [sys.executable, "-m", "pipelines.build_vitonhd", "--split", "train", "--output", str(folder / "shards")]
    environment = os.environ | {"XDG_CACHE_HOME": str(drawn_sample / "cache")}
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=300)
    return folder / "shards"


def log(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "memory_gib")} for line in lines]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("log.jsonl", "run.html"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def train(sample: Path, output: Path) -> list[str]:
    words = ["train", "catvton", "--shards", str(sample), "--tiny", *STEPS, "--output", str(output)]
    return [sys.executable, "-m", "vton_models", *words]


def finished(words: list[str]) -> tuple[dict[str, Any], str]:
    """The JSON of the last line, and stderr."""
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr


def cpu_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_killed_run_equals_an_unbroken_one_bit_for_bit(sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    killed_midway(
        train(sample, run), run, lambda: any(run.glob("checkpoints/step-*")), (run / "model").exists, env=ENVIRONMENT
    )
    before = cpu_seconds()
    told, said = finished(train(sample, tmp_path / "whole"))
    assert cpu_seconds() - before < 60, "on a busy machine, too: time on the clock says nothing"
    assert (told["steps"], told["records_seen"], told["skipped_steps"]) == (14, 28, 0)
    assert "agnostic_mask is read: the shards have no agnostic_mask_catvton" in said
    assert "left out" not in said, "every category has its mask"
    finished(train(sample, run))
    whole = contents(tmp_path / "whole")
    assert contents(tmp_path / "run") == whole and log(tmp_path / "run") == log(tmp_path / "whole")
    assert {"base/unet/config.json", "model/model.safetensors", "model/config.json", "README.md"} <= set(whole)


def test_wrong_usage_ends_with_one_line_and_exit_code_2(process: Command, sample: Path, tmp_path: Path) -> None:
    result = process("vton_models", "train", "catvton", "--shards", sample, "--tiny", "--height", "65")
    assert result.code == 2 and len(result.stderr.strip().splitlines()) == 1 and not result.stdout
    assert "65x48" in result.error and "nearest is 64x48" in result.error
    assert not (tmp_path / "output").exists()
