"""Layouts of files that finished shards are written as: one file each; the file name is the name.

A layout module has `Config` (a frozen dataclass; its fields are the flags `--<layout>-<option>`), `check(config,
schema)`, which raises UsageError, `columns(config)`, what it reads of a record, and `files(row, schema, config)`, which
yields the path of each file and a function that makes its bytes, so that what is there already costs nothing.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> tuple[str, ...]:
    """Layouts, not imported; helpers begin with an underscore."""
    return tuple(sorted(item.name for item in pkgutil.iter_modules(__path__) if not item.name.startswith("_")))


def load(name: str) -> ModuleType:
    """Raises ValueError for an unknown layout."""
    if name not in names():
        raise ValueError(f"unknown layout {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"pipelines.exports.{name}")


def file_name(record_id: str, ending: str) -> str:
    """One plain file name per record: `a/b` becomes `a__b.png`."""
    return f"{record_id.replace('/', '__')}.{ending}"
