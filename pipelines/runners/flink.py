"""A Flink cluster, or a local one, through Beam's job server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.runners import _portable, _reaching
from pipelines.runners._portable import check
from pipelines.runners._totals import Totals
from schemas.cli.flags import flag

NAMES = ("FlinkRunner",)
REMOTE = True
_LOCAL = ("[local]", "[auto]")

__all__ = ["NAMES", "REMOTE", "Options", "check", "ready", "run"]


@dataclass(frozen=True)
class Options(_portable.Options):
    """Which cluster, and Beam's job server for it, beside what all portable runners take."""

    flink_master: str = flag("[auto]", help="address of the cluster, [local] or [auto]", metavar="HOST:PORT")
    flink_job_server_jar: str | None = flag(None, help="Beam's job server; else from Maven", metavar="FILE")


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where the job server can't be reached or started, or the cluster doesn't answer."""
    if options.flink_master not in _LOCAL:
        _reaching.answers("--flink_master", options.flink_master, default_port=8081)
    if options.job_endpoint is not None:
        _portable.endpoint_ready(options.job_endpoint)
    else:
        _portable.java_server_ready(NAMES[0], "--flink_job_server_jar", options.flink_job_server_jar, _url)


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers; `rest` are Beam's own flags."""
    from apache_beam.runners.portability.flink_runner import FlinkRunner

    return _portable.run(job, numbers, FlinkRunner(), options, rest)


def _url() -> str:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.flink_runner import FlinkJarJobServer

    return str(FlinkJarJobServer(PipelineOptions([])).path_to_jar())
