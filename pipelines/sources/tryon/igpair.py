"""IGPair (IMAGDressing, arXiv:2407.12705): IGPair.json lists pairs of a person's photo and the flat garment worn in it.

All pairs are training pairs: the dataset has no split, and IGPair_Test/ holds garments without persons, which make no
records. Annotation files are found by the person image's name. `cloth_type` is partly wrong (muzishen/IMAGDressing#46).
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from annotators.common.garment_words import category_of
from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.paths import BadPath, Lookup, inside, is_unicode
from pipelines.sources.tryon._names import PICTURES, stem_of
from schemas import json_text
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.messages import printable

DATASET = "igpair"
LIST = "IGPair.json"
PERSONS, GARMENTS = "images", "clothes"
EXPECTED = f"{LIST} with {PERSONS}/ and {GARMENTS}/ beside it"
SPLIT = "train"

# Column → folder, and how the file is named after the person image's stem.
PERSON_FOLDERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "keypoints": ("openpose", (".json", "_keypoints.json")),
    "pose_image": ("openpose", (*PICTURES, "_rendered.png")),
    "densepose_image": ("densepose", PICTURES),
    "person_mask": ("body_mask", PICTURES),
}


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET) -> Listing:
    """A record per distinct pair of IGPair.json, all "train" and paired; `pairing` means nothing here.

    Raises UsageError without that file, when it is no JSON list, and for split "test".
    """
    if LIST not in root.files():
        raise UsageError(f"layout not found in {root}: expected {EXPECTED}; found {contents(root)}")
    if split not in (SPLIT, "all"):
        raise UsageError(f"split {split!r} not found in {root}: IGPair's pairs are all {SPLIT!r}")
    listed = _Pairs(root, dataset)
    for number, entry in enumerate(_entries(root), start=1):
        listed.add(entry, number)
    listed.found.files = listed.files.used
    annotations = (folder for folder, _ in PERSON_FOLDERS.values())
    listed.found.unused = listed.files.unused({PERSONS, GARMENTS, *annotations})
    return listed.found


def _entries(root: InputFolder) -> Iterator[Any]:
    try:
        document = json_text.parse(root.read(LIST))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{LIST} in {root} is no JSON ({type(error).__name__}); allowed is a list of objects"
        ) from None
    if not isinstance(document, list) or not document:
        what = "an empty list" if document == [] else f"a JSON {type(document).__name__}"
        raise UsageError(f"{LIST} in {root} is {what}; allowed is a list of objects with image_file and cloth_file")
    yield from document


class _Malformed(ValueError):
    """An entry whose values have the wrong types."""


class _Pairs:
    """The records being listed."""

    def __init__(self, root: InputFolder, dataset: str) -> None:
        self.files, self.prefix, self.found = Lookup(root), f"{dataset}/{SPLIT}", Listing()
        self.seen: set[tuple[str, str]] = set()
        self.ids: set[str] = set()

    def add(self, entry: Any, number: int) -> None:
        source = f"{LIST}:{number}"
        try:
            values = _values(entry)
            person = self._file(entry["image_file"], PERSONS)
            garment = self._file(entry["cloth_file"], GARMENTS)
            if (person, garment) in self.seen:
                self.found.repeated_lines += 1
                return
            self.seen.add((person, garment))
            self._add(person, garment, values, source)
        except BadPath as fault:
            self._refuse(f"entry-{number:06d}", fault.error, str(fault), source)
        except _Malformed as fault:
            self._refuse(f"entry-{number:06d}", "malformed_entry", str(fault), source)

    def _refuse(self, key: str, error: str, message: str, source: str) -> None:
        self.found.refused.append(Refused(f"{self.prefix}/{key}", SPLIT, error, message, source))

    def _file(self, written: str, folder: str) -> str:
        """The file of a path as written: from the root, from the last `folder` in it, or inside `folder`."""
        path = inside(written)
        parts = path.split("/")
        last = len(parts) - 1 - parts[::-1].index(folder) if folder in parts else 0
        ways = dict.fromkeys((path, "/".join(parts[last:]), f"{folder}/{path}"))
        present = next(filter(None, map(self.files.find, ways)), None)
        if present is None:
            raise BadPath("missing_file", f"{printable(path)} is missing")
        return self.files.take(present)

    def _add(self, person: str, garment: str, values: dict[str, Any], source: str) -> None:
        ids = {"person_id": printable(stem_of(person)), "garment_id": printable(stem_of(garment))}
        key = f"{ids['person_id']}+{ids['garment_id']}"
        if key in self.ids:
            self._refuse(key, "repeated_id", "another entry's files have the same names but for endings", source)
            return
        references = {"person_image": person, "garment_image": garment} | self._annotations(person)
        self.ids.add(key)
        self.found.records.append(Listed(f"{self.prefix}/{key}", SPLIT, ids | values, references, source))

    def _annotations(self, person: str) -> dict[str, str]:
        stem = PurePosixPath(person).stem
        found = {}
        for column, (folder, endings) in PERSON_FOLDERS.items():
            path = self.files.first(folder, stem, endings)
            if path:
                found[column] = self.files.take(path)
        return found


def _values(entry: Any) -> dict[str, Any]:
    """The record's own values. Raises _Malformed."""
    if not isinstance(entry, dict):
        raise _Malformed(f"a JSON {type(entry).__name__}; allowed is an object")
    for name in ("image_file", "cloth_file"):
        if not isinstance(entry.get(name), str):
            raise _Malformed(f"{name} is {_kind(entry.get(name))}; allowed is a path")
    values: dict[str, Any] = {"paired": True, "garment_view": "flat"}
    texts = _captions(entry.get("text"))
    if texts:
        values |= {"caption": texts[0], "captions": [{"text": text, "model": None} for text in texts]}
    kind = entry.get("cloth_type")
    if kind is None or kind == "":
        return values
    if not isinstance(kind, str) or not is_unicode(kind):
        raise _Malformed(f"cloth_type is {_kind(kind)}; allowed is a word")
    category = category_of(kind)
    return values | {"garment_type": printable(kind), "category": str(category) if category else None}


def _captions(text: Any) -> list[str]:
    """The captions that say anything; one may stand without a list. Raises _Malformed."""
    texts = [text] if isinstance(text, str) else text if text is not None else []
    if not isinstance(texts, list) or not all(isinstance(each, str) and is_unicode(each) for each in texts):
        raise _Malformed(f"text is {_kind(text)}; allowed is a list of captions")
    return [each.strip() for each in texts if each.strip()]


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text that is no valid Unicode"
    return "missing" if value is None else f"a JSON {type(value).__name__}"
