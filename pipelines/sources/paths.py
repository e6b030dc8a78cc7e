"""Files that a list names by path: found through folder listings, so that no path can reach outside the input root."""

import errno
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from schemas.folders import Entry, InputFolder
from schemas.messages import normal, printable


def is_unicode(name: str) -> bool:
    """False for a name of bytes that are no UTF-8: neither Parquet nor JSON can hold it."""
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)


class BadPath(ValueError):
    """A path that names no usable file below the root; `error` is the kind, as refused entries have it."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


def inside(path: str) -> str:
    """ "./a//b.jpg" → "a/b.jpg". Raises BadPath for an absolute path, a URL, `..`, a backslash, or a NUL."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or path.startswith("/") or "://" in path or "\\" in path or "\0" in path:
        raise BadPath("outside_root", f"{printable(path) or 'an empty path'} is no plain path below the input folder")
    if not is_unicode(path):
        raise BadPath("unreadable_name", f"{printable(path)}: the name is not valid Unicode")
    return "/".join(parts)


@dataclass(frozen=True)
class Listed:
    """A folder's spelling on disk, its files by their names on disk, and whether it is a link out of the root.

    A name that begins with a dot is no entry: `.DS_Store`, and macOS's `._NAME` beside each file of an archive.
    """

    name: str
    files: dict[str, Entry]
    leads_out: bool

    def find(self, name: str) -> str | None:
        """The file of a name: spelled so, else with its accents composed differently, else in another case.

        None where nothing or more than one file would do.
        """
        if name in self.files:
            return name
        for spellings, spelling in ((self._composed, normal(name)), (self._folded, normal(name).casefold())):
            found = spellings.get(spelling, [])
            if found:
                return found[0] if len(found) == 1 else None
        return None

    @cached_property
    def _composed(self) -> dict[str, list[str]]:
        return _grouped(self.files, normal)

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        return _grouped(self.files, lambda name: normal(name).casefold())


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return groups


class Lookup:
    """The files below a root; every folder is listed once."""

    def __init__(self, root: InputFolder) -> None:
        self.root = root
        self._folders: dict[str, Listed] = {}
        self.used: dict[str, Entry] = {}  # of every path that `take` gave

    def find(self, path: str) -> str | None:
        """The file's path as the file system spells it; None where there is no such file. `path` is from `inside`."""
        folder, _, name = path.rpartition("/")
        listed = self.folder(folder)
        found = listed.find(name)
        return _join(listed.name, found) if found is not None else None

    def first(self, folder: str, stem: str, endings: Iterable[str]) -> str | None:
        """The file of a folder that is called `stem` and ends in the first of the endings that is there."""
        found = (self.find(_join(folder, stem + ending)) for ending in endings)
        return next(filter(None, found), None)

    def take(self, path: str) -> str:
        """The path of an existing file, noted in `used`. Raises BadPath for a link out of the root."""
        if path not in self.used:
            folder, _, name = path.rpartition("/")
            listed = self.folder(folder)
            entry = listed.files[name]
            if listed.leads_out or (entry.link and self.root.escapes(path)):
                raise BadPath("outside_root", f"{printable(path)} is a link out of the input folder")
            self.used[path] = entry
        return path

    def folder(self, name: str) -> Listed:
        """Listed under the first spelling of its accents that holds files."""
        if name not in self._folders:
            spellings = dict.fromkeys((name, normal(name), unicodedata.normalize("NFD", name)))
            listed = [self._listed(spelling) for spelling in spellings]
            self._folders[name] = next((found for found in listed if found.files), listed[0])
        return self._folders[name]

    def unused(self, folders: Iterable[str]) -> dict[str, list[str]]:
        """Folder → names of its files that nothing has taken, sorted; folders without any are left out."""
        taken: dict[str, set[str]] = {}
        for path in self.used:
            folder, _, name = path.rpartition("/")
            taken.setdefault(folder, set()).add(name)
        left = {
            name: sorted(set(self.folder(name).files) - taken.get(self.folder(name).name, set())) for name in folders
        }
        return {name: files for name, files in sorted(left.items()) if files}

    def _listed(self, name: str) -> Listed:
        try:
            files = {file: entry for file, entry in self.root.files(name).items() if not file.startswith(".")}
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                raise
            files = {}
        return Listed(name, files, bool(files and name) and self.root.escapes(name))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
