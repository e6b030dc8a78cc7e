"""Units that need a worker's resources go to the workers that offer them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import dask_cluster
from support.helpers import Dataset
from support.servers import package_environment

from pipelines import build_vitonhd
from schemas.cli.flags import UsageError

dask = pytest.importorskip("pipelines.runners.dask")
pytest.importorskip("distributed")


class FakeClient:
    """Of workers with these resources."""

    def __init__(self, *offered: dict[str, float]) -> None:
        self.offered = offered

    def run(self, function: Any) -> dict[str, Any]:
        states = [SimpleNamespace(state=SimpleNamespace(total_resources=each)) for each in self.offered]
        return {str(number): function(state) for number, state in enumerate(states)}


def test_resources_that_nobody_offers_are_wrong_usage() -> None:
    options = dask.Options(dask_resources=("GPU=1", "MEMORY=2"))
    assert options.resources == {"GPU": 1.0, "MEMORY": 2.0}
    dask._check_resources(FakeClient({}, {"GPU": 2.0, "MEMORY": 2.0}), options)
    dask._check_resources(FakeClient({}), dask.Options())
    with pytest.raises(UsageError, match="--dask_resources GPU=1,MEMORY=2: none of 2 workers offers that"):
        dask._check_resources(FakeClient({"GPU": 1.0}, {"MEMORY": 2.0}), options)


@pytest.mark.parametrize("word", ["GPU", "GPU=", "GPU=0", "GPU=-1", "GPU=some"])
def test_a_resource_has_an_amount(word: str) -> None:
    with pytest.raises(ValueError, match=f"--dask_resources {word}; allowed is NAME=AMOUNT"):
        dask.Options(dask_resources=(word,))


@pytest.mark.long
def test_units_go_to_the_workers_with_a_gpu(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other worker can't even write: a unit there would fail."""
    monkeypatch.setenv("PYTHONPATH", package_environment()["PYTHONPATH"])
    full = Path(__file__).parents[2] / "support/full_disk"
    with dask_cluster.cluster(tmp_path / "servers", 0) as cluster:
        path = f"{full}:{package_environment()['PYTHONPATH']}"
        cluster.add_worker({"PYTHONPATH": path, "FULL_DISK_FOR": "test-"})
        words = ("--nthreads", 2, "--no-nanny", "--no-dashboard", "--resources", "GPU=1")
        cluster.servers.python("distributed.cli.dask_worker", cluster.address, *words)
        cluster.servers.until(lambda: cluster.servers.said().count("Registered to") == 2, "two workers")
        arguments = ["--input", str(dataset.root), "--output", str(tmp_path / "out"), "--shard-size", "1"]
        assert build_vitonhd.main([*arguments, *cluster.flags, "--dask_resources", "GPU=1"]) == 0
        assert len(list((tmp_path / "out").glob("*-of-00006.parquet"))) == 6
