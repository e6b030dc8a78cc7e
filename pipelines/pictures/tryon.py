"""A try-on record is shown as its columns are."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.pictures import Values, View


def facts(row: Mapping[str, Any]) -> Iterator[str]:
    """The photo's size, and whether the person wears this garment."""
    if row.get("height"):
        yield f"{row['height']}×{row['width']}"
    if "paired" in row:
        yield "paired" if row["paired"] else "unpaired"


def views(row: Mapping[str, Any], values: Values) -> Iterator[View]:
    """None: no picture needs another one to be understood."""
    yield from ()
