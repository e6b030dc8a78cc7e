"""Folders that are drawn on first use and kept under $XDG_CACHE_HOME."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cached_folder(name: str, render: Callable[[Path], None]) -> Path:
    """What `render` writes into an empty folder; processes may race for it. Raises OSError."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vton-pipelines"
    root = base / name
    if root.is_dir():
        return root
    base.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=base))
    try:
        own.chmod(0o755)
        render(own)
        own.rename(root)
    except OSError:
        if not root.is_dir():  # otherwise another process was first
            raise
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return root
