"""What `sample` is asked for: a file per kind of task, each with its own flags.

A file has `Flags`, `IDS` and `FACTS` (its columns of samples.parquet, before and after the settings'), `flags_of`,
`asked` and `read`. A system's Config names the kinds that it answers.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from schemas.cli.flags import Parsed, UsageError
from schemas.cli.modules import modules_of
from vton_models.system import Config, Record

if TYPE_CHECKING:
    import numpy as np

    from vton_models.sampling.loop import Sampler, Task


@dataclass(frozen=True)
class Setting:
    """What a kind of task must know beside its own flags."""

    config: Config
    seed: int
    device: str
    trained_masks: Mapping[str, Sequence[str]] = field(default_factory=dict)  # category → recipes, where a run notes it


class Inputs(Protocol):
    """What is sampled: listed, or decoded, before any network is built."""

    @property
    def left_out(self) -> Sequence[dict[str, str]]:
        """Rows of rejects.parquet for what can't be sampled; they don't count as rejects."""
        ...

    @property
    def one_by_one(self) -> bool:
        """Whether a task reads the result of the one before it."""
        ...

    @property
    def told(self) -> str:
        """One line for people, or empty."""
        ...

    def described(self) -> dict[str, Any]:
        """What results of one folder have in common, for config.json; without paths."""
        ...

    def tasks(self, folder: Path) -> "list[Task]":
        """In order; `folder` is where the results lie."""
        ...

    def finish(self, sampler: "Sampler") -> "Callable[[Task, Record, np.ndarray], np.ndarray]":
        """What becomes of a picture of the network."""
        ...


class Kind(Protocol):
    """A file of this package."""

    IDS: tuple[str, ...]
    FACTS: tuple[str, ...]

    def flags_of(self, config: type[Config]) -> tuple[type[Any], ...]:
        """The frozen dataclasses whose fields are the flags of this kind for a system."""
        ...

    def asked(self, parsed: Parsed) -> bool:
        """Whether the command line is about this kind."""
        ...

    def read(self, parsed: Parsed, setting: Setting) -> Inputs:
        """Raises UsageError for flags that don't go together, and for what can't be read."""
        ...


def kinds(config: type[Config]) -> tuple[Kind, ...]:
    """Those that a system answers. Raises UsageError for one that doesn't exist."""
    known = modules_of(__name__)
    for name in config.tasks:
        if name not in known:
            raise UsageError(f"unknown kind of task {name!r}; there are {', '.join(known)}")
    return tuple(cast(Kind, importlib.import_module(f"{__name__}.{name}")) for name in config.tasks)


def chosen(config: type[Config], parsed: Parsed) -> Kind:
    """The kind that the command line is about; the first where it says nothing. Raises UsageError without any."""
    answered = kinds(config)
    if not answered:
        raise UsageError("this system answers no kind of task")
    return next((kind for kind in answered if kind.asked(parsed)), answered[0])
