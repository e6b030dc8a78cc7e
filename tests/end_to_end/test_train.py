"""The embedded sample → `train catvton --tiny`, killed and gone on with, through the real commands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.helpers import Result

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

Command = Callable[..., Result]
STEPS = ("--steps", "14", "--checkpoint-every", "4", "--workers", "0", "--log-every", "1", "--ema", "0.9")


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
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "log.jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vton_models", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_after_a_checkpoint(process: subprocess.Popen[str], run: Path) -> None:
    """Ends a training process by SIGKILL once it has written its first checkpoint."""
    for _ in range(12_000):
        if list(run.glob("checkpoints/step-*")):
            break
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.01)
    process.kill()
    process.communicate()


def finished(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """The JSON of the last line, and stderr."""
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return json.loads(stdout.strip().splitlines()[-1]), stderr


def test_a_killed_run_equals_an_unbroken_one_bit_for_bit(sample: Path, tmp_path: Path) -> None:
    words = ("train", "catvton", "--shards", sample, "--tiny", *STEPS, "--output")
    unbroken, killed = start(*words, tmp_path / "whole"), start(*words, tmp_path / "run")
    kill_after_a_checkpoint(killed, tmp_path / "run")
    assert not (tmp_path / "run/model").exists()
    told, said = finished(unbroken)
    assert (told["steps"], told["records_seen"], told["skipped_steps"]) == (14, 28, 0) and told["seconds"] < 60
    assert "agnostic_mask is read: the shards have no agnostic_mask_catvton" in said
    assert "left out" not in said, "every category has its mask"
    finished(start(*words, tmp_path / "run"))
    whole = contents(tmp_path / "whole")
    assert contents(tmp_path / "run") == whole and log(tmp_path / "run") == log(tmp_path / "whole")
    assert {"base/unet/config.json", "model/model.safetensors", "model/config.json", "README.md"} <= set(whole)


def test_wrong_usage_ends_with_one_line_and_exit_code_2(process: Command, sample: Path, tmp_path: Path) -> None:
    result = process("vton_models", "train", "catvton", "--shards", sample, "--tiny", "--height", "65")
    assert result.code == 2 and len(result.stderr.strip().splitlines()) == 1 and not result.stdout
    assert "65x48" in result.error and "nearest is 64x48" in result.error
    assert not (tmp_path / "output").exists()
