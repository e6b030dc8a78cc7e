"""VITON-HD's layout (Choi et al., CVPR 2021), in every variant of folder names that is in circulation.

ROOT/{train,test}/image, cloth and any subset of annotation folders; ROOT/{train,test}_pairs.txt names the pairs.
Files are found through folder listings only, so a name in a list can't reach outside the dataset.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.paths import BadPath, is_unicode
from pipelines.sources.tryon import _captions
from pipelines.sources.tryon._files import Files, is_list, list_names, no_list, text_of
from pipelines.sources.tryon._names import (
    RELEASED_PICTURES,
    in_folder,
    is_comment,
    leads_elsewhere,
    split_pair,
    stem_of,
)
from schemas import json_text
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.labels import Category
from schemas.messages import normal, printable
from schemas.record import SHIPPED_UNREADABLE

DATASET = "vitonhd"
EXPECTED = "train/ or test/ with image/ and cloth/ inside, and train_pairs.txt or test_pairs.txt beside them"
SPLITS = ("test", "train")

Folders = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]

# Column → folder names, newest first, and how the file is named after the photo's stem. GP-VTON's `parse-bytedance`
# has classes of its own, not CIHP's, and isn't read; its `densepose` has part ids in one channel.
PERSON_FOLDERS: Folders = {
    "parse": (("image-parse-v3", "image-parse"), (".png",)),
    "parse_agnostic": (("image-parse-agnostic-v3.2", "image-parse-agnostic"), (".png",)),
    "keypoints": (("openpose_json", "openpose-json"), ("_keypoints.json", ".json")),
    "pose_image": (("openpose_img", "openpose-img"), ("_rendered.png", ".png")),
    "densepose_image": (
        ("image-densepose", "densepose"),
        (*RELEASED_PICTURES, *(f"_densepose{ending}" for ending in RELEASED_PICTURES)),
    ),
    "agnostic_image": (("agnostic-v3.2", "agnostic"), RELEASED_PICTURES),
    "agnostic_mask": (("agnostic-mask", "agnostic_mask"), ("_mask.png", "_mask.jpg", *RELEASED_PICTURES)),
    "worn_garment_mask": (("gt_cloth_warped_mask",), RELEASED_PICTURES),
}
GARMENT_FOLDERS: Folders = {"garment_mask": (("cloth-mask", "cloth_mask", "cloth_mask-bytedance"), RELEASED_PICTURES)}
# Of this garment on this person, named after the person (DCI-VTON, MV-VTON): own garment, or the test list's other one.
WARPED_FOLDERS: Folders = {
    "warped_garment_image": (("cloth-warp",), RELEASED_PICTURES),
    "warped_garment_mask": (("cloth-warp-mask",), RELEASED_PICTURES),
}
UNPAIRED_FOLDERS: Folders = {
    "warped_garment_image": (("unpaired-cloth-warp",), RELEASED_PICTURES),
    "warped_garment_mask": (("unpaired-cloth-warp-mask",), RELEASED_PICTURES),
}

CATEGORIES = {
    "TOPS": Category.UPPER_BODY,
    "OUTWEARS": Category.UPPER_BODY,
    "BOTTOMS": Category.LOWER_BODY,
    "PANTS": Category.LOWER_BODY,
    "SKIRTS": Category.LOWER_BODY,
    "DRESSES": Category.DRESSES,
    "WHOLEBODIES": Category.DRESSES,
}


def listing(
    root: InputFolder, split: str, pairing: str, dataset: str = DATASET, pair_list: str = "", parse_space: str = "cihp"
) -> Listing:
    """The records of `split` ("train", "test" or "all" that are present), pairs as design.md §2 lays down.

    `pairing` ("paired" or "unpaired") chooses the test garment. With a `pair_list` only the lists that end with it
    count, and splits without such a list are left out. `parse_space` says whose ids the parse folder has ("cihp", "lip"
    or "atr"). Raises UsageError when layout or list aren't there.
    """
    found = Listing()
    present = [name for name in SPLITS if root.is_folder(f"{name}/image") and root.is_folder(f"{name}/cloth")]
    chosen = present if split == "all" else [name for name in present if name == split]
    if not chosen:
        missing = "layout not found" if not present else f"split {split!r} not found; there is {', '.join(present)}"
        raise UsageError(f"{missing} in {root}: expected {EXPECTED}; found {contents(root)}")
    found.remarks += _left_out(root, present, split)
    if pair_list:
        listed = [name for name in chosen if set(list_names(name, pairing, pair_list)) & set(root.files())]
        found.remarks += [
            f"{name}/ is left out: no list of it ends in {pair_list}" for name in chosen if name not in listed
        ]
        chosen = listed
    if not chosen:
        raise no_list(root, pair_list)
    for name in chosen:
        _Split(root, name, pairing, dataset, found, pair_list, parse_space).read()
    if not found.records and all(item.error == "no_garment" for item in found.refused):
        raise UsageError(f"no pair in {root}: no pair list, and no file name is both in image/ and in cloth/")
    return found


def _left_out(root: InputFolder, present: Sequence[str], split: str) -> Iterator[str]:
    """What lies there of splits that can't be read: photos of one kind alone, or a list without any."""
    for name in SPLITS:
        if name in present or split not in ("all", name):
            continue
        lacking = [kind for kind in ("image", "cloth") if not root.is_folder(f"{name}/{kind}")]
        lists = [file for file in root.files() if is_list(file) and file.startswith(f"{name}_")]
        if len(lacking) == 1 or lists:
            shown = f"{name}/" if len(lacking) == 1 else ", ".join(lists)
            yield f"{shown} is left out: {root} has no {' and no '.join(f'{name}/{kind}/' for kind in lacking)}"


@dataclass(frozen=True)
class _Pair:
    """What a line names: file names, and the line itself as written."""

    person: str
    garment: str
    source: str


class _Split:
    """One split being listed."""

    def __init__(
        self,
        root: InputFolder,
        split: str,
        pairing: str,
        dataset: str,
        found: Listing,
        pair_list: str,
        parse_space: str,
    ) -> None:
        self.parse = "parse" if parse_space == "cihp" else f"parse_{parse_space}"
        self.root, self.split, self.pairing, self.dataset, self.found = root, split, pairing, dataset, found
        self.list_names = list_names(split, pairing, pair_list)
        tables = (PERSON_FOLDERS, GARMENT_FOLDERS, WARPED_FOLDERS, UNPAIRED_FOLDERS)
        folders = {name for table in tables for names, _ in table.values() for name in names}
        self.files = Files(root, split, folders | {"image", "cloth"}, found)
        self.ids: set[str] = set()
        self.tags, self.tags_error = _read_tags(root, split)
        self.captions, self.captions_error = _captions.read(root, split)

    def read(self) -> None:
        seen: set[tuple[str, str]] = set()
        for item in self._pairs():
            if isinstance(item, Refused):
                self.found.refused.append(item)
            elif (item.person, item.garment) in seen:
                self.found.repeated_lines += 1
            else:
                seen.add((item.person, item.garment))
                self._add(item)
        self.files.note_unused()

    def _pairs(self) -> Iterator[_Pair | Refused]:
        name, text = self._list()
        if text is None:
            for person in self.files.names("image"):
                if person.lower().endswith(RELEASED_PICTURES):
                    yield self._own(person)
            return
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip() and not is_comment(line):
                yield self._parse(line, f"{name}:{number}: {printable(line.strip())}", number)

    def _own(self, person: str) -> _Pair | Refused:
        shown = printable(person)
        if not is_unicode(person):
            return self._refuse(stem_of(shown), "unreadable_name", f"{shown}: the name is not valid Unicode", shown)
        if not self.files.has("cloth", person):
            message = f"no pair list names a garment for {shown}, and cloth/ has none of that name"
            return self._refuse(stem_of(shown), "no_garment", message, shown)
        return _Pair(person, person, shown)

    def _list(self) -> tuple[str, str | None]:
        """The split's pair list: its name and text; None where there is none."""
        for name in self.list_names:
            if name in self.root.files():
                return name, text_of(self.root, name)
        return "", None

    def _parse(self, line: str, source: str, number: int) -> _Pair | Refused:
        person, garment = split_pair(line)
        person = in_folder(person, (self.split, "image"))
        garment = None if garment is None else in_folder(garment, (self.split, "cloth"))
        if self.split == "train" or self.pairing == "paired":
            return _Pair(person, person, source)  # the second column of train_pairs.txt is noise
        if garment is None and not leads_elsewhere(person):
            return self._refuse(f"line-{number:06d}", "malformed_line", "no garment in this line", source)
        return _Pair(person, garment or "", source)

    def _refuse(self, key: str, error: str, message: str, source: str) -> Refused:
        return Refused(f"{self.dataset}/{self.split}/{key}", self.split, error, message, source)

    def _add(self, pair: _Pair) -> None:
        key = f"{printable(stem_of(pair.person))}+{printable(stem_of(pair.garment))}"
        record_id = f"{self.dataset}/{self.split}/{key}"
        try:
            self._check(pair)
            references = self._references(pair)
            if record_id in self.ids:
                raise BadPath("repeated_id", "another line's files have the same names but for endings or accents")
        except BadPath as fault:
            self.found.refused.append(self._refuse(key, fault.error, str(fault), pair.source))
            return
        self.ids.add(record_id)
        self.found.records.append(Listed(record_id, self.split, self._values(pair), references, pair.source))

    def _check(self, pair: _Pair) -> None:
        """Raises BadPath for a name that is no file of its folder."""
        for name, folder in ((pair.person, "image"), (pair.garment, "cloth")):
            if leads_elsewhere(name):
                raise BadPath("outside_root", f"{printable(name)} is no plain file name")
            if not self.files.has(folder, name):
                raise BadPath("missing_file", f"{self.split}/{folder}/{printable(name)} is missing")

    def _references(self, pair: _Pair) -> dict[str, str]:
        person, garment = stem_of(pair.person), stem_of(pair.garment)
        warped = WARPED_FOLDERS if printable(person) == printable(garment) else UNPAIRED_FOLDERS
        references = {
            "person_image": self.files.path("image", pair.person),
            "garment_image": self.files.path("cloth", pair.garment),
        }
        for stem, table in ((person, PERSON_FOLDERS | warped), (garment, GARMENT_FOLDERS)):
            for column, (folders, endings) in table.items():
                path = self.files.first(folders, (stem + ending for ending in endings))
                if path:
                    references[self.parse if column == "parse" else column] = path
        return references

    def _values(self, pair: _Pair) -> dict[str, Any]:
        person, garment = printable(stem_of(pair.person)), printable(stem_of(pair.garment))
        values: dict[str, Any] = {
            "person_id": person,
            "garment_id": garment,
            "paired": person == garment,
            "garment_view": "flat",
            "category": str(Category.UPPER_BODY),
        }
        item, unreadable = self.tags.get(normal(pair.garment)), ""
        if item:
            values["category"] = str(CATEGORIES.get(str(item.get("category_name")), Category.UPPER_BODY))
            tags, unreadable = _tags(item)
            values |= {"tags": tags} if tags else {}
        values |= self.captions.get((normal(pair.person), normal(pair.garment)), {})
        notes = {"tags": self.tags_error or unreadable, "caption": self.captions_error}
        if any(notes.values()):
            values["notes"] = {column: note for column, note in notes.items() if note}
        return values


def _read_tags(root: InputFolder, split: str) -> tuple[dict[str, dict[str, Any]], str]:
    """Garment file name → its entry in IDM-VTON's tags JSON; the second value says why the file was unreadable."""
    name = f"vitonhd_{split}_tagged.json"
    for folder in (f"{split}/", ""):
        if name in root.files(folder.rstrip("/")):
            try:
                return _entries(json_text.whole(json_text.parse(root.read(f"{folder}{name}")))), ""
            except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
                return {}, f"{SHIPPED_UNREADABLE}: {name} ({type(error).__name__})"
    return {}, ""


def _entries(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    lists = [value for value in document.values() if isinstance(value, list)]
    items = [item for each in lists for item in each if isinstance(item, dict)]
    return {normal(item["file_name"]): item for item in items if isinstance(item.get("file_name"), str)}


def _tags(item: dict[str, Any]) -> tuple[list[dict[str, str | None]], str]:
    """[{"name", "value"}] in the file's order, values that are no text null; and why there are none, if so."""
    listed = item.get("tag_info") or []
    if not isinstance(listed, list):
        return [], f"{SHIPPED_UNREADABLE}: tag_info is a {type(listed).__name__}; allowed is a list"
    rows = [row for row in listed if isinstance(row, dict) and isinstance(row.get("tag_name"), str)]
    return [{"name": row["tag_name"], "value": _text(row.get("tag_category"))} for row in rows], ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
