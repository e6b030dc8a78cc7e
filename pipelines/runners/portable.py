"""Any job server of Beam's portability protocol."""

from collections.abc import Callable, Sequence

from pipelines.runners import _portable
from pipelines.runners._portable import Options, check
from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError

NAMES = ("PortableRunner",)
REMOTE = True

__all__ = ["NAMES", "REMOTE", "Options", "check", "ready", "run"]


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where no job server answers."""
    if options.job_endpoint is None:
        raise UsageError("--runner PortableRunner needs a running job server: --job_endpoint HOST:PORT")
    _portable.endpoint_ready(options.job_endpoint)


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers; `rest` are Beam's own flags."""
    from apache_beam.runners.portability.portable_runner import PortableRunner

    return _portable.run(job, numbers, PortableRunner(), options, rest)
