"""A Spark cluster through pyspark: units are tasks of a session. Needs neither a Beam job server nor a container.

The session is the active one, that of spark-submit, or one of `--spark_master`. Workers get this project from here;
their Python has its libraries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.runners import _granted, _reaching, _shipping, _spark_master, _spark_session
from pipelines.runners._spans import Span, SpanJob, spans
from pipelines.runners._totals import Totals
from schemas.cli.flags import UnknownFlag, UsageError, flag

NAMES = ("PySparkRunner",)
REMOTE = True
ONE_GPU = ("spark.executor.resource.gpu.amount", "spark.task.resource.gpu.amount")  # settings of Spark


@dataclass(frozen=True)
class Options:
    """Which cluster, and what it is told."""

    spark_master: str | None = flag(
        None,
        help=f"{_spark_master.ALLOWED} (default: the active session's or spark-submit's, else local[*])",
        metavar="MASTER",
    )
    spark_conf: tuple[str, ...] = flag(
        (), help="a setting of Spark; may be repeated", metavar="NAME=VALUE", repeated=True
    )
    spark_patience: int = flag(60, help="seconds without any executor after which to give up", metavar="SECONDS")

    def __post_init__(self) -> None:
        wrong = next((text for text in self.spark_conf if not _setting(text)[1]), None)
        if wrong is not None:
            raise ValueError(f"--spark_conf {wrong!r}; allowed is NAME=VALUE, such as spark.executor.memory=4g")
        if self.spark_patience < 1:
            raise ValueError(f"--spark_patience {self.spark_patience}; allowed is 1 or more")
        shared = next((name for name in ONE_GPU if self.settings.get(name, "1") != "1"), None)
        if shared is not None:
            raise ValueError(
                f"--spark_conf {shared}={self.settings[shared]}; allowed is 1: each task loads its own models"
            )

    @property
    def settings(self) -> dict[str, str]:
        return dict(map(_setting, self.spark_conf))


def check(rest: Sequence[str]) -> None:
    """Raises UnknownFlag: Spark's settings come by --spark_conf."""
    if rest:
        text = f"unknown flag {rest[0]!r}; --help lists this command's, --spark_conf takes Spark's settings"
        raise UnknownFlag(rest[0], text)


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where pyspark or Java is missing, and where no master answers."""
    _reaching.need(NAMES[0], "pyspark", "spark")
    present = _spark_session.active()
    if present is not None and options.spark_master not in (None, present.master):
        raise UsageError(
            f"--spark_master {options.spark_master!r}: the active session is {present.master}'s; leave it out"
        )
    if present is not None and options.spark_conf:
        raise UsageError(f"--spark_conf {options.spark_conf[0]!r}: a session is active; allowed is to set it there")
    if present is None and not _spark_session.submitted() and _spark_session.java() is None:
        raise UsageError("--runner PySparkRunner needs Java 17 or later: none is in JAVA_HOME or on PATH")
    if options.spark_master is not None:
        _spark_master.check(options.spark_master)


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers."""
    tasks = spans(numbers)
    with _spark_session.context(options.spark_master or "", options.settings) as context:
        context.addPyFile(str(_shipping.package(_spark_session.kept(context))))
        built = context.parallelize(tasks, len(tasks)).map(Task(SpanJob(job)))
        with _spark_session.Watch(context, options.spark_patience) as watch:
            try:
                totals: Totals = sum(built.collect(), Totals())
            except Exception as error:
                raise RuntimeError(_lost(context, options) if watch.gave_up else _reason(error)) from error
        _spark_session.settle(context)
        return totals


class Task:
    """A span's units, on the GPU that Spark grants to the task where it grants any."""

    def __init__(self, job: SpanJob) -> None:
        self.job = job

    def __call__(self, span: Span) -> Totals:
        from pyspark import TaskContext

        context = TaskContext.get()
        resource = context.resources().get("gpu") if context is not None else None
        _granted.grant(resource.addresses if resource is not None else ())
        return self.job(span)


def _setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()


def _lost(context: Any, options: Options) -> str:
    return (
        f"no executor for {options.spark_patience} s: the workers of {context.master} are gone, or it has none free"
        " (--spark_patience waits longer); run it again to go on"
    )


def _reason(error: Exception) -> str:
    """The one line of a failed job that says why: the last of a worker's traceback, else the first of Java's."""
    java = getattr(error, "java_exception", None)
    lines = [line.strip() for line in (str(java.getMessage()) if java is not None else str(error)).splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "Driver stacktrace"))]
    traceback = next((i for i, line in enumerate(told) if line.startswith("Traceback")), None)
    return (told[0] if traceback is None else told[-1]) if told else type(error).__name__
