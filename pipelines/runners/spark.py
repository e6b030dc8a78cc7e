"""A Spark cluster, or a local one, through Beam's job server; `PySparkRunner` needs neither that nor a container."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.runners import _portable, _reaching
from pipelines.runners._portable import check
from pipelines.runners._totals import Totals
from schemas.cli.flags import flag

NAMES = ("SparkRunner",)
REMOTE = True

__all__ = ["NAMES", "REMOTE", "Options", "check", "ready", "run"]


@dataclass(frozen=True)
class Options(_portable.Options):
    """Which cluster, and Beam's job server for it, beside what all portable runners take."""

    spark_master_url: str = flag("local[4]", help="spark://HOST:PORT, yarn, local[N]", metavar="URL")
    spark_job_server_jar: str | None = flag(None, help="Beam's job server; else from Maven", metavar="FILE")


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where the job server can't be reached or started, or the cluster doesn't answer."""
    if options.spark_master_url.startswith("spark://"):
        _reaching.answers("--spark_master_url", options.spark_master_url, default_port=7077)
    if options.job_endpoint is not None:
        _portable.endpoint_ready(options.job_endpoint)
    else:
        _portable.java_server_ready(NAMES[0], "--spark_job_server_jar", options.spark_job_server_jar, _url)


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers; `rest` are Beam's own flags."""
    from apache_beam.runners.portability.spark_runner import SparkRunner

    return _portable.run(job, numbers, SparkRunner(), options, rest)


def _url() -> str:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.spark_runner import SparkJarJobServer

    return str(SparkJarJobServer(PipelineOptions([])).path_to_jar())
