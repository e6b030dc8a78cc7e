"""What a person is shown of a record: a file for each kind of records, named as the kind is.

Such a file has `facts(row)`, words about a stored row, and `views(row, values)`, its pictures and what may lie on them;
`values(column)` gives a column decoded, and raises codecs.CodecError.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from schemas import labels
from schemas.cli.modules import modules_of
from schemas.kinds import Kind
from schemas.pages import Layer

PALETTES: Mapping[str, np.ndarray] = {**labels.PALETTES, "densepose": labels.DENSEPOSE_COLOURS}

Values = Callable[[str], Any]
Drawing = Callable[[int, int], Layer]  # of a picture that is shown so wide and so high, in pixels


@dataclass(frozen=True, eq=False)
class View:
    """A picture of a record, and the columns that needn't be shown beside it since they are seen in it.

    `draw` gives uint8 [h w 3] RGB, and raises what `values` raises; so does what draws a layer. Layers are named by the
    column that they show. `main` views are on the contact sheet, the others where a record is looked at alone.
    """

    title: str
    draw: Callable[[], np.ndarray]
    columns: tuple[str, ...] = ()
    layers: Mapping[str, Drawing] = field(default_factory=dict)
    main: bool = False


class Pictures(Protocol):
    """What the file of a kind has; `SHOWN` names the layers that are on from the start."""

    SHOWN: tuple[str, ...]

    def facts(self, row: Mapping[str, Any]) -> Iterable[str]: ...

    def views(self, row: Mapping[str, Any], values: Values) -> Iterable[View]: ...


def names() -> tuple[str, ...]:
    """The kinds that say what is shown of them."""
    return modules_of(__name__)


def names_of_colours() -> dict[str, dict[str, str]]:
    """Label space → "#rrggbb" → the label, in words: what a page tells while the pointer is over a label map."""
    return {
        space: {
            "#{:02x}{:02x}{:02x}".format(*palette[label.value]): label.name.lower().replace("_", " ")
            for label in labels.SPACES[space]
        }
        for space, palette in PALETTES.items()
    }


def of(kind: Kind) -> Pictures:
    """Of the kind's own file."""
    return cast(Pictures, importlib.import_module(f"{__name__}.{kind.name}"))
