"""Files that a list names by path: found through folder listings, so that no path can reach outside the input root."""

import errno
import unicodedata
from dataclasses import dataclass

from pipelines.sources.tryon._names import by_normal, is_unicode, normal, printable
from schemas.folders import Entry, InputFolder


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
class _Folder:
    """A folder's spelling on disk, its files by composed Unicode name, and whether it is a link out of the root."""

    name: str
    files: dict[str, tuple[str, Entry]]
    leads_out: bool


class Lookup:
    """The files below a root; every folder is listed once."""

    def __init__(self, root: InputFolder) -> None:
        self.root = root
        self._folders: dict[str, _Folder] = {}
        self.used: dict[str, Entry] = {}  # of every path that `take` gave

    def find(self, path: str) -> str | None:
        """The file's path as the file system spells it; None where there is no such file. `path` is from `inside`."""
        folder, _, name = path.rpartition("/")
        listed = self.folder(folder)
        found = listed.files.get(normal(name))
        return _join(listed.name, found[0]) if found else None

    def first(self, folder: str, stem: str, endings: tuple[str, ...]) -> str | None:
        """The file of a folder that is called `stem` and ends in the first of the endings that is there."""
        found = (self.find(_join(folder, stem + ending)) for ending in endings)
        return next(filter(None, found), None)

    def take(self, path: str) -> str:
        """The path of an existing file, noted in `used`. Raises BadPath for a link out of the root."""
        if path not in self.used:
            folder, _, name = path.rpartition("/")
            listed = self.folder(folder)
            _, entry = listed.files[normal(name)]
            if listed.leads_out or (entry.link and self.root.escapes(path)):
                raise BadPath("outside_root", f"{printable(path)} is a link out of the input folder")
            self.used[path] = entry
        return path

    def folder(self, name: str) -> _Folder:
        """Listed under the first spelling of its accents that holds files."""
        if name not in self._folders:
            spellings = dict.fromkeys((name, normal(name), unicodedata.normalize("NFD", name)))
            listed = [self._listed(spelling) for spelling in spellings]
            self._folders[name] = next((found for found in listed if found.files), listed[0])
        return self._folders[name]

    def _listed(self, name: str) -> _Folder:
        try:
            files = by_normal(self.root.files(name))
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                raise
            files = {}
        return _Folder(name, files, bool(files and name) and self.root.escapes(name))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
