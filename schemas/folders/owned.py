"""Local folders of results that say which command made them: only what that command writes is ever deleted, by name."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import package
from schemas.cli.flags import UsageError
from schemas.folders import atomic, locks, names, places, sameness

CONFIG, MARK = "config.json", "made_by"
_NOT_CONTENT = re.compile(r"\.DS_Store|_[a-z]+\.lock")


def _any(path: Path) -> bool:
    return True


@dataclass(frozen=True)
class Owned:
    """A folder that one command writes. Its config.json holds the mark, and counts for nothing without it.

    `names` are patterns, relative to the folder, of all files that the command writes beside config.json, in the order
    in which they are deleted; of those that match, `is_ours` may tell strangers' apart. `beforehand` are names of
    folders that another command may put there before.
    """

    path: Path
    command: str
    title: str  # what the folder is, for people: "training run"
    names: tuple[str, ...]
    is_ours: Callable[[Path], bool] = _any
    beforehand: tuple[str, ...] = ()

    @property
    def mark(self) -> dict[str, str]:
        """What config.json must hold beside all else."""
        return {MARK: f"{package.NAME} {self.command}"}

    def held(self) -> dict[str, Any] | None:
        """config.json of an earlier run of this command; None for a folder that is empty or absent.

        Raises UsageError for everything else: a file, somebody's folder, another command's, links inside.
        """
        places.writable("--output", str(self.path))
        config = described(self.path)
        if config is not None and config.get(MARK) == self.mark[MARK]:
            self._check_links()
            return config
        if not any(self._content()):
            return None
        made_by = config.get(MARK) if config else None
        holds = f"holds what `{made_by}` made" if isinstance(made_by, str) else f"is not empty and no {self.title}"
        raise UsageError(f"--output {self.path} {holds}; allowed is another folder")

    @contextmanager
    def locked(self, doing: str) -> Iterator[None]:
        """While the block runs no other process may be `doing` so in this folder; the lock ends with its process.

        Raises UsageError where one is, or where the folder isn't the command's to write. Folders that were made for
        the lock, and in which nothing was written, go with it.
        """
        self.held()
        absent = [place for place in (self.path, *self.path.parents) if not place.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with locks.held(self.path / f"_{self.command}.lock") as free:
                if not free:
                    raise UsageError(
                        f"--output {self.path}: another process is {doing} there; allowed is another --output, or to"
                        " wait for its end"
                    )
                yield
        finally:
            for place in absent:
                with suppress(OSError):  # something was written
                    place.rmdir()

    def begin(self, config: Mapping[str, Any], overwrite: bool) -> None:
        """Makes the folder, or finds it fit to go on in; config.json then holds the mark and `config`.

        Raises UsageError for one that holds something else, or results of other settings: naming the first that
        differs.
        """
        held, marked = self.held(), dict(config) | self.mark
        if held is not None and overwrite:
            self.clear()
        elif held is not None:
            sameness.check(self.path, self.title, held, marked, sameness.OR_REPLACED)
        self.path.mkdir(parents=True, exist_ok=True)
        atomic.sweep(self.path)
        atomic.write_json(self.path / CONFIG, marked)

    def clear(self) -> None:
        """Deletes the files that the command writes, config.json last, and folders that are empty then.

        Raises UsageError, with nothing deleted, where the folder itself is a link.
        """
        if self.path.is_symlink():
            raise UsageError(f"--output {self.path} is a link, behind which nothing is deleted; allowed is the folder")
        files = [*self._files(), self.path / CONFIG]
        for file in files:
            file.unlink(missing_ok=True)
        folders = {parent for file in files for parent in file.parents if self.path in parent.parents}
        for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def strangers(self, folder: Path) -> Iterator[Path]:
        """Files below one of its folders that the command doesn't write."""
        own = set(self._files())
        for root, folders, files in os.walk(folder):
            links = (name for name in folders if (Path(root) / name).is_symlink())
            yield from (path for name in [*links, *files] if (path := Path(root) / name) not in own)

    def _files(self) -> Iterator[Path]:
        for pattern in self.names:
            for path in sorted(self.path.glob(pattern)):
                if path.is_file() and not path.is_symlink() and self.is_ours(path):
                    yield path

    def _content(self) -> Iterator[str]:
        if self.path.is_dir():
            listed = (path.name for path in self.path.iterdir() if path.name not in self.beforehand)
            yield from (name for name in listed if not _NOT_CONTENT.fullmatch(name) and not names.is_temporary(name))

    def _check_links(self) -> None:
        """Of folders that the patterns lead through."""
        ways = {parent for pattern in self.names for parent in Path(pattern).parents if parent != Path()}
        for way in sorted(map(str, ways)):
            for folder in self.path.glob(way):
                if folder.is_symlink():
                    raise UsageError(
                        f"{folder} is a link, behind which nothing is written or deleted; allowed is a folder"
                    )


def described(folder: Path) -> dict[str, Any] | None:
    """config.json of a folder, whoever wrote it; None where there is none, or it can't be read as an object."""
    path = folder / CONFIG
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
