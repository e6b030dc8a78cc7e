"""This machine: Beam's in-process FnApiRunner with as many workers as cores.

Not Beam's own `DirectRunner` alias, which first tries to download a Go binary.
"""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

NAMES = ("DirectRunner",)


def check(options: Sequence[str]) -> None:
    """Raises UsageError for flags that Beam doesn't know."""
    if options:  # Beam takes a second to import
        from pipelines.runners import _beam

        _beam.check(options)


def run(job: Callable[[int], Any], numbers: Sequence[int], options: Sequence[str]) -> None:
    """Maps the job over the numbers; defaults can be overridden by Beam's own flags."""
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of absent cloud libraries when it is imported
    from pipelines.runners import _beam

    runner = _beam.local_runner()
    given = " ".join(options)
    defaults = {"direct_running_mode": "multi_threading", "direct_num_workers": str(os.cpu_count() or 1)}
    missing = [f"--{name}={value}" for name, value in defaults.items() if f"--{name}" not in given]
    _beam.run(job, numbers, runner, [*options, *missing])
