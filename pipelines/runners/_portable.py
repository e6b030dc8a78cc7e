"""What Beam's portable runners share: a job server, and the environment that a worker runs in."""

import os
import shutil
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pipelines.runners import _reaching
from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError, flag

ENVIRONMENTS = ("DOCKER", "PROCESS", "EXTERNAL", "LOOPBACK")
EMBEDDED = "embed"  # Beam's word for a job service within this process
_MAVEN = "repo.maven.apache.org:443"


@dataclass(frozen=True)
class Options:
    """Where jobs are submitted, and what runs the work there; Beam's names, and Beam's defaults where they are None."""

    job_endpoint: str | None = flag(None, help="running job server", metavar="HOST:PORT")
    environment_type: str | None = flag(None, help="what a worker is", choices=ENVIRONMENTS)
    environment_config: str | None = flag(
        None, help="its container image, process or address (docs/scaling.md)", metavar="WORD"
    )


def check(rest: Sequence[str]) -> None:
    """Raises UsageError for flags that Beam doesn't know."""
    if rest:  # Beam takes a second to import
        from pipelines.runners import direct

        direct.quietly_imported().check(rest)


def endpoint_ready(endpoint: str) -> None:
    """Raises UsageError unless a job server, or at least one that speaks gRPC, answers there."""
    if endpoint == EMBEDDED:
        return
    _reaching.answers("--job_endpoint", endpoint)
    import grpc

    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_reaching.PATIENCE)
        except grpc.FutureTimeoutError:
            raise UsageError(f"--job_endpoint {endpoint}: what listens there is no job server") from None


def java_server_ready(runner: str, jar_flag: str, jar: str | None, url: Callable[[], str]) -> None:
    """Raises UsageError where Beam's Java job server can't be started: it needs Java, and a jar from here or Maven."""
    ways = f"allowed is a {jar_flag} FILE, or a running job server as --job_endpoint HOST:PORT"
    if shutil.which("java") is None:
        raise UsageError(f"--runner {runner} starts a job server of Java, and no `java` is on the PATH; {ways}")
    if jar is not None:
        if "://" not in jar and not os.path.isfile(jar):
            raise UsageError(f"{jar_flag} {jar}: no such file; {ways}")
        return
    from apache_beam.utils.subprocess_server import JavaJarServer

    name = url().rpartition("/")[2]
    if os.path.exists(os.path.join(JavaJarServer.JAR_CACHE, name)) or urllib.request.getproxies():
        return
    try:
        _reaching.answers("Maven at", _MAVEN)
    except UsageError as error:
        raise UsageError(f"--runner {runner} needs {name}, which can't be downloaded ({error}); {ways}") from None


def words(options: Any) -> list[str]:
    """The options that were said, as Beam reads them."""
    said = {item.name: getattr(options, item.name) for item in fields(options)}
    return [f"--{name}={value}" for name, value in said.items() if value is not None]


def run(job: Callable[[int], Totals], numbers: Sequence[int], runner: Any, options: Any, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers by one of Beam's runners."""
    from pipelines.runners import direct

    totals: Totals = direct.quietly_imported().run(job, numbers, runner, [*rest, *words(options)])
    return totals
