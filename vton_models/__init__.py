"""Systems that are trained and sampled from shards: one folder each; the folder's name is the name.

What a system's package must have is told in types by `vton_models.system`.
"""

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from schemas.cli.modules import packages_of
from vton_models.system import System

if TYPE_CHECKING:
    from vton_models.reading.dataset import ShardDataset as ShardDataset


def __getattr__(name: str) -> Any:
    """`ShardDataset`, the reader; torch comes with it, so it waits until it is asked for."""
    if name != "ShardDataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("vton_models.reading.dataset").ShardDataset


@cache
def names() -> tuple[str, ...]:
    """The sub-packages that have a `Config`; importing one costs no torch."""
    packages = packages_of(__name__)
    return tuple(name for name in packages if hasattr(importlib.import_module(f"{__name__}.{name}"), "Config"))


def load(name: str) -> System:
    """Raises ValueError for a name that isn't a system's."""
    if name not in names():
        raise ValueError(f"unknown model {name!r}; there are {', '.join(names())}")
    return cast(System, importlib.import_module(f"vton_models.{name}"))
