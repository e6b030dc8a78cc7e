"""Loose photos: a folder `persons` and a folder `garments`, of any names, sizes and formats, paired by order or a list.

Only the files directly in the two folders count, and of these the pictures; names that begin with a dot don't.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.tryon._names import (
    PICTURES,
    contents,
    digest,
    is_unicode,
    leads_elsewhere,
    normal,
    printable,
    split_pair,
    stem_of,
)
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.labels import Category

DATASET = "photos"
PERSONS, GARMENTS = "persons", "garments"
EXPECTED = f"{PERSONS}/ and {GARMENTS}/ with photos inside ({', '.join(PICTURES)})"
PAIRINGS = ("all", "zip")
VIEWS = ("flat", "worn")
_HEADERS = {"person", "garment", "person_image", "garment_image", "image", "cloth"}


@dataclass(frozen=True)
class PairList:
    """A file of pairs, "person.jpg garment.jpg" a line as in VITON-HD's lists, or with a comma; may have a header."""

    name: str
    text: str

    def __str__(self) -> str:
        return "list"


def listing(
    root: InputFolder,
    split: str,
    pairing: str,
    dataset: str = DATASET,
    pairs: str | PairList = "zip",
    category: str = Category.UPPER_BODY,
    garment_view: str = "flat",
) -> Listing:
    """Every person with every garment ("all"), the n-th with the n-th by sorted name ("zip"), or as a list says.

    The split is "train" unless it is said to be "test"; `pairing` means nothing here. Raises UsageError when one of
    the two folders has no photo.
    """
    split = "test" if split == "test" else "train"
    found = Listing()
    values = {"category": str(category), "garment_view": garment_view}
    persons, garments = _Photos(root, PERSONS), _Photos(root, GARMENTS)
    for folder in (persons, garments):
        found.refused += [_unusable(f"{dataset}/{split}", split, folder, name) for name in folder.unusable]
        if not folder.files and not folder.unusable:
            raise UsageError(f"no photo in {root}: expected {EXPECTED}; found {_found(root, folder)}")
    _Pairing(split, f"{dataset}/{split}", values, persons, garments, found).add(pairs)
    return found


def _found(root: InputFolder, folder: "_Photos") -> str:
    """What lies in the folder without photos, or beside where it should be."""
    inside = ", ".join(list(folder.others)[:8])
    return f"in {folder.name}/ {inside or 'nothing'}" if root.is_folder(folder.name) else contents(root)


def _unusable(prefix: str, split: str, folder: "_Photos", name: str) -> Refused:
    shown = printable(name)
    message = f"{folder.name}/{shown}: the name is not valid Unicode"
    return Refused(f"{prefix}/{shown}", split, "unusable_name", message, shown)


class _Photos:
    """One of the two folders: its pictures by file name, in order, and the id of each."""

    def __init__(self, root: InputFolder, name: str) -> None:
        self.root, self.name = root, name
        listed = root.files(name)
        pictures = {n: e for n, e in listed.items() if n.lower().endswith(PICTURES) and not n.startswith(".")}
        self.others = sorted(set(listed) - set(pictures))
        self.unusable = [file for file in pictures if not is_unicode(file)]
        self.files = {file: entry for file, entry in pictures.items() if is_unicode(file)}
        self.ids = _ids(list(self.files))
        self.composed = {normal(file): file for file in self.files}
        self.is_link = root.escapes(name)

    def find(self, name: str) -> str | None:
        """The file of a name as a list spells it."""
        return name if name in self.files else self.composed.get(normal(name))

    def leads_out(self, file: str) -> bool:
        return (self.is_link or self.files[file].link) and self.root.escapes(f"{self.name}/{file}")


class _Pairing:
    """The records being listed."""

    def __init__(
        self,
        split: str,
        prefix: str,
        values: dict[str, Any],
        persons: _Photos,
        garments: _Photos,
        found: Listing,
    ) -> None:
        self.split, self.prefix, self.values = split, prefix, values
        self.persons, self.garments, self.found = persons, garments, found
        self.record_ids: set[str] = set()

    def add(self, pairs: str | PairList) -> None:
        if isinstance(pairs, PairList):
            for source, person, garment in self._lines(pairs):
                self._add(person, garment, source)
            return
        join = product if pairs == "all" else zip
        for person, garment in join(self.persons.files, self.garments.files):
            self._add(person, garment, f"{printable(person)} {printable(garment)}")

    def _lines(self, pairs: PairList) -> Iterator[tuple[str, str, str]]:
        """(the line as written, person's file, garment's file); lines that name none are refused."""
        seen: set[tuple[str, str]] = set()
        for number, line in enumerate(pairs.text.splitlines(), start=1):
            if not line.strip() or (number == 1 and _is_header(line)):
                continue
            source = f"{pairs.name}:{number}: {printable(line.strip())}"
            pair = self._files(*split_pair(line))
            if pair in seen:
                self.found.repeated_lines += 1
                continue
            seen.add(pair)
            fault = self._fault(*pair)
            if fault:
                record_id = f"{self.prefix}/line-{number:06d}"
                self.found.refused.append(Refused(record_id, self.split, *fault, source))
            else:
                yield source, *pair

    def _files(self, person: str, garment: str | None) -> tuple[str, str]:
        """The files of a line's names; a name that is no file stays as it is, a missing one is empty."""
        return self.persons.find(person) or person, self.garments.find(garment or "") or garment or ""

    def _fault(self, person: str, garment: str) -> tuple[str, str] | None:
        """Kind and message of what is wrong with a line."""
        for name in (person, garment):
            if leads_elsewhere(name):
                return "outside_root", f"{printable(name)} is no plain file name"
        if not garment:
            return "malformed_line", "no garment in this line"
        for name, folder in ((person, self.persons), (garment, self.garments)):
            if name not in folder.files:
                return "missing_file", f"{folder.name}/{printable(name)} is missing"
        return None

    def _add(self, person: str, garment: str, source: str) -> None:
        person_id, garment_id = self.persons.ids[person], self.garments.ids[garment]
        record_id = f"{self.prefix}/{person_id}+{garment_id}"
        if record_id in self.record_ids:  # a plus sign in a name
            record_id += f"~{digest(f'{person}/{garment}')}"
        self.record_ids.add(record_id)
        for folder, file in ((self.persons, person), (self.garments, garment)):
            if folder.leads_out(file):
                message = f"{folder.name}/{printable(file)} is a link out of the folder"
                self.found.refused.append(Refused(record_id, self.split, "outside_root", message, source))
                return
        paths = {"person_image": f"{PERSONS}/{person}", "garment_image": f"{GARMENTS}/{garment}"}
        files = self.persons.files[person], self.garments.files[garment]
        self.found.files |= dict(zip(paths.values(), files, strict=True))
        ids = {"person_id": person_id, "garment_id": garment_id, "paired": person_id == garment_id}
        self.found.records.append(Listed(record_id, self.split, self.values | ids, paths, source))


def _ids(names: list[str]) -> dict[str, str]:
    """File name → id: the stem; where two files share one, the whole name; where that isn't enough, with a digest."""
    stems = {name: printable(stem_of(name)) for name in names}
    count = Counter(stems.values())
    ids = {name: stem if count[stem] == 1 else printable(name) for name, stem in stems.items()}
    count = Counter(ids.values())
    return {name: found if count[found] == 1 else f"{found}~{digest(name)}" for name, found in ids.items()}


def _is_header(line: str) -> bool:
    words = line.replace(",", " ").lower().split()
    return bool(words) and set(words) <= _HEADERS
