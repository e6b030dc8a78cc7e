"""Records as a notebook shows them: their pictures side by side, all else in a table."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import fields, kinds
from schemas.pages import cells
from schemas.pages.pictures import data_uri, jpeg

SIZE = (400, 220)  # the most of a picture, width and height
LONGEST = 300  # characters of a value
_FIELDS: dict[str, pa.Field] = {
    name: field for kind in kinds.KINDS.values() for name, field in kind.fields.items() if fields.is_picture(field)
}


class Shown(dict[str, Any]):
    """A record that a notebook draws; in everything else it is the dict."""

    def _repr_html_(self) -> str:
        return html(self)


def html(record: Mapping[str, Any]) -> str:
    """A record whose pictures are arrays. Words are escaped, and nothing is loaded from elsewhere."""
    pictures = {name: pixels for name, value in record.items() if (pixels := _pixels(name, value)) is not None}
    figures = "".join(_figure(name, pixels) for name, pixels in pictures.items())
    rows = ((name, _told(value)) for name, value in record.items() if name not in pictures and value is not None)
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{figures}</div>{table(rows)}'


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns, names and values, escaped."""
    lines = (f"<th style='text-align:left'>{escape(name)}</th><td>{escape(text)}</td>" for name, text in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _pixels(name: str, value: Any) -> np.ndarray | None:
    """uint8 [h w 3] of a column that is a picture; None of one that is none."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or not value.size:
        return None
    field = _FIELDS.get(name)
    if field is not None:
        return cells.coloured(field, value)
    if value.ndim == 2:  # another recipe's mask
        return np.repeat(value[..., None], 3, axis=2)
    return value if value.ndim == 3 and value.shape[2] == 3 else None


def _figure(name: str, pixels: np.ndarray) -> str:
    data, width, height = jpeg(pixels, SIZE)
    title = escape(name, quote=True)
    picture = f'<img src="{data_uri(data, "jpeg")}" width="{width}" height="{height}" alt="{title}">'
    return f'<figure style="margin:0">{picture}<figcaption>{title}</figcaption></figure>'


def _told(value: Any) -> str:
    text = " ".join(_words(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, np.ndarray):
        yield f"{value.dtype} [{' '.join(map(str, value.shape))}]"
    elif isinstance(value, Mapping):
        yield ", ".join(f"{name} {' '.join(_words(part))}" for name, part in value.items() if part is not None)
    elif isinstance(value, list | tuple):
        yield "; ".join(" ".join(_words(part)) for part in value)
    else:
        yield f"{value:g}" if isinstance(value, float) else str(value)
