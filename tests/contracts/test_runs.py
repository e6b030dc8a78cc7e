"""What a training run promises of every system: whole weights, killed and gone on with, in one process or two."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support import small_shards  # noqa: E402

import vton_models  # noqa: E402
from vton_models.__main__ import main  # noqa: E402
from vton_models.networks import weights  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NAMES = vton_models.names()


def words(name: str, folder: Path, output: str, steps: int) -> list[str]:
    given = [
        "train",
        name,
        "--tiny",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--workers",
        "0",
        "--validation-pictures",
        "0",
    ]
    given += ["--batch-size", "1", "--global-batch-size", "2", "--checkpoint-every", "2", "--steps", str(steps)]
    return [*given, "--shards", str(folder / "shards" / name), "--output", str(folder / output / name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small shards for every system, and its runs: `whole` in one process, `two` in two."""
    folder = tmp_path_factory.mktemp("runs")
    for name in NAMES:
        small_shards.for_system(name, folder / "shards" / name)
        assert main(words(name, folder, "whole", 4)) == 0
    listed = folder / "words.jsonl"
    listed.write_text("".join(json.dumps(words(name, folder, "two", 4)) + "\n" for name in NAMES))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    command = [*launch, "tests/support/train_all.py", str(listed)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def trained(run: Path) -> dict[str, Any]:
    return weights.read(run / "model/model.safetensors")


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_as_one(folder: Path, name: str) -> None:
    """Parameters that get no gradient don't hang them, and gradients are averaged over both."""
    whole, two = folder / "whole" / name, folder / "two" / name
    assert losses(two) == pytest.approx(losses(whole), rel=1e-5)
    others = trained(two)
    for key, value in trained(whole).items():
        torch.testing.assert_close(others[key], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_two_parts_ends_as_an_unbroken_one(folder: Path, name: str) -> None:
    for steps in (2, 4):
        assert main(words(name, folder, "parts", steps)) == 0
    whole, parts = (
        {path.relative_to(run): path.read_bytes() for path in run.rglob("*.safetensors")}
        for run in (folder / "whole" / name, folder / "parts" / name)
    )
    assert sorted(whole) == sorted(parts) and Path("model/model.safetensors") in whole
    assert not [str(path) for path in whole if whole[path] != parts[path]]
