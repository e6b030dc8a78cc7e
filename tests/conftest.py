"""Where test data lies, a small dataset to change, and commands run as users run them."""

import os
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import hypothesis
import pytest
from support import commands, object_store, requiring, sharing
from support.helpers import Dataset, Result
from support.object_store import Bucket, ObjectStore

from pipelines.sources.sample import Truth

ROOT = Path(__file__).resolve().parent.parent

# By default an example that takes 200 ms fails its test: on a busy machine any does.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    requiring.refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    requiring.refuse_skip(report)
    return report


def shared(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable, ROOT.parent / "shared" / name)).resolve()


def _folder(variable: str, name: str) -> Path:
    path = shared(variable, name)
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set {variable}")
    return path


@pytest.fixture(scope="session")
def data() -> Path:
    """Real photos and datasets in miniature."""
    return _folder("VTON_DATA", "data")


@pytest.fixture(scope="session")
def parity() -> Path:
    return _folder("VTON_PARITY", "parity")


@pytest.fixture(scope="session")
def models() -> Path:
    return _folder("VTON_MODELS", "models")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Six persons and garments, paired crosswise."""
    made = Dataset(tmp_path / "dataset")
    names = [f"{i:05d}_00" for i in range(6)]
    for seed, name in enumerate(names):
        made.add(name, seed)
    made.pairs(*(f"{a}.jpg {b}.jpg" for a, b in zip(names, names[1:] + names[:1], strict=True)))
    return made


@pytest.fixture(scope="session")
def drawn_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded sample, drawn once for all test processes: cache/ is a $XDG_CACHE_HOME that has it."""
    own = tmp_path_factory.getbasetemp()
    return sharing.once(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own, "sample", sharing.draw_sample)


@pytest.fixture(scope="session")
def truth(drawn_sample: Path) -> dict[str, Truth]:
    """Person id → what the embedded sample shows, as exact arrays."""
    return sharing.read_truth(drawn_sample)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Result]:
    """Runs a command's `main` in this process, in an empty folder with an empty home."""
    return partial(commands.call, tmp_path)


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Result]:
    """Runs `python -m MODULE …` in an empty folder with an empty home: what a shell sees."""
    return partial(commands.start, tmp_path)


@pytest.fixture
def no_machine_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Weights that happen to lie on this machine are not found."""
    monkeypatch.delenv("VTON_WEIGHTS", raising=False)
    commands.hub_cache_at(tmp_path / "home", monkeypatch)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Here and in started processes: the networks of tests are too small to share."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[ObjectStore]:
    """moto's S3 server in this process."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with object_store.serving() as server:
        yield server


@pytest.fixture
def bucket(s3_server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket of its own on that server, which s3fs finds, here and in started processes, by the variables of AWS."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name, value in object_store.variables(s3_server).items():
        monkeypatch.setenv(name, value)
    bucket = Bucket(f"tests-{next(s3_server.numbers)}", s3_server)
    s3_server.client.create_bucket(Bucket=bucket.name)
    s3_server.requests.clear()
    yield bucket
    s3_server.faults.clear()
