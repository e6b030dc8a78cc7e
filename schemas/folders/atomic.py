"""Files and folders of this machine that are whole or absent: made under a temporary name, synced, renamed, synced."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from schemas import json_text
from schemas.folders import names


@contextlib.contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """Where to write a file that takes the place of `path` when the block ends without an exception.

    For libraries that write to a path; `new_file` gives the open file.
    """
    temporary = path.with_name(names.temporary(path.name))
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the block ends without an exception."""
    with new_path(path) as temporary, temporary.open("wb") as file:
        yield file


def write(path: Path, data: bytes) -> None:
    """The file appears whole, or stays as it was."""
    with new_file(path) as file:
        file.write(data)


def write_json(path: Path, content: Any, sort_keys: bool = True) -> None:
    """Indented JSON with a newline at its end."""
    write(path, f"{json_text.pretty(content, indent=2, sort_keys=sort_keys)}\n".encode())


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of `path` when the block ends without an exception.

    One process at a time may make a folder: what a killed one left of it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    temporary = path.with_name(names.temporary(path.name))
    temporary.mkdir()
    try:
        yield temporary
        _sync_tree(temporary)
        remove_folder(path)
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(path.parent)


def remove_folder(path: Path) -> None:
    """Takes the name away before the content, so that half a folder is never found under it."""
    if path.is_dir():
        shutil.rmtree(path.rename(path.with_name(names.temporary(f"{path.name}-old"))))


def sweep(folder: Path, of: str | None = None) -> None:
    """Removes what a killed process left unfinished directly in a folder; where `of` is given, only of that name."""
    for path in folder.glob(f"{names.TEMPORARY}*"):
        if names.is_temporary(path.name, of):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _sync_tree(folder: Path) -> None:
    for root, _, files in os.walk(folder):
        for name in files:
            _sync(Path(root) / name)
        _sync(Path(root))


def _sync(path: Path) -> None:
    """To the disk, so that a power cut leaves what was there before or all of it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of folders on some network file systems
            raise
    finally:
        os.close(descriptor)
