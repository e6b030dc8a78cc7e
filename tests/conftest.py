"""Where test data lies, a small dataset to change, and commands run as users run them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.helpers import Dataset, Result

ROOT = Path(__file__).resolve().parent.parent


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


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Result]:
    """Runs `python -m MODULE …` in an empty folder with an empty home."""

    def run(module: str, *arguments: object, env: dict[str, str] | None = None, timeout: int = 300) -> Result:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_", "VTON_WEIGHTS"))}
        environment |= {"HOME": str(home), "HF_HUB_OFFLINE": "1", **(env or {})}
        words = [sys.executable, "-m", module, *map(str, arguments)]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        return Result(done)

    return run


@pytest.fixture
def no_machine_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Weights that happen to lie on this machine are not found."""
    from huggingface_hub import constants

    monkeypatch.delenv("VTON_WEIGHTS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
