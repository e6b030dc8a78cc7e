"""The files of a layout's folders and its pair lists: found through listings only, so no name reaches outside."""

from collections.abc import Iterable, Iterator

from pipelines.sources import Listing
from pipelines.sources.paths import Lookup
from pipelines.sources.tryon._text import decode
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.messages import printable


class Files:
    """The files of some folders below `prefix`, by name; `path` notes in the listing what is used."""

    def __init__(self, root: InputFolder, prefix: str, folders: Iterable[str], listing: Listing) -> None:
        self.prefix, self.listing, self.folders = prefix, listing, tuple(sorted(set(folders)))
        self.lookup = Lookup(root)

    def names(self, folder: str) -> Iterator[str]:
        """The names in a folder, as the file system spells them."""
        yield from self.lookup.folder(f"{self.prefix}/{folder}").files

    def has(self, folder: str, name: str) -> bool:
        return self.lookup.find(f"{self.prefix}/{folder}/{name}") is not None

    def path(self, folder: str, name: str) -> str:
        """Path below the root of a file that is there. Raises BadPath for a link out of the root."""
        present = self.lookup.find(f"{self.prefix}/{folder}/{name}")
        assert present is not None
        self.lookup.take(present)
        self.listing.files[present] = self.lookup.used[present]
        return present

    def first(self, folders: Iterable[str], names: Iterable[str]) -> str | None:
        """Path of the first that is there: folder by folder, name by name. Raises BadPath as `path` does."""
        candidates = tuple(names)
        there = ((folder, name) for folder in folders for name in candidates if self.has(folder, name))
        present = next(there, None)
        return self.path(*present) if present else None

    def note_unused(self) -> None:
        """Tells the listing which files of these folders no record uses, and which folders lie there unread."""
        places = [f"{self.prefix}/{folder}" for folder in self.folders]
        unused = self.lookup.unused(places)
        for place in places:
            inside = [f"{name}/" for name in self.lookup.root.folders(place) if not name.startswith(".")]
            if inside:
                unused.setdefault(place, []).extend(inside)
        self.listing.unused |= {printable(place): unused[place] for place in sorted(unused)}


def list_names(split: str, pairing: str, suffix: str = "") -> tuple[str, ...]:
    """File names under which a split's pair list may lie, best first; all end with the suffix of filtered lists.

    GP-VTON and D4-VTON filter the public lists, e.g. `test_pairs_unpaired_1018.txt` (specs/annotations.md §1.2).
    """
    other = "unpaired" if pairing == "paired" else "paired"
    kinds = (f"_{pairing}", "", f"_{other}") if split == "test" else ("", f"_{pairing}", f"_{other}")
    return tuple(f"{split}_pairs{kind}{'_' if suffix else ''}{suffix}.txt" for kind in kinds)


def text_of(root: InputFolder, name: str) -> str:
    """The text of a list. Raises UsageError for one that can't be read, or that a link leads out of the root."""
    try:
        return decode(root.read(name), errors="replace")
    except OSError as error:
        raise UsageError(f"--input {root}: {name}: {error.strerror or type(error).__name__}") from None


def no_list(root: InputFolder, suffix: str, folders: Iterable[str] = ()) -> UsageError:
    """What to raise where no pair list of the wanted splits, in the root or one of the folders, has the suffix."""
    present = dict.fromkeys(name for folder in ("", *folders) for name in root.files(folder) if is_list(name))
    return UsageError(
        f"--pair-list {suffix!r}: no such list in {root}; pair lists there: {', '.join(present) or 'none'}"
    )


def is_list(name: str) -> bool:
    return name.startswith(("train_pairs", "test_pairs")) and name.endswith(".txt")
