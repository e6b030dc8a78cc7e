"""Models on the machines of an engine: planned from stated digests, checked where they are loaded, one copy per GPU."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import pool_engine
from support.helpers import Dataset, Result, digests
from support.tiny_models import save_segformer

from annotators.common import batching
from annotators.common import weights as table
from pipelines import runners
from pipelines.building import models
from pipelines.runners import _granted as granted
from pipelines.runners._totals import Totals

Command = Callable[..., Result]
PARSER = "mattmdjaga/segformer_b2_clothes"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights as the workers have it."""
    folder = tmp_path_factory.mktemp("trained")
    save_segformer(folder / PARSER)
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The same folder on the machine that plans."""
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch, no_machine_weights: None) -> None:
    """What a process remembers of models and GPUs is as in a fresh one."""
    monkeypatch.setattr(models, "_built", {})
    monkeypatch.setattr(granted, "_slots_are_processes", False)
    monkeypatch.setattr(granted, "_claimed", {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """`--runner PoolRunner` as an engine of other machines; the list is what happens there before units are built."""
    before: list[Callable[[], None]] = []

    def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Any, rest: Sequence[str]) -> Totals:
        for step in before:
            step()
        return sum(map(job, numbers), Totals())

    monkeypatch.setattr(pool_engine, "REMOTE", True)
    monkeypatch.setattr(pool_engine, "run", run)
    monkeypatch.setitem(sys.modules, "pipelines.runners.pool", pool_engine)
    known = runners.names()
    monkeypatch.setattr(runners, "names", lambda: {**known, "PoolRunner": "pool"})
    yield before


def build(command: Command, dataset: Dataset, output: Path, weights: Path, *words: str) -> Result:
    told = ("--weights", weights, "--annotators", "parsing", "--recompute", "parse", "--limit", 3, "--shard-size", 2)
    return command("pipelines.build_vitonhd", "--input", dataset.root, "--output", output, *told, *words)


def state(command: Command, trained: Path, folder: Path) -> None:
    """Writes the side file."""
    printed = command("annotators", "digest", "parsing", "--weights", trained)
    assert printed.code == 0, printed.stderr
    (folder / table.DIGESTS).write_text(printed.stdout)


def arrive(weights: Path, folder: Path) -> Callable[[], None]:
    """The folder is what the workers have."""
    return lambda: shutil.copytree(weights, folder, dirs_exist_ok=True) and None


def test_a_machine_without_weights_plans_with_a_side_file(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], trained: Path, empty: Path, tmp_path: Path
) -> None:
    """The same bytes as where the weights lie; run again once they are here too, nothing is built twice."""
    assert build(command, dataset, tmp_path / "here", trained).code == 0
    state(command, trained, empty)
    elsewhere.append(arrive(trained, empty))
    result = build(command, dataset, tmp_path / "there", empty, "--runner", "PoolRunner")
    assert result.code == 0, result.stderr
    assert digests(tmp_path / "there") == digests(tmp_path / "here")
    (empty / table.DIGESTS).unlink()
    assert build(command, dataset, tmp_path / "there", empty, "--runner", "PoolRunner").json["skipped_shards"] == 2


@pytest.mark.parametrize("runner", ["PoolRunner", "DirectRunner"])
def test_weights_that_nobody_states_are_wrong_usage(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], trained: Path, empty: Path, tmp_path: Path,
    runner: str,
) -> None:  # fmt: skip
    """On other machines without a side file; here also with one."""
    if runner == "DirectRunner":
        state(command, trained, empty)
    result = build(command, dataset, tmp_path / "out", empty, "--runner", runner)
    assert result.code == 2 and "weights mattmdjaga/segformer_b2_clothes not found" in result.error
    assert not (tmp_path / "out").exists()


def test_statements_that_nothing_needs_change_no_build(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], empty: Path, tmp_path: Path
) -> None:
    """The table states pose and DensePose, whose columns are shipped or skipped: plan and manifest are as here."""
    words = ("--input", dataset.root, "--weights", empty, "--skip", "parse,keypoints,densepose,caption")
    for output, runner in {"here": "DirectRunner", "there": "PoolRunner"}.items():
        arguments = (*words, "--output", tmp_path / output, "--runner", runner)
        assert command("pipelines.build_vitonhd", *arguments).code == 0
    assert digests(tmp_path / "there") == digests(tmp_path / "here")


def test_annotating_shards_plans_with_a_side_file_too(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], trained: Path, empty: Path, tmp_path: Path
) -> None:
    assert build(command, dataset, tmp_path / "shards", trained).code == 0
    words = ("pipelines.annotate", tmp_path / "shards", "--annotators", "parsing", "--weights", empty)
    words = (*words, "--output", tmp_path / "out", "--runner", "PoolRunner")
    assert command(*words).code == 2
    state(command, trained, empty)
    elsewhere.append(arrive(trained, empty))
    assert command(*words).code == 0


def test_other_weights_on_a_worker_fail_its_units(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], trained: Path, empty: Path, tmp_path: Path
) -> None:
    state(command, trained, empty)
    elsewhere.append(lambda: save_segformer(empty / PARSER, seed=1) and None)
    result = build(command, dataset, tmp_path / "out", empty, "--runner", "PoolRunner")
    assert result.code == 1
    assert "unit test-00000-of-00002: annotator parsing: weights mattmdjaga/segformer_b2_clothes on " in result.error
    planned = json.loads((empty / table.DIGESTS).read_text())["segformer_b2_clothes"]
    assert "aren't those that the build was planned with" in result.error and planned in result.error
    assert not list((tmp_path / "out").glob("*.parquet.tmp*")) and not list((tmp_path / "out").glob("test-*"))


def test_a_worker_without_weights_fails_its_units(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], trained: Path, empty: Path, tmp_path: Path
) -> None:
    """It does not leave the column null."""
    state(command, trained, empty)
    result = build(command, dataset, tmp_path / "out", empty, "--runner", "PoolRunner")
    assert result.code == 1 and "annotator parsing: weights 'mattmdjaga/segformer_b2_clothes'" in result.error
    assert "are missing" in result.error


def test_a_device_that_is_missing_elsewhere_fails_the_units(
    command: Command, dataset: Dataset, elsewhere: list[Callable[[], None]], trained: Path, tmp_path: Path
) -> None:
    words = ("--runner", "PoolRunner", "--device", "cuda:7")
    result = build(command, dataset, tmp_path / "out", trained, *words)
    assert result.code == 1 and "annotator parsing: device 'cuda:7' is not available" in result.error


def test_the_nearest_statement_counts(tmp_path: Path) -> None:
    assert table.stated("pose_landmarker", tmp_path) == table.TABLE["pose_landmarker"].sha256
    assert table.stated("segformer_b2_clothes", tmp_path) is None
    assert table.stated(str(tmp_path), tmp_path) is None, "a folder of one's own"
    (tmp_path / table.DIGESTS).write_text(json.dumps({"pose_landmarker": "0" * 64, "org/own": "1" * 64}))
    assert table.stated("pose_landmarker", tmp_path) == "0" * 64
    assert table.stated("org/own", tmp_path) == "1" * 64


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": "0123"}'])
def test_a_damaged_side_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / table.DIGESTS).write_text(content)
    with pytest.raises(ValueError, match=r"digests.json is damaged; allowed is what `python -m annotators digest`"):
        table.stated("pose_landmarker", tmp_path)


def test_digests_of_weights_that_are_not_here(command: Command, empty: Path) -> None:
    missing = command("annotators", "digest", "parsing", "--weights", empty)
    assert missing.code == 2 and "weights 'mattmdjaga/segformer_b2_clothes'" in missing.error
    assert command("annotators", "digest", "no such weights").code == 2


class Counted:
    """A Config that counts how often it is built."""

    built = 0

    def build(self) -> batching.Annotator:
        self.built += 1
        time.sleep(0.05)
        return lambda records: records


def test_threads_of_a_process_share_one_copy() -> None:
    config = Counted()
    threads = [threading.Thread(target=models.shared, args=("counted", config)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert config.built == 1


@pytest.mark.parametrize(
    ("visible", "addresses", "then"),
    [
        (None, ("2",), "2"),
        ("", ("0",), "0"),
        ("2,3", ("3",), "3"),
        ("4,5", ("1",), "5"),
        ("GPU-aa,GPU-bb", ("1",), "GPU-bb"),
        ("GPU-aa,GPU-bb", ("GPU-bb",), "GPU-bb"),
        ("6", (), "6"),
        ("6", ("9",), "6"),
    ],
)
def test_the_gpu_is_the_one_that_the_engine_granted(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, addresses: tuple[str, ...], then: str
) -> None:
    """By its own number, or, where a container shows some only, by its place among these; told again, it stays."""
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    granted.grant(addresses)
    granted.grant(addresses)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == then


def test_task_slots_that_are_processes_do_not_share_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One copy of the models per GPU, not per slot: the second process is told how to get one of its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(granted, "PATIENCE", 0.2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    granted.claim("cuda")
    assert not list(tmp_path.iterdir()), "threads of a process share its models"
    granted.grant(("3",))
    first = granted._claimed
    for _ in range(2):
        granted.claim("cuda")
        granted.claim("cpu")
    monkeypatch.setattr(granted, "_claimed", {})  # as another process has it
    with pytest.raises(ValueError, match="another task has its models on GPU 3; .*spark.task.resource.gpu.amount=1"):
        granted.claim("cuda:0")
    first["3"].close()
    granted.claim("cuda")
    granted._claimed["3"].close()


def test_memory_that_runs_out_halves_the_batch_and_loses_nobody() -> None:
    sizes: list[int] = []

    def annotator(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        sizes.append(len(records))
        if len(records) > 3:
            raise RuntimeError("CUDA out of memory")
        return [{"seen": record["id"]} for record in records]

    outputs = batching.run(annotator, [{"id": number} for number in range(10)], 8)
    assert [output["seen"] for output in outputs if isinstance(output, dict)] == list(range(10))
    assert sizes == [8, 4, 2, 2, 4, 2, 2, 2]
