"""Loose photos: a folder `persons` and a folder `garments`, of any names, sizes and formats, paired by order or a list.

Only the files directly in the two folders count, and of these the pictures; names that begin with a dot don't. What
else lies there is named.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.paths import is_unicode
from pipelines.sources.tryon._names import (
    PICTURES,
    digest,
    in_folder,
    is_comment,
    leads_elsewhere,
    split_pair,
    stem_of,
)
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.messages import normal, printable

DATASET = "photos"
PERSONS, GARMENTS = "persons", "garments"
EXPECTED = f"{PERSONS}/ and {GARMENTS}/ with photos inside ({', '.join(PICTURES)})"
PAIRINGS = ("auto", "name", "zip", "all")
VIEWS = ("flat", "worn")
_SHOWN = 20  # pairs on the screen
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
    pairs: str | PairList = "auto",
    category: str | None = None,
    garment_view: str = "flat",
) -> Listing:
    """Pairs of equal names ("name"), the n-th with the n-th in natural order ("zip"), all with all, or as a list says.

    "auto" pairs by name where all names of one folder are in the other, else in natural order. The split is "train"
    unless it is said to be "test"; `pairing` means nothing here. Raises UsageError when one of the two folders has no
    photo, and for unequal numbers in natural order.
    """
    split = "test" if split == "test" else "train"
    found = Listing()
    values = {"category": category, "garment_view": garment_view}
    persons, garments = _Photos(root, PERSONS), _Photos(root, GARMENTS)
    for folder in (persons, garments):
        found.refused += [_unusable(f"{dataset}/{split}", split, folder, name) for name in folder.unusable]
        if not folder.files and not folder.unusable:
            raise UsageError(f"no photo in {root}: expected {EXPECTED}; found {_found(root, folder)}")
    _Pairing(split, f"{dataset}/{split}", values, persons, garments, found).add(pairs)
    for folder in (persons, garments):
        unlisted = [file for file in folder.files if f"{folder.name}/{file}" not in found.files]
        unused = [*folder.others, *(unlisted if isinstance(pairs, PairList) else ())]
        found.unused |= {folder.name: unused} if unused else {}
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
        listed = {file: entry for file, entry in root.files(name).items() if not file.startswith(".")}
        pictures = {file: listed[file] for file in sorted(listed, key=_natural) if file.lower().endswith(PICTURES)}
        folders = [f"{folder}/" for folder in root.folders(name) if not folder.startswith(".")]
        self.others = sorted([*(set(listed) - set(pictures)), *folders])
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
        for person, garment in self._joined(pairs):
            self._add(person, garment, f"{printable(person)} {printable(garment)}")

    def _joined(self, pairs: str) -> Iterable[tuple[str, str]]:
        persons, garments = self.persons.files, self.garments.files
        if pairs == "all":
            return product(persons, garments)
        by_name = {stem: (person, garment) for stem, person, garment in self._namesakes()}
        counts = sorted((len(persons), len(garments)))
        if pairs == "name" or (pairs == "auto" and len(by_name) == counts[0]):
            self._refuse_nameless({file for pair in by_name.values() for file in pair})
            return by_name.values()
        if counts[0] != counts[1]:
            raise UsageError(
                f"{len(persons)} and {len(garments)} photos, whose names don't match, can't be paired one to one;"
                " allowed are equal numbers, equal names, a list (--pairs FILE), or --pairs all"
            )
        joined = list(zip(persons, garments, strict=True))
        shown = ", ".join(f"{printable(person)} + {printable(garment)}" for person, garment in joined[:_SHOWN])
        more = f" and {len(joined) - _SHOWN} more" if len(joined) > _SHOWN else ""
        self.found.remarks.append(f"paired in order of names: {shown}{more}; --pairs FILE pairs otherwise")
        return joined

    def _namesakes(self) -> Iterator[tuple[str, str, str]]:
        """(stem, person's file, garment's file) of the names without ending that are in both folders once."""
        stems = [_unique_stems(folder.files) for folder in (self.persons, self.garments)]
        for stem, person in stems[0].items():
            if stem in stems[1]:
                yield stem, person, stems[1][stem]

    def _refuse_nameless(self, paired: set[str]) -> None:
        """Photos whose name isn't in the other folder, while others are paired by name."""
        for folder, other in ((self.persons, self.garments), (self.garments, self.persons)):
            for file in folder.files:
                if file not in paired:
                    shown = f"{folder.name}/{printable(file)}"
                    message = f"{shown}: {other.name}/ has no photo of this name"
                    record_id = f"{self.prefix}/{folder.ids[file]}"
                    self.found.refused.append(Refused(record_id, self.split, "no_partner", message, shown))

    def _lines(self, pairs: PairList) -> Iterator[tuple[str, str, str]]:
        """(the line as written, person's file, garment's file); lines that name none are refused."""
        seen: set[tuple[str, str]] = set()
        for number, line in enumerate(pairs.text.splitlines(), start=1):
            if not line.strip() or is_comment(line) or (number == 1 and _is_header(line)):
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
        person, garment = in_folder(person, (PERSONS,)), in_folder(garment or "", (GARMENTS,))
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
    """File name → id: the stem; where two files share one, the whole name; where that isn't enough, with a digest.

    Ids that differ in case alone count as shared: they become names of files on other people's disks.
    """
    stems = {name: printable(stem_of(name)) for name in names}
    count = Counter(stem.casefold() for stem in stems.values())
    ids = {name: stem if count[stem.casefold()] == 1 else printable(name) for name, stem in stems.items()}
    count = Counter(own.casefold() for own in ids.values())
    return {name: own if count[own.casefold()] == 1 else f"{own}~{digest(name)}" for name, own in ids.items()}


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts "2.jpg" before "10.jpg", and "02" like "2"."""
    parts = re.split(r"([0-9]+)", normal(name))  # words and numbers in turn
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)], name


def _unique_stems(files: Iterable[str]) -> dict[str, str]:
    """Stem → file, of the stems that one file has."""
    stems: dict[str, list[str]] = {}
    for file in files:
        stems.setdefault(stem_of(file), []).append(file)
    return {stem: names[0] for stem, names in stems.items() if len(names) == 1}


def _is_header(line: str) -> bool:
    words = re.sub(r"[,;|\"]", " ", line).lower().split()
    return bool(words) and set(words) <= _HEADERS
