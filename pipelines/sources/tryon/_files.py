"""The files of a layout's folders and its pair lists: found through listings only, so no name reaches outside."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipelines.sources import Listing
from pipelines.sources.tryon._names import by_normal, normal
from schemas.cli.flags import UsageError
from schemas.folders import Entry, InputFolder


class Files:
    """The files of some folders below `prefix`, by composed Unicode name; `path` notes in `found` what is used."""

    def __init__(self, root: InputFolder, prefix: str, folders: Iterable[str], found: Listing) -> None:
        self.root, self.prefix, self.found = root, prefix, found
        self.folders = {name: by_normal(self._listed(f"{prefix}/{name}")) for name in sorted(set(folders))}

    def _listed(self, folder: str) -> dict[str, Entry]:
        """The folder's files; all of them count as links when the folder itself is one."""
        files = self.root.files(folder)
        return {name: replace(e, link=True) for name, e in files.items()} if self.root.escapes(folder) else files

    def names(self, folder: str) -> Iterator[str]:
        """Composed names in a folder."""
        yield from self.folders[folder]

    def has(self, folder: str, name: str) -> bool:
        return normal(name) in self.folders[folder]

    def path(self, folder: str, name: str) -> str:
        """Path below the root of a file that is there."""
        actual, entry = self.folders[folder][normal(name)]
        path = f"{self.prefix}/{folder}/{actual}"
        self.found.files[path] = entry
        return path

    def first(self, folders: Iterable[str], names: Iterable[str]) -> str | None:
        """Path of the first that is there: folder by folder, name by name."""
        wanted = tuple(names)
        for folder in folders:
            for name in wanted:
                if self.has(folder, name):
                    return self.path(folder, name)
        return None

    def leading_out(self, paths: Iterable[str]) -> str | None:
        """The first of these paths that is a link out of the dataset."""
        return next((p for p in paths if self.found.files[p].link and self.root.escapes(p)), None)


def list_names(split: str, pairing: str, suffix: str = "") -> tuple[str, ...]:
    """File names under which a split's pair list may lie, best first; all end with the suffix of filtered lists.

    GP-VTON and D4-VTON filter the public lists, e.g. `test_pairs_unpaired_1018.txt` (specs/annotations.md §1.2).
    """
    other = "unpaired" if pairing == "paired" else "paired"
    kinds = (f"_{pairing}", "", f"_{other}") if split == "test" else ("", f"_{pairing}", f"_{other}")
    return tuple(f"{split}_pairs{kind}{'_' if suffix else ''}{suffix}.txt" for kind in kinds)


def text_of(root: InputFolder, name: str) -> str:
    return root.read(name).decode("utf-8-sig", errors="replace")


def no_list(root: InputFolder, suffix: str, folders: Iterable[str] = ()) -> UsageError:
    """What to raise where no pair list of the wanted splits, in the root or one of the folders, has the suffix."""
    present = dict.fromkeys(name for folder in ("", *folders) for name in root.files(folder) if is_list(name))
    return UsageError(
        f"--pair-list {suffix!r}: no such list in {root}; pair lists there: {', '.join(present) or 'none'}"
    )


def is_list(name: str) -> bool:
    return name.startswith(("train_pairs", "test_pairs")) and name.endswith(".txt")
