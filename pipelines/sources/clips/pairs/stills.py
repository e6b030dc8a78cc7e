"""Entries that are one photo, or some views of a thing: each of their files has a role, and is looked up by name."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.clips.pairs import entries
from pipelines.sources.paths import BadPath, Lookup, is_unicode
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.messages import printable


class Entries:
    """The entries of a listing on their way; one whose file isn't there, or lies outside, is refused."""

    def __init__(self, root: InputFolder, dataset: str, split: str) -> None:
        self.root, self.dataset, self.split = root, dataset, split
        self.listing = Listing()
        self.lookup = Lookup(root)
        self._ids: set[str] = set()

    def wants(self, split: str) -> bool:
        return self.split in ("all", split)

    def pictures(self, folder: str) -> list[str]:
        """Paths of the pictures of a folder, in natural order; none where it isn't there."""
        listed = self.lookup.folder(folder)
        names = (name for name in listed.files if PurePosixPath(name).suffix.lower() in entries.PICTURES)
        return [f"{listed.name}/{name}" if listed.name else name for name in sorted(names, key=entries.natural)]

    def add(
        self,
        split: str,
        video_id: str,
        roles: Mapping[str, Sequence[str]],
        values: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> None:
        """An entry; `roles`: role → the paths where its file may lie, best first. `key` tells those of one picture."""
        words = [self.dataset, split, *video_id.split("/"), *([key] if key else [])]
        record_id = "/".join(printable(word) for word in words)
        source = printable(next(iter(roles.values()))[0])
        try:
            references = {role: self._taken(paths) for role, paths in roles.items()}
            if record_id in self._ids:
                raise BadPath("repeated_id", "another entry's files have the same names but for endings or accents")
        except BadPath as fault:
            self.refuse(split, record_id, fault.error, str(fault), source)
            return
        self._ids.add(record_id)
        own = {"video_id": printable(video_id), **(values or {})}
        self.listing.records.append(Listed(record_id, split, own, references, source))

    def refuse(self, split: str, record_id: str, error: str, message: str, source: str) -> None:
        self.listing.refused.append(Refused(record_id, split, error, message, printable(source)))

    def closed(self, folders: Sequence[str], expected: str) -> Listing:
        """The listing, with what lies unused in these folders. Raises UsageError where it has no entry at all."""
        if not self.listing.records and not self.listing.refused:
            what = "entry" if self.split == "all" else f"entry of the split {self.split}"
            raise UsageError(f"no {what} in {self.root}: expected {expected}; found {contents(self.root)}")
        self.listing.unused |= {
            printable(folder) or ".": names for folder, names in self.lookup.unused(folders).items()
        }
        return self.listing

    def _taken(self, paths: Sequence[str]) -> str:
        found = next(filter(None, map(self.lookup.find, paths)), None)
        if found is None:
            raise BadPath("missing_file", f"{printable(paths[0])} is missing")
        if not is_unicode(found):
            raise BadPath("unreadable_name", f"{printable(found)}: the name is not valid Unicode")
        self.lookup.take(found)
        self.listing.files[found] = self.lookup.used[found]
        return found


def stem(path: str) -> str:
    return PurePosixPath(path).stem


def beside(folder: str, name: str, endings: Sequence[str] = entries.PICTURES) -> list[str]:
    """Paths at which a folder's picture of this name may lie."""
    return [f"{folder}/{name}{ending}" if folder else f"{name}{ending}" for ending in endings]


def first_folder(root: InputFolder, *names: str) -> str | None:
    """The first of these folders that is there."""
    return next((name for name in names if root.is_folder(name)), None)


def folders_below(root: InputFolder, folder: str = "") -> Iterator[str]:
    """Paths of the folders directly in a folder, in natural order, without hidden ones."""
    for name in sorted(root.folders(folder), key=entries.natural):
        if not name.startswith("."):
            yield f"{folder}/{name}" if folder else name
