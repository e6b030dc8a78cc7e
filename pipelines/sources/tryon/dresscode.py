"""Dress Code's layout (Morelli et al., CVPRW 2022): three category folders, files named after one ID by their suffix.

ROOT/{upper_body,lower_body,dresses}/images holds ID_0.jpg (person) and ID_1.jpg (garment); annotation folders hold
files of the same ID, of which any subset may be there. Pair lists, in the category folders or in the root, tell the
split. Files are found through folder listings only, so a name in a list can't reach outside the dataset.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import Any

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.paths import BadPath, is_unicode
from pipelines.sources.tryon._files import Files, is_list, list_names, no_list, text_of
from pipelines.sources.tryon._names import (
    RELEASED_PICTURES,
    in_folder,
    is_comment,
    leads_elsewhere,
    split_pair,
    split_triple,
    stem_of,
)
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.labels import Category
from schemas.messages import normal, printable
from schemas.record import SHIPPED_UNREADABLE

DATASET = "dresscode"
EXPECTED = "upper_body/, lower_body/ or dresses/ with images/ inside (ID_0.jpg, ID_1.jpg), and their pair lists"
SPLITS = ("test", "train")
PERSON, GARMENT = "_0", "_1"  # what follows the ID in the photos' names
CAPTIONS = "dc_caption.txt"  # IDM-VTON's
LONGEST_CAPTION = 2_000

# Reference → folder, and what follows the ID in the file's name. `masks` is LaDI-VTON's addition, `agnostic_masks`
# CatVTON's, `image-densepose` IDM-VTON's.
PERSON_FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "keypoints": ("keypoints", ("_2.json",)),
    "parse_atr": ("label_maps", ("_4.png",)),
    "pose_image": ("skeletons", tuple(f"_5{ending}" for ending in RELEASED_PICTURES)),
    "densepose_parts": ("dense", ("_5.png",)),
    "densepose_uv": ("dense", ("_5_uv.npz",)),
    "densepose_image": ("image-densepose", tuple(f"{PERSON}{ending}" for ending in RELEASED_PICTURES)),
    "agnostic_mask": ("agnostic_masks", tuple(f"{PERSON}{ending}" for ending in (".png", *RELEASED_PICTURES))),
}
GARMENT_FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "garment_mask": ("masks", tuple(f"{GARMENT}{ending}" for ending in (".png", *RELEASED_PICTURES))),
}
_CATEGORY_OF_NUMBER = {str(number): category for number, category in enumerate(Category)}  # third column of root lists


def listing(
    root: InputFolder,
    split: str,
    pairing: str,
    dataset: str = DATASET,
    categories: Sequence[str] = (),
    pair_list: str = "",
) -> Listing:
    """The records of `split` ("train", "test" or "all" that are listed), of all categories or the named ones.

    A category without any list gives its persons whose own garment is there, as train unless test is asked for. With
    a `pair_list` only the lists that end with it count. Raises UsageError when layout, category or list aren't there.
    """
    found = Listing()
    present = {
        category: _Folder(root, category, found) for category in Category if root.is_folder(f"{category}/images")
    }
    if not present:
        raise UsageError(f"layout not found in {root}: expected {EXPECTED}; found {contents(root)}")
    for category in Category:
        if category not in present and root.is_folder(category) and (not categories or category in categories):
            found.remarks.append(f"{category}/ is left out: it has no images/")
    for name in categories:
        if name not in present:
            raise UsageError(f"category {name!r} not found in {root}; there is {', '.join(present)}")
    chosen = [category for category in present if not categories or category in categories]
    wanted_splits = SPLITS if split == "all" else (split,)
    read = 0
    for name in wanted_splits:
        places = {category: _place(root, category, list_names(name, pairing, pair_list)) for category in chosen}
        reader = _Split(root, name, pairing == "paired" or name == "train", dataset, present, found)
        read += sum(place is not None for place in places.values())
        reader.read({category: place for category, place in places.items() if place})
    unlisted = [] if pair_list else [category for category in chosen if not _has_list(root, category)]
    if not read and not unlisted:
        raise no_list(root, pair_list, chosen) if pair_list else _no_split(root, split, chosen)
    _Split(root, "test" if split == "test" else "train", True, dataset, present, found).read_unlisted(unlisted)
    if split == "all" and not pair_list:  # else most files are left out on purpose
        for category in chosen:
            present[category].files.note_unused()
    if not found.records and all(item.error == "no_garment" for item in found.refused):
        raise UsageError(f"no pair in {root}: no line in a pair list, and no ID_0 has its ID_1 in images/")
    return found


def _place(root: InputFolder, category: str, names: Sequence[str]) -> str | None:
    """Where a category's pairs are listed, best name first: in its own folder rather than in the root."""
    for name in names:
        for folder in (category, ""):
            if name in root.files(folder):
                return f"{folder}/{name}" if folder else name
    return None


def _has_list(root: InputFolder, category: str) -> bool:
    return any(is_list(name) for folder in (category, "") for name in root.files(folder))


def _no_split(root: InputFolder, split: str, categories: Sequence[str]) -> UsageError:
    listed = [name for folder in (*categories, "") for name in root.files(folder) if is_list(name)]
    return UsageError(f"split {split!r} not found in {root}; pair lists there: {', '.join(dict.fromkeys(listed))}")


class _Folder:
    """One category's files, and its captions."""

    def __init__(self, root: InputFolder, category: str, found: Listing) -> None:
        self.root, self.category, self.found = root, category, found

    @cached_property
    def files(self) -> Files:
        folders = {folder for folder, _ in (PERSON_FILES | GARMENT_FILES).values()}
        return Files(self.root, self.category, folders | {"images"}, self.found)

    @cached_property
    def captions(self) -> tuple[dict[str, str], str]:
        """Garment file name → its caption; the second value says why the file was unreadable."""
        if CAPTIONS not in self.root.files(self.category):
            return {}, ""
        try:
            text = self.root.read(f"{self.category}/{CAPTIONS}").decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            return {}, f"{SHIPPED_UNREADABLE}: {CAPTIONS} ({type(error).__name__})"
        lines = [split_pair(line) for line in text.splitlines() if line.strip()]
        captions = {normal(name): printable(words, LONGEST_CAPTION) for name, words in lines if words}
        if lines and not any(_id(name, GARMENT) for name in captions):
            return {}, f"{SHIPPED_UNREADABLE}: {CAPTIONS} (no line begins with a garment's file name)"
        return captions, ""

    def has(self, name: str) -> bool:
        return self.files.has("images", name)

    def own_garment(self, person: str) -> str:
        """The file name of ID_1 for a person's ID_0: with the same ending, or another one if that is there."""
        stem, ending = stem_of(person).removesuffix(PERSON) + GARMENT, PurePosixPath(person).suffix
        names = [stem + each for each in (ending, *RELEASED_PICTURES)]
        return next((name for name in names if self.has(name)), names[0])


@dataclass(frozen=True)
class _Pair:
    """What a line names: file names, the category if the line or its list tells it, and the line itself as written."""

    person: str
    garment: str
    category: Category | None
    source: str
    key: str  # of the record id, should the line be refused


class _Split:
    """One split being listed; `own` gives every person the garment of the same ID."""

    def __init__(
        self,
        root: InputFolder,
        split: str,
        own: bool,
        dataset: str,
        present: dict[Category, _Folder],
        found: Listing,
    ) -> None:
        self.root, self.split, self.own, self.dataset, self.present = root, split, own, dataset, present
        self.found = found
        self.seen: set[tuple[str | None, str, str]] = set()
        self.ids: set[str] = set()

    def read(self, places: dict[Category, str]) -> None:
        """Reads each list once; one in the root serves the categories that have no better one."""
        for place in dict.fromkeys(places.values()):
            served = {category for category, own_place in places.items() if own_place == place}
            for number, line in enumerate(text_of(self.root, place).splitlines(), start=1):
                if line.strip() and not is_comment(line):
                    self._line(line, number, place, served)

    def read_unlisted(self, categories: Sequence[Category]) -> None:
        """Persons whose own garment is there."""
        for category in categories:
            folder = self.present[category]
            for name in folder.files.names("images"):
                if not name.lower().endswith(RELEASED_PICTURES) or not stem_of(name).endswith(PERSON):
                    continue
                shown = printable(name)
                if not is_unicode(name):
                    fault = ("unreadable_name", f"{shown}: the name is not valid Unicode")
                    self._refuse(f"{category}/{stem_of(shown)}", shown, *fault)
                elif folder.has(folder.own_garment(name)):
                    self._add(category, _Pair(name, folder.own_garment(name), category, shown, ""))
                else:
                    message = f"no pair list names a garment for {shown}, and {folder.own_garment(shown)} isn't there"
                    self._refuse(f"{category}/{stem_of(shown)}", shown, "no_garment", message)

    def _line(self, line: str, number: int, place: str, served: set[Category]) -> None:
        in_folder = Category(place.split("/")[0]) if "/" in place else None
        source, key = f"{place}:{number}: {printable(line.strip())}", f"line-{number:06d}"
        person, garment, third = split_triple(line)
        person, garment = (_plain(name, in_folder) for name in (person, garment))
        told = _CATEGORY_OF_NUMBER.get(third or "", in_folder)
        garment = "" if self.own else garment or ""  # the second column isn't needed then
        pair = _Pair(person, garment, told, source, f"{in_folder}/{key}" if in_folder else key)
        fault = self._malformed(pair, third, in_folder)
        if fault:
            if in_folder or told is None or told in served:
                self._refuse(pair.key, source, *fault)
            return
        category = told or self._located(pair)
        if category is None:
            self._refuse(pair.key, source, *self._lost(pair))
        elif category in served:
            self._add(category, pair)

    def _malformed(self, pair: _Pair, third: str | None, in_folder: Category | None) -> tuple[str, str] | None:
        """Kind and message of what is wrong with a line, before any file is looked for."""
        for name in filter(None, (pair.person, pair.garment)):
            if leads_elsewhere(name):
                return "outside_root", f"{printable(name)} is no plain file name"
        if third is not None and third not in _CATEGORY_OF_NUMBER:
            allowed = ", ".join(f"{number} {category}" for number, category in _CATEGORY_OF_NUMBER.items())
            return "malformed_line", f"category {printable(third)}; allowed are {allowed}"
        if in_folder and pair.category != in_folder:
            return "mixed_categories", f"a line of {pair.category} in the list of {in_folder}"
        if not pair.garment and not self.own:
            return "malformed_line", "no garment in this line"
        for name, ending in ((pair.person, PERSON), (pair.garment, GARMENT)):
            if name and _id(name, ending) is None:
                return "malformed_line", f"{printable(name)} is not named ID{ending}"
        return None

    def _located(self, pair: _Pair) -> Category | None:
        """The one category that has the line's files, or at least its person."""
        with_person = [category for category, folder in self.present.items() if folder.has(pair.person)]
        whole = [category for category in with_person if self.own or self.present[category].has(pair.garment)]
        entry = whole or with_person
        elsewhere = not whole and self._homes(pair.garment)
        return entry[0] if len(entry) == 1 and not elsewhere else None

    def _homes(self, name: str) -> list[str]:
        return [str(category) for category, folder in self.present.items() if folder.has(name)]

    def _lost(self, pair: _Pair) -> tuple[str, str]:
        """Why no single category could be found for a line."""
        persons, garments = self._homes(pair.person), self._homes(pair.garment)
        if not persons:
            return "missing_file", f"{printable(pair.person)} is missing in every images/"
        return "mixed_categories", f"person in {', '.join(persons)}, garment in {', '.join(garments) or 'none'}"

    def _refuse(self, key: str, source: str, error: str, message: str) -> None:
        self.found.refused.append(Refused(f"{self.dataset}/{self.split}/{key}", self.split, error, message, source))

    def _add(self, category: Category, pair: _Pair) -> None:
        folder = self.present[category]
        garment = folder.own_garment(pair.person) if self.own else pair.garment
        if (category, pair.person, garment) in self.seen:
            self.found.repeated_lines += 1
            return
        self.seen.add((category, pair.person, garment))
        person_id, garment_id = (_id(*item) or "" for item in ((pair.person, PERSON), (garment, GARMENT)))
        key = f"{category}/{printable(person_id)}+{printable(garment_id)}"
        refuse = partial(self._refuse, key, pair.source)
        for name in (pair.person, garment):
            if not folder.has(name):
                refuse(*self._missing(category, name))
                return
        record_id = f"{self.dataset}/{self.split}/{key}"
        try:
            references = _references(folder.files, pair.person, garment, person_id, garment_id)
        except BadPath as fault:
            refuse(fault.error, str(fault))
            return
        if record_id in self.ids:
            refuse("repeated_id", "another line's files have the same names but for endings or accents")
            return
        self.ids.add(record_id)
        values = _values(folder, person_id, garment_id, garment)
        self.found.records.append(Listed(record_id, self.split, values, references, pair.source))

    def _missing(self, category: Category, name: str) -> tuple[str, str]:
        message = f"{category}/images/{printable(name)} is missing"
        homes = self._homes(name)
        return ("mixed_categories", f"{message}; it is in {', '.join(homes)}") if homes else ("missing_file", message)


def _plain(name: str | None, category: Category | None) -> str:
    """A list's name without the folders that lead to the photos: "images/", also below its category's."""
    ways = [(each, "images") for each in ([category] if category else Category)]
    return next((base for way in ways if "/" not in (base := in_folder(name or "", way))), name or "")


def _id(name: str, ending: str) -> str | None:
    """The ID of a file name that ends in `ending` ("_0" or "_1"); only the end is taken off, an ID may hold "_0"."""
    stem = stem_of(name)
    return stem.removesuffix(ending) if stem.endswith(ending) and stem != ending else None


def _references(files: Files, person: str, garment: str, person_id: str, garment_id: str) -> dict[str, str]:
    references = {"person_image": files.path("images", person), "garment_image": files.path("images", garment)}
    for own_id, table in ((person_id, PERSON_FILES), (garment_id, GARMENT_FILES)):
        for column, (folder, endings) in table.items():
            path = files.first((folder,), (own_id + ending for ending in endings))
            if path:
                references[column] = path
    if "densepose_parts" not in references:
        references.pop("densepose_uv", None)  # coordinates in unknown parts
    return references


def _values(folder: _Folder, person_id: str, garment_id: str, garment: str) -> dict[str, Any]:
    person_id, garment_id = printable(person_id), printable(garment_id)
    values: dict[str, Any] = {
        "person_id": person_id,
        "garment_id": garment_id,
        "paired": person_id == garment_id,
        "garment_view": "flat",
        "category": str(folder.category),
    }
    captions, unreadable = folder.captions
    caption = captions.get(normal(garment))
    if caption:
        values["garment_caption"] = caption
    if caption or unreadable:
        values["notes"] = {"garment_caption": unreadable or CAPTIONS}
    return values
