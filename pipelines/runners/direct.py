"""This machine: Beam's in-process FnApiRunner with as many workers as cores.

Not Beam's own `DirectRunner` alias, which first tries to download a Go binary.
"""

import logging
import os
from collections.abc import Callable, Sequence
from types import ModuleType

from pipelines.runners._totals import Totals

NAMES = ("DirectRunner",)
REMOTE = False


def check(options: Sequence[str]) -> None:
    """Raises UsageError for flags that Beam doesn't know."""
    if options:  # Beam takes a second to import
        _quietly_imported().check(options)


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Sequence[str]) -> Totals:
    """Maps the job over the numbers; defaults can be overridden by Beam's own flags."""
    beam = _quietly_imported()
    given = " ".join(options)
    defaults = {"direct_running_mode": "multi_threading", "direct_num_workers": str(os.cpu_count() or 1)}
    missing = [f"--{name}={value}" for name, value in defaults.items() if f"--{name}" not in given]
    totals: Totals = beam.run(job, numbers, beam.local_runner(), [*options, *missing])
    return totals


def _quietly_imported() -> ModuleType:
    """The Beam rim. Beam warns of absent cloud libraries when it is imported."""
    logging.getLogger().setLevel(logging.ERROR)
    from pipelines.runners import _beam

    return _beam
