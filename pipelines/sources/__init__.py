"""Dataset layouts: one file each, which lists records (ids and file locations) and reads no pixels.

A source module has `DATASET` (its name in record ids), `EXPECTED` (its layout in one line) and
`listing(root, split, pairing, dataset=…, **options)`, which returns a `Listing` or raises `UsageError`; the options
are the layout's own.
"""

import importlib
import pkgutil
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pipelines.storage import Entry


@dataclass(frozen=True)
class Listed:
    """A record to be: its own values, and column → path below the input root."""

    record_id: str
    split: str
    values: dict[str, Any]
    references: dict[str, str]
    source: str


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
    """Everything a source found; `files` holds size and token of every referenced path."""

    records: list[Listed] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    repeated_lines: int = 0


def names() -> tuple[str, ...]:
    """Source modules, not imported; helpers begin with an underscore."""
    import pipelines.sources as package

    found = pkgutil.iter_modules(package.__path__)
    return tuple(sorted(item.name for item in found if not item.ispkg and not item.name.startswith("_")))


def load(name: str) -> ModuleType:
    if name not in names():
        raise ValueError(f"unknown source {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"pipelines.sources.{name}")
