"""Prism, Beam's local runner of Go, from a binary that lies here: nothing is downloaded."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.runners import _portable
from pipelines.runners._portable import check
from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError, flag

NAMES = ("PrismRunner",)
REMOTE = True

__all__ = ["NAMES", "REMOTE", "Options", "check", "ready", "run"]


@dataclass(frozen=True)
class Options(_portable.Options):
    """The binary, beside what all portable runners take."""

    prism_location: str | None = flag(None, help="binary of Prism, or its zip, for this machine", metavar="FILE")


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where the binary isn't there, or the Prism that runs already doesn't answer."""
    if options.job_endpoint is not None:
        _portable.endpoint_ready(options.job_endpoint)
    elif options.prism_location is None:
        raise UsageError(
            "--runner PrismRunner needs its binary, from the releases of github.com/apache/beam:"
            " --prism_location FILE; or a running Prism: --job_endpoint HOST:PORT"
        )
    elif not os.path.isfile(options.prism_location):
        raise UsageError(f"--prism_location {options.prism_location}: no such file; allowed is a binary of Prism")


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers; `rest` are Beam's own flags."""
    from apache_beam.runners.portability.prism_runner import PrismRunner

    return _portable.run(job, numbers, PrismRunner(), options, rest)
