"""Figures of the build, as ratios within one run; the same code measured twice is the control.

  python benchmarks/build.py beam        Beam's DirectRunner against the bare inner function
  python benchmarks/build.py workers     two workers against one, threads and processes
  python benchmarks/build.py memory      peak memory at 4,000 records against 500
  python benchmarks/build.py units       40,000 tiny units on the local runner
  python benchmarks/build.py plan        memory and time of a plan of a million records, and of reading a unit
  python benchmarks/build.py finish      memory and time of finishing a million records, and of deciding what to skip
  python benchmarks/build.py help        seconds of every command's --help

Records are the embedded sample, listed over and over under new names (hard links, no copies). Rounds are outermost
and the order within a round alternates, so that a noisy minute hits all cases alike; medians are compared.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SMALL = ("--size", "192x144", "--shard-size", "64")


def dataset(folder: Path, records: int) -> Path:
    """VITON-HD layout with `records` test pairs whose files are hard links to the sample's."""
    from pipelines.sources import sample
    from pipelines.sources.tryon import vitonhd
    from schemas.folders import open_folder

    source = sample.cached_root()
    listed = vitonhd.listing(open_folder(str(source)), "all", "unpaired").records
    lines = []
    for number in range(records):
        item = listed[number % len(listed)]
        for column, path in item.references.items():
            old = "garment" if column in ("garment_image", "garment_mask") else "person"
            name = Path(path).name.replace(item.values[f"{old}_id"], f"{number:06d}_00")
            target = folder / "test" / Path(path).parent.name / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source / path, target) if _same_disk(source, folder) else shutil.copy(source / path, target)
        lines.append(f"{number:06d}_00.jpg {number:06d}_00.jpg\n")
    (folder / "test_pairs.txt").write_text("".join(lines))
    return folder


def _same_disk(a: Path, b: Path) -> bool:
    return a.stat().st_dev == b.stat().st_dev


BARE = """
import sys
from pipelines.runners import direct
from pipelines.runners._totals import Totals
def bare(job, numbers, options, *more):
    return sum(map(job, numbers), Totals())
direct.run = bare
from pipelines import build_vitonhd
sys.exit(build_vitonhd.main(sys.argv[1:]))
"""


class Measured(NamedTuple):
    """One build in a fresh process: seconds on the clock and of CPU, peak MiB of the whole process tree."""

    seconds: float
    peak: float
    cpu: float


def build(data: Path, output: Path, *options: str, bare: bool = False) -> Measured:
    import psutil

    shutil.rmtree(output, ignore_errors=True)
    start = [sys.executable, "-c", BARE] if bare else [sys.executable, "-m", "pipelines.build_vitonhd"]
    words = [*start, "--input", str(data), "--output", str(output), *SMALL, *options]
    began, before = time.perf_counter(), _children_cpu()
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, tree_memory(psutil.Process(process.pid)))
        time.sleep(0.1)
    if process.returncode not in (0, 3):
        raise SystemExit(f"build failed: {process.stderr.read() if process.stderr else ''}")
    return Measured(time.perf_counter() - began, peak, _children_cpu() - before)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tree_memory(process: "object") -> float:
    import psutil

    total = 0
    try:
        for member in [process, *process.children(recursive=True)]:  # type: ignore[attr-defined]
            total += member.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return total / 2**20


def compare(cases: dict[str, Callable[[], Measured]], rounds: int) -> dict[str, list[Measured]]:
    measured: dict[str, list[Measured]] = {name: [] for name in cases}
    for number in range(rounds):
        order = list(cases) if number % 2 == 0 else list(reversed(cases))
        for name in order:
            measured[name].append(cases[name]())
    return measured


def show(measured: dict[str, list[Measured]], baseline: str) -> None:
    base = statistics.median(seconds for seconds, _, _ in measured[baseline])
    base_cpu = statistics.median(cpu for _, _, cpu in measured[baseline])
    print(f"| case | s | range | × {baseline} | CPU s | × {baseline} | peak MiB |\n|---|---|---|---|---|---|---|")
    for name, values in measured.items():
        seconds = statistics.median(s for s, _, _ in values)
        peak = max(p for _, p, _ in values)
        spread = f"{min(s for s, _, _ in values):.1f}–{max(s for s, _, _ in values):.1f}"
        cpu = statistics.median(c for _, _, c in values)
        print(
            f"| {name} | {seconds:.2f} | {spread} | {seconds / base:.2f} | {cpu:.2f} | {cpu / base_cpu:.2f} "
            f"| {peak:.0f} |"
        )


def beam(records: int, rounds: int) -> None:
    """≤ 1.10: what Beam adds to the same work in a plain loop, one worker each."""
    one = ("--direct_num_workers", "1")
    with workspace() as folder:
        data = dataset(folder / "data", records)
        cases = {
            "bare inner function": lambda: build(data, folder / "a", bare=True),
            "bare again (control)": lambda: build(data, folder / "b", bare=True),
            "DirectRunner, one worker": lambda: build(data, folder / "c", *one),
        }
        show(compare(cases, rounds), "bare inner function")


def workers(records: int, rounds: int) -> None:
    """≤ 1/1.5 = 0.67 in the better mode."""
    with workspace() as folder:
        data = dataset(folder / "data", records)

        def case(name: str, mode: str, count: int) -> Callable[[], Measured]:
            options = ("--direct_running_mode", mode, "--direct_num_workers", str(count))
            return lambda: build(data, folder / name, *options)

        cases = {
            "one worker": case("a", "multi_threading", 1),
            "one worker again (control)": case("b", "multi_threading", 1),
            "two threads": case("c", "multi_threading", 2),
            "two processes": case("d", "multi_processing", 2),
        }
        show(compare(cases, rounds), "one worker")


def memory(records: int, rounds: int) -> None:
    """Peak of `records` ≤ 1.1 × that of an eighth of them."""
    with workspace() as folder:
        few, many = dataset(folder / "few", records // 8), dataset(folder / "many", records)
        cases = {
            f"{records // 8} records": lambda: build(few, folder / "a"),
            f"{records} records": lambda: build(many, folder / "b"),
        }
        measured = compare(cases, rounds)
        show(measured, f"{records // 8} records")
        low, high = (statistics.median(p for _, p, _ in values) for values in measured.values())
        print(f"\nPeak memory {high / low:.2f} × ({high:.0f} against {low:.0f} MiB)")


def units(count: int, rounds: int) -> None:
    """40,000 units that only say they were there: what the engine itself costs. ≤ 60 s and ≤ 1 GiB."""
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, __file__, "_units", "--records", str(count)], capture_output=True, text=True, check=True
        )
        print(done.stdout.strip())


def _units(count: int) -> None:
    from pipelines.runners import direct

    with workspace() as folder:
        began = time.perf_counter()
        direct.run(Mark(str(folder)), range(count), ("--direct_num_workers", "2"))
        seconds = time.perf_counter() - began
        done = sum(len(os.listdir(folder / name)) for name in os.listdir(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{done} of {count} units in {seconds:.1f} s, peak {peak:.0f} MiB")


class Mark:
    """A unit function that leaves an empty file per unit."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, number: int) -> "object":
        from pipelines.runners._totals import Totals

        folder = Path(self.folder) / str(number // 1000)
        folder.mkdir(exist_ok=True)
        (folder / str(number)).touch()
        return Totals(1, 1, 0)


def plan(count: int, rounds: int) -> None:
    """≤ 120 MiB above the list for a million records, ≤ 15 µs a record, ≤ 10 ms a unit."""
    for files in (2, 9):
        for _ in range(rounds):
            words = [sys.executable, __file__, "_plan", "--records", str(count), "--files", str(files)]
            subprocess.run(words, check=True)


def _plan(count: int, files: int) -> None:
    sys.path.insert(0, str(ROOT))
    from benchmarks.plan import measure

    measure(count, files)


def finish(count: int, rounds: int) -> None:
    """≤ 2 GiB and ≤ 10 s to decide what to skip, for ten million records."""
    for _ in range(rounds):
        subprocess.run([sys.executable, __file__, "_finish", "--records", str(count)], check=True)


def _finish(count: int) -> None:
    sys.path.insert(0, str(ROOT))
    from benchmarks.finish import measure

    measure(count)


def help_times(_: int, rounds: int) -> None:
    """Every command's --help in under a second."""
    from schemas.cli.modules import commands_of

    for name in ["pipelines", *(f"pipelines.{command}" for command in commands_of("pipelines")), "annotators"]:
        times = []
        for _round in range(rounds):
            began = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", name, "--help"], cwd=ROOT, capture_output=True, check=False)
            times.append(time.perf_counter() - began)
        if done.returncode == 0:
            print(f"{name:28s} {statistics.median(times):.2f} s")


@contextmanager
def workspace() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vton-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


CASES = {
    "beam": (beam, 2000),
    "workers": (workers, 1000),
    "memory": (memory, 4000),
    "units": (units, 40_000),
    "plan": (plan, 1_000_000),
    "finish": (finish, 1_000_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=[*CASES, "help", "_units", "_plan", "_finish"])
    parser.add_argument("--records", type=int, help="records (or units) instead of the case's own number")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case == "_units":
        _units(given.records)
    elif given.case == "_plan":
        _plan(given.records, given.files)
    elif given.case == "_finish":
        _finish(given.records)
    elif given.case == "help":
        help_times(0, given.rounds)
    else:
        case, records = CASES[given.case]
        print(f"{given.case}: {given.records or records} records or units, {os.cpu_count()} cores\n", file=sys.stderr)
        case(given.records or records, given.rounds)


if __name__ == "__main__":
    main()
