"""This machine: Beam's in-process FnApiRunner with as many workers as cores.

Not Beam's own `DirectRunner` alias, which first tries to download a Go binary.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from pipelines.runners._totals import Totals
from schemas.cli.flags import flag

NAMES = ("DirectRunner",)
REMOTE = False
MODES = ("multi_threading", "multi_processing", "in_memory")


@dataclass(frozen=True)
class Options:
    """How the units are shared out on this machine; Beam's names."""

    direct_num_workers: int = flag(0, help="workers; 0: as many as cores (the default)", metavar="N")
    direct_running_mode: str = flag("multi_threading", help="what a worker is", choices=MODES)

    def __post_init__(self) -> None:
        if self.direct_num_workers < 0:
            raise ValueError(f"--direct_num_workers {self.direct_num_workers}; allowed is 0 or more")


def check(rest: Sequence[str]) -> None:
    """Raises UsageError for flags that Beam doesn't know."""
    if rest:  # Beam takes a second to import
        quietly_imported().check(rest)


def ready(options: Options, rest: Sequence[str]) -> None:
    """This machine is there."""


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers; `rest` are Beam's own flags."""
    beam = quietly_imported()
    workers = options.direct_num_workers or os.cpu_count() or 1
    own = [f"--direct_running_mode={options.direct_running_mode}", f"--direct_num_workers={workers}"]
    totals: Totals = beam.run(job, numbers, beam.local_runner(), [*rest, *own])
    return totals


def quietly_imported() -> ModuleType:
    """The Beam rim. Beam warns of absent cloud libraries when it is imported."""
    logging.getLogger().setLevel(logging.ERROR)
    from pipelines.runners import _beam

    return _beam
