"""The cost model of benchmarks/scaling.py: its arithmetic, and that the page shows what it computes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import scaling
from benchmarks.scaling import Cost, Machine

CPU, GPU = Cost("cpu", cpu_ms=80, read_kb=100, written_kb=100), Cost("gpu", cpu_ms=8, gpu_ms=20, origin="assumed")


def test_the_page_shows_what_the_model_computes() -> None:
    shown = scaling.SECTION.search(scaling.PAGE.read_text())
    assert shown is not None and shown[0].strip() == scaling.default_page().strip()
    assert "(assumed)" in shown[0] and "no quotations" in " ".join(shown[0].split())


def test_the_slowest_part_decides() -> None:
    machine = Machine(vcpus=16, gpus=1, gbit=10)
    assert machine.bottleneck(CPU) == ("CPU", pytest.approx(100)), "80 ms of a core, of which 16 virtual cores are 8"
    assert machine.bottleneck(GPU) == ("GPU", pytest.approx(50))
    assert machine.bottleneck(Cost("bytes", 0.01, read_kb=125 * 1e6 / 1024))[0] == "network"
    assert (CPU + GPU).origin == "assumed" and (CPU + GPU).cpu_ms == 88


def test_machines_hours_and_money() -> None:
    """10⁶ records at 100/s are 2.78 hours of one machine, 5 % more by balance, and 75 s before and after."""
    machine = Machine(vcpu_hour=0.05)
    one = scaling.estimate(CPU, 10**6, machine, hours=24, gigabyte_month=0.0)
    assert (one.machines, one.hours) == (1, pytest.approx(1e4 / 3600 * 1.05 + 75 / 3600))
    assert one.money == pytest.approx(one.hours * 0.8) and one.bottleneck == "CPU"
    many = scaling.estimate(CPU, 10**8, machine, hours=24, gigabyte_month=0.0)
    assert many.machines > 10 and many.hours <= 24, "as few as end within a day"
    hurried = scaling.estimate(CPU, 10**8, machine, hours=0.1, gigabyte_month=0.0)
    assert hurried.hours < 2 * 10**8 * 75e-6 / 3600 + 0.01, "no more machines than the starting one can serve"


def test_twenty_units_a_worker_keep_the_tail_under_five_percent() -> None:
    assert scaling.tail(20, 32, 0.03, 300) < 0.05 < scaling.tail(10, 32, 0.03, 300)
    for records, workers in ((10**5, 16), (10**6, 256), (10**8, 4096)):
        assert records / scaling.shard_size(records, workers) >= scaling.UNITS_A_WORKER * workers


def test_costs_of_a_build_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "_receipts").mkdir()
    seconds = [
        [{"name": "read", "seconds": 0.2}, {"name": "encode", "seconds": 0.1}, {"name": "agnostic", "seconds": 0.04}]
    ]
    table = pa.table({"rows": [4] * 2, "bytes": [4096] * 2, "seconds": seconds * 2})
    pq.write_table(table, tmp_path / "_receipts/receipts.parquet")
    base, agnostic = scaling.of_receipts(str(tmp_path))
    assert (base.cpu_ms, base.written_kb, agnostic.name) == (pytest.approx(75), 1, "agnostic")
    assert agnostic.cpu_ms == pytest.approx(10)
