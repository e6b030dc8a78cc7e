"""A Dask cluster, or one that is started on this machine: Beam's runner for dask.distributed.

Beam's Dask runner computes the last step of a pipeline only, has no metrics, and waits for ever where no worker is
left. So the last step is the one that builds, a task answers with its totals, and whoever waits looks for the workers.
"""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pipelines.runners import _reaching
from pipelines.runners._spans import SpanJob, spans
from pipelines.runners._totals import Totals
from schemas import package
from schemas.cli.flags import UsageError, flag, one_line

NAMES = ("DaskRunner",)
REMOTE = True
LOOK = 1.0  # seconds between two looks at the workers


class Lost(Exception):
    """The cluster went away in mid-build."""


@dataclass(frozen=True)
class Options:
    """Which cluster, and how the units become its tasks; names in Beam's way."""

    dask_client_address: str | None = flag(None, help="scheduler, such as tcp://host:8786", metavar="ADDRESS")
    dask_scheduler_file: str | None = flag(None, help="file of `dask scheduler --scheduler-file`", metavar="FILE")
    dask_workers: int = flag(0, help="without a scheduler: worker processes here; 0: as many as cores", metavar="N")
    dask_partition_size: int = flag(0, help="units a task; 0: one, more above 20,000 units", metavar="N")
    dask_patience: int = flag(30, help="seconds to wait where no worker is there", metavar="S")
    dask_resources: tuple[str, ...] = flag((), help="what a task takes of its worker, such as GPU=1", metavar="A=N,…")

    def __post_init__(self) -> None:
        for name in ("dask_workers", "dask_partition_size", "dask_patience"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} {getattr(self, name)}; allowed is 0 or more")
        if not all(amount > 0 for amount in self.resources.values()):
            raise ValueError(f"--dask_resources {','.join(self.dask_resources)}; allowed is NAME=AMOUNT, such as GPU=1")
        if self.dask_client_address and self.dask_scheduler_file:
            raise ValueError("--dask_client_address and --dask_scheduler_file: allowed is one of them")

    @property
    def resources(self) -> dict[str, float]:
        """What a task takes of its worker; 0 where no amount can be read."""
        pairs = [text.partition("=") for text in self.dask_resources]
        return {name.strip(): float(amount) if amount.strip().isdigit() else 0.0 for name, _, amount in pairs}


def check(rest: Sequence[str]) -> None:
    """Raises UsageError for flags that Beam doesn't know, and for the one that would undo the cut into tasks."""
    if any(word.partition("=")[0] == "--dask_npartitions" for word in rest):
        raise UsageError("--dask_npartitions isn't taken; allowed is --dask_partition_size N, units a task")
    if rest:
        _beam().check(rest)


def ready(options: Options, rest: Sequence[str]) -> None:
    """Raises UsageError where the scheduler or its workers can't build: asked before any work."""
    _reaching.need(NAMES[0], "distributed", "dask")
    address = _address(options)
    if address is None:
        return
    named = "--dask_client_address" if options.dask_client_address else "--dask_scheduler_file: scheduler"
    _reaching.answers(named, address, default_port=8786)
    _check_is_scheduler(named, address)
    with _distributed().Client(address, timeout=_reaching.PATIENCE, set_as_default=False) as client:
        _await_workers(client, address, options.dask_patience)
        _check_versions(client)
        _check_resources(client, options)


def run(job: Callable[[int], Totals], numbers: Sequence[int], options: Options, rest: Sequence[str]) -> Totals:
    """Maps the job over the numbers. Raises Lost where no worker is left."""
    import dask
    from apache_beam.runners.dask.dask_runner import DaskRunner

    beam = _beam()
    with _cluster(options) as address:
        told = [f"--dask_client_address={address}", "--dask_partition_size=1"]
        with dask.annotate(resources=options.resources) if options.resources else contextlib.nullcontext():
            result = beam.start(SpanJob(job), spans(numbers, options.dask_partition_size), DaskRunner(), [*rest, *told])
        try:
            _wait(result, address, options.dask_patience)
            return sum((totals for future in result.client.gather(result.futures) for totals in future), Totals())
        finally:
            result.client.close(timeout=LOOK)


def _address(options: Options) -> str | None:
    """Of the scheduler; None where a cluster is to be started here."""
    if options.dask_scheduler_file is None:
        return options.dask_client_address
    try:
        with open(options.dask_scheduler_file, encoding="utf-8") as file:
            return str(json.load(file)["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "no file of a Dask scheduler"
        raise UsageError(f"--dask_scheduler_file {options.dask_scheduler_file}: {reason}") from None


@contextlib.contextmanager
def _cluster(options: Options) -> Iterator[str]:
    """The address of the scheduler that was named, or of one that lives as long as the build."""
    address = _address(options)
    if address is not None:
        yield address
        return
    workers = options.dask_workers or os.cpu_count() or 1
    distributed = _distributed()
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster.scheduler_address


def _check_is_scheduler(named: str, address: str) -> None:
    """Raises UsageError where something else listens: a client would wait there for ever."""
    distributed = _distributed()

    async def kind() -> str:
        connection = distributed.Security().get_connection_args("client")
        server = distributed.rpc(address, timeout=_reaching.PATIENCE, connection_args=connection)
        try:
            return str((await asyncio.wait_for(server.identity(), _reaching.PATIENCE))["type"])
        finally:
            await server.close_rpc()

    try:
        there = asyncio.run(kind())
    except Exception as error:  # whatever else speaks there: its words are read as lengths and as pickles
        there = one_line(error) or "no answer"
    if there != "Scheduler":
        raise UsageError(f"{named} {address} is no Dask scheduler: {there}")


def _await_workers(client: Any, address: str, patience: int) -> None:
    deadline = time.monotonic() + patience
    while not client.nthreads():
        if time.monotonic() >= deadline:
            raise UsageError(
                f"the Dask scheduler at {address} has had no worker for {patience} s: start some with"
                f" `dask worker {address}`, or allow more time with --dask_patience"
            )
        time.sleep(0.2)


def _check_resources(client: Any, options: Options) -> None:
    """Raises UsageError where no worker offers what a task takes: Dask would wait for one."""

    def offered(dask_worker: Any) -> dict[str, float]:
        return dict(dask_worker.state.total_resources)

    workers = client.run(offered).values() if options.resources else ()
    if workers and not any(all(has.get(name, 0) >= n for name, n in options.resources.items()) for has in workers):
        raise UsageError(
            f"--dask_resources {','.join(options.dask_resources)}: none of {len(workers)} workers offers that; allowed"
            " is what workers were started with, as `dask worker --resources GPU=1`"
        )


def _check_versions(client: Any) -> None:
    """Raises UsageError unless scheduler and workers have this version of the package."""

    def version() -> str:  # within a function, so that it travels as code and needs no package of ours to arrive
        try:
            from schemas import package
        except ImportError as error:
            return f"none ({error})"
        return package.version()

    here = package.version()
    answers = client.run(version) | {"the scheduler": client.run_on_scheduler(version)}
    for place, there in sorted(answers.items(), key=str):
        if there != here:
            raise UsageError(
                f"vton-pipelines {here} is needed on {place}, which has {there}: install it in the environment that"
                " starts `dask scheduler` and `dask worker`, or put the checkout on their PYTHONPATH"
            )


def _wait(result: Any, address: str, patience: int) -> None:
    """Until all is done. Raises Lost when no worker has been there for as long as `patience` says, and no scheduler."""
    last_seen = time.monotonic()
    while not all(future.done() for future in result.futures):
        time.sleep(LOOK / 5)
        try:
            workers = result.client.nthreads()
        except (OSError, RuntimeError) as error:
            raise _gone(address, one_line(error)) from None
        if workers:
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen >= patience:
            raise Lost(
                f"no worker is left at the Dask scheduler {address} since {patience} s; start some and run it again"
                " to go on"
            )
    if any(future.cancelled() for future in result.futures):
        raise _gone(address, "it let the tasks go")


def _gone(address: str, reason: str) -> Lost:
    return Lost(f"the Dask scheduler at {address} is gone ({reason}); run it again to go on")


def _distributed() -> ModuleType:
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is raised, and told in one line
    return distributed


def _beam() -> ModuleType:
    from pipelines.runners import direct

    return direct.quietly_imported()
