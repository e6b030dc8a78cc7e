"""What a person is shown of a record: a file for each kind of records, named as the kind is.

Such a file has `facts(row)`, words about a stored row, and `views(row, values)`, pictures drawn from several columns;
`values(column)` gives a column decoded, and raises codecs.CodecError.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from schemas.cli.modules import modules_of
from schemas.kinds import Kind

Values = Callable[[str], Any]


@dataclass(frozen=True, eq=False)
class View:
    """A picture of a record, and the columns that needn't be shown beside it since they are seen in it.

    `draw` gives uint8 [h w 3] RGB, and raises what `values` raises.
    """

    title: str
    draw: Callable[[], np.ndarray]
    columns: tuple[str, ...] = ()


class Pictures(Protocol):
    """What the file of a kind has."""

    def facts(self, row: Mapping[str, Any]) -> Iterable[str]: ...

    def views(self, row: Mapping[str, Any], values: Values) -> Iterable[View]: ...


def names() -> tuple[str, ...]:
    """The kinds that say what is shown of them."""
    return modules_of(__name__)


def of(kind: Kind) -> Pictures:
    """Of the kind's own file."""
    return cast(Pictures, importlib.import_module(f"{__name__}.{kind.name}"))
