"""A folder that another process holds."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CODE = """
import importlib, sys
from pathlib import Path
module, folder, doing = sys.argv[1:]
with importlib.import_module(module).shards_folder(Path(folder)).locked(doing):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(module: str, folder: Path, doing: str) -> Iterator[None]:
    """By the `shards_folder` of a module; a record lock is the process's own, so that another one has to hold it."""
    words = [sys.executable, "-c", CODE, module, str(folder), doing]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        yield
        other.kill()
