"""Dataset layouts: one file each, which lists records (ids and file locations) and reads no pixels.

A source module has `DATASET` (its name in record ids), `EXPECTED` (its layout in one line) and
`listing(root, split, pairing, dataset=…, **options)`, which returns a `Listing` or raises `UsageError`; the options
are the layout's own. An entry of the list becomes a record of photos, unless the module has a way of its own to read it
(of a clip, say): `read(planned, root, settings)`, which yields `outcomes.Outcome`s, and `GIVES`, the columns that every
record of its gets from there. Records that are no try-on records are of the kind that `KIND` names.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType

from pipelines.sources.records import Listed as Listed
from pipelines.sources.records import Records
from schemas import kinds
from schemas.cli.modules import modules_of, packages_of
from schemas.folders import Entry
from schemas.kinds import Kind
from schemas.messages import counted, printable

FOLDERS_SHOWN = 20  # on the screen, of those with files that nothing uses


@dataclass(frozen=True)
class Refused:
    """A list entry that can't become a record, and why; `source` is the list's own word."""

    record_id: str
    split: str
    error: str
    message: str
    source: str
    stage: str = "list"


@dataclass
class Listing:
    """Everything a source found; `files` holds size and token of every referenced path.

    `unused`: folder → names of the files in it that no record uses; `remarks` are lines for the screen.
    """

    records: Records = field(default_factory=Records)
    refused: list[Refused] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    repeated_lines: int = 0
    unused: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """What a user should know of the listing, a line each."""
        yield from self.remarks
        if self.repeated_lines:
            yield f"{counted(self.repeated_lines, 'line says', 'lines say')} what another said before, and count once"
        for folder, names in list(self.unused.items())[:FOLDERS_SHOWN]:
            files = counted(len(names), "file isn't", "files aren't")
            yield f"{printable(folder)}: {files} used by any record, such as {printable(names[0])}"
        left = list(self.unused.values())[FOLDERS_SHOWN:]
        if left:
            yield f"in {counted(len(left), 'more folder', 'more folders')}: {sum(map(len, left))} such files"


def names() -> tuple[str, ...]:
    """Source modules of every room (`tryon`), not imported; helpers begin with an underscore."""
    return tuple(sorted(_rooms()))


def load(name: str) -> ModuleType:
    rooms = _rooms()
    if name not in rooms:
        raise ValueError(f"unknown source {name!r}; there are {', '.join(sorted(rooms))}")
    return importlib.import_module(f"pipelines.sources.{rooms[name]}.{name}")


def kind(name: str) -> Kind:
    """Of the records that the source's entries become: its `KIND`, else try-on records."""
    return kinds.named(getattr(load(name), "KIND", kinds.TRYON.name))


def of_kind(kind_name: str) -> tuple[str, ...]:
    """The sources whose entries become records of this kind."""
    return tuple(name for name in names() if kind(name).name == kind_name)


def gives(name: str) -> frozenset[str]:
    """Columns that the source's own `read` fills in every record; none where it has no such function."""
    return frozenset(getattr(load(name), "GIVES", ()))


@cache
def _rooms() -> dict[str, str]:
    """Source → the sub-package that it lies in."""
    return {name: room for room in packages_of(__name__) for name in modules_of(f"{__name__}.{room}")}
