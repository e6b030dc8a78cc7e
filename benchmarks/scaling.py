"""Hours, machines and money of builds of 10⁵, 10⁶ and 10⁸ records, from what a record costs.

    python -m benchmarks.scaling                              the section of docs/scaling.md
    python -m benchmarks.scaling --receipts OUT               costs of a build of your own, from its receipts
    python -m benchmarks.scaling --vcpu-hour 0.03 --gpu-hour 2.1 --hours 12 --gbit 25
    python -m benchmarks.scaling --write                      puts it into docs/scaling.md

Costs and prices are in benchmarks/costs.json. "measured": CPU time on one core of a busy machine with two and no GPU,
2026-11-27. "assumed": the GPU part is what one photo took on an H200 with 16 cores in batches of 8, random weights,
768x1024, as reported from elsewhere; none was at hand here. Prices are round numbers near what clouds list, and no
quotations.
"""

import argparse
import json
import random
import re
import statistics
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs/scaling.md"
SECTION = re.compile(r"(?<=<!-- python -m benchmarks.scaling -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)
SIZES = (10**5, 10**6, 10**8)
SERIAL_US = {"plan": 15, "finish": 60}  # of CPU a record, by the starting machine alone; measured
MOST_SHARD = 256  # list entries, as --shard-size has it
LEAST_SHARD = 16
UNITS_A_WORKER = 20
TAIL = 1.05  # what static balance costs with so many units a worker
STORED_MONTHS = 1


@dataclass(frozen=True)
class Cost:
    """Of one record: milliseconds of a core and of a GPU, kilobytes over the network."""

    name: str
    cpu_ms: float
    gpu_ms: float = 0
    read_kb: float = 0
    written_kb: float = 0
    origin: str = "measured"

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            f"{self.name} + {other.name}",
            self.cpu_ms + other.cpu_ms,
            self.gpu_ms + other.gpu_ms,
            self.read_kb + other.read_kb,
            self.written_kb + other.written_kb,
            "assumed" if "assumed" in (self.origin, other.origin) else "measured",
        )


@dataclass(frozen=True)
class Machine:
    """A virtual core is half of a core of the measuring machine: clouds sell hyperthreads."""

    vcpus: int = 16
    gpus: int = 0
    gbit: float = 10
    vcpu_hour: float = 0.048
    gpu_hour: float = 3.5
    vcpus_a_core: float = 2

    @property
    def hourly(self) -> float:
        return self.vcpus * self.vcpu_hour + self.gpus * self.gpu_hour

    def seconds(self, cost: Cost) -> dict[str, float]:
        """What each part of the machine needs for a record, when nothing else holds it up."""
        network = (cost.read_kb + cost.written_kb) * 1024 * 8 / (self.gbit * 1e9)
        gpu = {"GPU": cost.gpu_ms / 1e3 / self.gpus} if self.gpus else {}
        return {"CPU": cost.cpu_ms / 1e3 * self.vcpus_a_core / self.vcpus, **gpu, "network": network}

    def bottleneck(self, cost: Cost) -> tuple[str, float]:
        """The slowest part, and records a second."""
        part, seconds = max(self.seconds(cost).items(), key=lambda item: item[1])
        return part, 1 / seconds


@dataclass(frozen=True)
class Estimate:
    """Of one build: `hours` on the clock with as many machines, the serial work before and after included."""

    machines: int
    hours: float
    money: float
    bottleneck: str


def estimate(cost: Cost, records: int, machine: Machine, hours: float, gigabyte_month: float) -> Estimate:
    """With as few machines as end within `hours`, or as many as still help where serial work takes more."""
    part, rate = machine.bottleneck(cost)
    alone = records / rate / 3600 * TAIL
    serial = records * sum(SERIAL_US.values()) / 1e6 / 3600
    machines = max(1, -int(-alone // max(hours - serial, serial)))
    working = alone / machines
    stored = records * cost.written_kb * 1024 / 1e9 * gigabyte_month * STORED_MONTHS
    money = machines * working * machine.hourly + serial * machine.hourly + stored
    return Estimate(machines, working + serial, money, "plan and finish" if serial > working else part)


def shard_size(records: int, workers: int) -> int:
    """As large as leaves every worker UNITS_A_WORKER units; from 256 on, larger shards gain nothing."""
    return max(LEAST_SHARD, min(MOST_SHARD, records // (UNITS_A_WORKER * workers)))


def tail(units_a_worker: float, workers: int, spread: float, rounds: int, seed: int = 0) -> float:
    """How much longer the last worker takes than the average one, where units are dealt out beforehand.

    The mean of `rounds` numbers of units. spread: standard deviation of a unit's time over its mean.
    """
    generator, longer = random.Random(seed), []
    for _ in range(rounds):
        units = round(units_a_worker * workers) + generator.randrange(workers)
        times = [max(0.05, generator.gauss(1, spread)) for _ in range(units)]
        loads = [sum(times[worker::workers]) for worker in range(workers)]
        longer.append(max(loads) / statistics.mean(loads) - 1)
    return statistics.mean(longer)


def read_costs(path: Path = HERE / "costs.json") -> tuple[list[Cost], dict[str, float | str]]:
    content = json.loads(path.read_text())
    return [Cost(**cost) for cost in content["costs"]], content["prices"]


def of_receipts(folder: str) -> list[Cost]:
    """Of a build's stages, a record each: seconds of its workers, bytes of its shards; what was read isn't noted."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(Path(folder) / "_receipts/receipts.parquet").read(["rows", "bytes", "seconds"])
    records = sum(table["rows"].to_pylist()) or 1
    spent: dict[str, float] = {}
    for stages in table["seconds"].to_pylist():
        for stage in stages:
            spent[stage["name"]] = spent.get(stage["name"], 0) + stage["seconds"]
    written = sum(table["bytes"].to_pylist()) / records / 1024
    base = Cost("read, encode, write", 0, written_kb=written)
    for stage in ("read", "encode"):
        base = replace(base, cpu_ms=base.cpu_ms + 1e3 * spent.pop(stage, 0) / records)
    return [base, *(Cost(name, 1e3 * seconds / records) for name, seconds in sorted(spent.items()))]


def builds(costs: Sequence[Cost]) -> list[Cost]:
    """What to tell of: reading and writing alone, each annotator with it, all without a GPU and all there are."""
    base, *annotators = costs
    each = [replace(base + cost, name=cost.name) for cost in annotators]
    local = [cost for cost in annotators if not cost.gpu_ms]
    whole = [replace(sum(local, base), name="all without a GPU"), replace(sum(annotators, base), name="all")]
    return [base, *each, *whole] if len(local) < len(annotators) else [base, *each, whole[1]]


def page(costs: Sequence[Cost], machine: Machine, hours: float, gigabyte_month: float, dated: str) -> str:
    return "\n".join(
        [
            *_assumptions(machine, hours, gigabyte_month, dated),
            *_table(costs, machine, hours, gigabyte_month),
            *_bottlenecks(costs, machine),
            *_shards(),
        ]
    )


def _with_gpu(cost: Cost, machine: Machine) -> Machine:
    return replace(machine, gpus=1 if cost.gpu_ms else 0)


def _assumptions(machine: Machine, hours: float, gigabyte_month: float, dated: str) -> Iterator[str]:
    yield from _paragraph(
        f"A machine has {machine.vcpus} virtual cores ({machine.vcpus_a_core:g} to a measured core),"
        f" {machine.gbit:g} Gbit/s and, where an annotator wants one, a GPU. Assumed prices of {dated}, round numbers"
        f" and no quotations: {machine.vcpu_hour:g} a virtual core and hour, {machine.gpu_hour:g} a GPU and hour,"
        f" {gigabyte_month:g} a gigabyte and month (one month is counted). Static balance adds {TAIL - 1:.0%}. CPU"
        " and bytes were measured (two cores, busy, 2026-11-27); GPU times are **assumed** from one H200 elsewhere."
        " Each annotator is told together with reading and writing."
    )
    yield ""


def _paragraph(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _table(costs: Sequence[Cost], machine: Machine, hours: float, gigabyte_month: float) -> Iterator[str]:
    yield f"Hours, machines and money, with as few machines as end within {hours:g} hours:"
    yield ""
    yield "| build | CPU ms | GPU ms | limited by | " + " | ".join(f"10{_raised(size)}" for size in SIZES) + " |"
    yield "|---|---|---|---|" + "---|" * len(SIZES)
    for cost in builds(costs):
        own = _with_gpu(cost, machine)
        estimates = [estimate(cost, size, own, hours, gigabyte_month) for size in SIZES]
        cells = [f"{e.hours:,.1f} h × {e.machines}: {e.money:,.0f}" for e in estimates]
        gpu = f"{cost.gpu_ms:g} (assumed)" if cost.gpu_ms else "–"
        limits = " → ".join(dict.fromkeys(e.bottleneck for e in estimates))
        yield f"| {cost.name} | {cost.cpu_ms:.0f} | {gpu} | {limits} | {' | '.join(cells)} |"
    yield ""


def _bottlenecks(costs: Sequence[Cost], machine: Machine) -> Iterator[str]:
    base, *annotators = costs
    yield "**Where the bottleneck moves.**"
    yield ""
    _, rate = machine.bottleneck(base)
    fills = 1 / machine.seconds(base)["network"] / rate * machine.vcpus
    yield from _paragraph(
        f"- Reading and writing alone is held up by the CPU: {rate:,.0f} records/s a machine. The network would be full"
        f" at {fills:,.0f} virtual cores.",
        "  ",
    )
    for cost in annotators:
        if cost.gpu_ms:
            needed = (base + cost).cpu_ms / cost.gpu_ms * machine.vcpus_a_core
            yield (
                f"- {cost.name}: a GPU waits for the CPU below {needed:.0f} virtual cores"
                f" (assumed {1e3 / cost.gpu_ms:.0f} photos/s)."
            )
    serial = sum(SERIAL_US.values())
    yield from _paragraph(
        f"- Planning ({SERIAL_US['plan']} µs a record) and finishing ({SERIAL_US['finish']} µs) are the starting"
        f" machine's alone: {10**8 * serial / 3.6e9:.1f} hours at 10⁸. Above {1e6 / serial / rate:.0f} machines"
        " they take longer than reading and writing; then make a build of each data set; the reader takes several.",
        "  ",
    )
    yield ""


def _shards() -> Iterator[str]:
    yield from _paragraph(
        "**Shard size and workers.** Units are dealt out beforehand, so the last worker decides (simulated: mean of 500"
        " runs, 32 workers, a unit's time ± 3 %, as of 256 records that take ± 50 % each):"
    )
    yield ""
    counts = (2, 5, 10, 20, 40, 80)
    yield "| units a worker | " + " | ".join(map(str, counts)) + " |"
    yield "|---|" + "---|" * len(counts)
    yield "| the last worker takes longer by | " + " | ".join(f"{tail(n, 32, 0.03, 500):.1%}" for n in counts) + " |"
    yield ""
    workers = (2, 16, 256, 4096)
    yield f"`--shard-size` that leaves {UNITS_A_WORKER} units a worker ({MOST_SHARD} at most, {LEAST_SHARD} at least):"
    yield ""
    yield "| records | " + " | ".join(f"{count:,} workers" for count in workers) + " |"
    yield "|---|" + "---|" * len(workers)
    for size in SIZES:
        yield f"| 10{_raised(size)} | " + " | ".join(str(shard_size(size, count)) for count in workers) + " |"


def _raised(number: int) -> str:
    return str(len(str(number)) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def default_page() -> str:
    """What docs/scaling.md shows."""
    costs, prices = read_costs()
    machine = Machine(vcpu_hour=float(prices["vcpu_hour"]), gpu_hour=float(prices["gpu_hour"]))
    return page(costs, machine, 24, float(prices["gigabyte_month"]), str(prices["dated"]))


def main(arguments: Sequence[str] | None = None) -> None:
    costs, prices = read_costs()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", metavar="OUT", help="take the costs from this finished build")
    parser.add_argument("--hours", type=float, default=24, help="a build is to end within (default 24)")
    parser.add_argument("--vcpus", type=int, default=16, help="of a machine (default 16)")
    parser.add_argument("--gbit", type=float, default=10, help="network of a machine (default 10)")
    for name in ("vcpu_hour", "gpu_hour", "gigabyte_month"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=prices[name], help=f"price (default {prices[name]})")
    parser.add_argument("--write", action="store_true", help="put the section into docs/scaling.md")
    flags = parser.parse_args(arguments)
    if flags.write:
        PAGE.write_text(SECTION.sub(lambda _: default_page(), PAGE.read_text()))
        return
    machine = Machine(flags.vcpus, gbit=flags.gbit, vcpu_hour=flags.vcpu_hour, gpu_hour=flags.gpu_hour)
    costs = of_receipts(flags.receipts) if flags.receipts else costs
    print(page(costs, machine, flags.hours, flags.gigabyte_month, str(prices["dated"])))


if __name__ == "__main__":
    main()
