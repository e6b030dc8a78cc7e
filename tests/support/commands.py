"""Commands as users run them: their `main` in this process, or `python -m MODULE` as a process of its own."""

import contextlib
import importlib.util
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from support.helpers import Result

from schemas.cli import flags

OF_THIS_MACHINE = ("XDG_", "HF_", "VTON_WEIGHTS")


def call(
    folder: Path, module: str, *arguments: object, env: Mapping[str, str] | None = None, timeout: int = 0
) -> Result:
    """Calls the module's `main` and ends as `python -m MODULE` in `folder` would; what escapes it is raised here."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _no_log_handlers(),
        _same_torch_threads(),
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SystemExit) as ended,
    ):
        _move_to(folder, env or {}, patch)
        patch.setattr(sys, "argv", [module, *map(str, arguments)])
        flags.run(main_of(module), f"python -m {module}")
    code = ended.value.code
    return Result(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())


def start(
    folder: Path, module: str, *arguments: object, env: Mapping[str, str] | None = None, timeout: int = 300
) -> Result:
    """Starts `python -m MODULE …` in `folder` and waits for its end."""
    words = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        words, cwd=folder, env=environment(folder) | (env or {}), capture_output=True, text=True, timeout=timeout
    )
    return Result(done.returncode, done.stdout, done.stderr)


def environment(folder: Path) -> dict[str, str]:
    """This process's variables, without those that say where caches and weights lie; the home is empty at first."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_MACHINE)}
    return inherited | {"HOME": str(home), "HF_HUB_OFFLINE": "1"}


def hub_cache_at(home: Path, patch: pytest.MonkeyPatch) -> None:
    """Moves the cache of huggingface_hub, which reads its variables only when it is imported."""
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import constants

        patch.setattr(constants, "HF_HOME", str(home))
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))


def main_of(module: str) -> Callable[[Sequence[str]], int]:
    spec = importlib.util.find_spec(module)
    package = spec is not None and spec.submodule_search_locations is not None
    return importlib.import_module(f"{module}.__main__" if package else module).main


def _move_to(folder: Path, env: Mapping[str, str], patch: pytest.MonkeyPatch) -> None:
    variables = environment(folder) | env
    for name in os.environ.keys() - variables.keys():
        patch.delenv(name)
    for name, value in variables.items():
        patch.setenv(name, value)
    hub_cache_at(folder / "home", patch)
    patch.chdir(folder)


@contextlib.contextmanager
def _no_log_handlers() -> Iterator[None]:
    """Messages go to stderr as in a fresh interpreter, not to pytest; the level that a command sets is forgotten."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:], root.level = [], logging.WARNING
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextlib.contextmanager
def _same_torch_threads() -> Iterator[None]:
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(threads)
