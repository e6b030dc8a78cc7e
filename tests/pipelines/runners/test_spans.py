"""What engines share: how numbers become tasks, and what is asked before any work."""

import socket

import pytest
from support import servers

from pipelines.runners import _reaching
from pipelines.runners._spans import MOST_TASKS, SpanJob, spans
from pipelines.runners._totals import Totals
from schemas.cli.flags import UsageError


@pytest.mark.parametrize(("count", "tasks"), [(0, 0), (3, 3), (20_000, 20_000), (20_001, 10_001), (390_625, 19_532)])
def test_numbers_become_one_task_each_or_ranges_above_the_most(count: int, tasks: int) -> None:
    numbers = range(7, 7 + count)
    cut = spans(numbers)
    assert len(cut) == tasks <= MOST_TASKS
    assert [number for span in cut for number in span] == list(numbers)


def test_a_span_may_be_told_and_may_leave_numbers_out() -> None:
    assert spans([0, 2, 5, 9, 11], size=2) == [(0, 2), (5, 9), (11,)]


def test_a_task_sums_its_numbers() -> None:
    assert SpanJob(lambda number: Totals(1, number))((4, 5)) == Totals(2, 9)


def test_somebody_answers_or_the_flag_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _reaching.answers("--master", f"tcp://127.0.0.1:{server.getsockname()[1]}")
    port = servers.free_port()
    with pytest.raises(UsageError, match=f"^--master tcp://127.0.0.1:{port}: Connection refused"):
        _reaching.answers("--master", f"tcp://127.0.0.1:{port}")
    with pytest.raises(UsageError, match="^--master no-such-host.invalid:1: "):
        _reaching.answers("--master", "no-such-host.invalid:1")


@pytest.mark.parametrize("address", ["nowhere", "host:", ":80", "tcp://host:port", "host:0", "host:70000"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(UsageError, match="allowed is HOST:PORT"):
        _reaching.answers("--master", address)


def test_an_absent_package_names_the_extra() -> None:
    _reaching.need("SomeRunner", "json", "some")
    with pytest.raises(UsageError, match=r"^--runner SomeRunner needs .*`pip install 'vton-pipelines\[some\]'`$"):
        _reaching.need("SomeRunner", "no_such_package", "some")
