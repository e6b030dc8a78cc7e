"""What a plan costs: memory above its list, CPU time a record, and a unit's reading; `build.py plan` runs it.

The list is VITON-HD's test list over and over, in shuffled order, with two files a record or with all nine of the
layout. A list of the folder's files, which every source holds, stands for itself: here each path is a file of one size.
"""

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines.building import plan, plan_file
from pipelines.sources.records import Listed, Records
from schemas.folders import Entry, LocalFolder

COLUMNS = {
    "person_image": "image",
    "garment_image": "cloth",
    "garment_mask": "cloth-mask",
    "parse": "image-parse-v3",
    "keypoints": "openpose_json",
    "pose_image": "openpose_img",
    "densepose_image": "image-densepose",
    "agnostic_image": "agnostic-v3.2",
    "agnostic_mask": "agnostic-mask",
}
MOST_MEMORY, MOST_TIME, MOST_READING = 120, 15, 10  # MiB for a million records, µs a record, ms a unit


class OneEntry(dict[str, Entry]):
    """Every path is a file, without memory of its own."""

    entry = Entry(123_456, "1700000000000000000")

    def __missing__(self, path: str) -> Entry:
        return self.entry


def measure(count: int, files: int) -> None:
    """Prints the figures of one plan; in a process of its own, so that the peak is this plan's."""
    folder = Path(tempfile.mkdtemp(prefix="vton-benchmark-"))
    try:
        began = time.process_time()
        records = Records(_listed(count, files))
        listing = time.process_time() - began
        held = _reset_peak()
        began = time.process_time()
        plan_file.write(LocalFolder(str(folder)), plan.make(records, [], 256, None), ["w"], plan.Planning(OneEntry()))
        seconds, above = time.process_time() - began, _peak() - held
        milliseconds = _reading(folder)
    finally:
        shutil.rmtree(folder)
    print(
        f"{count:,} records of {files} files: {above:.0f} MiB above the list (bound {MOST_MEMORY} for a million), "
        f"{1e6 * seconds / count:.1f} µs CPU a record (bound {MOST_TIME}; listing itself "
        f"{1e6 * listing / count:.1f}), {milliseconds:.1f} ms CPU to open and read a unit (bound {MOST_READING})"
    )


def _listed(count: int, files: int) -> Iterator[Listed]:
    numbers = list(range(count))
    random.Random(0).shuffle(numbers)
    folders = dict(list(COLUMNS.items())[:files])
    for line, number in enumerate(numbers):
        person, garment = f"{number:07d}_00", f"{(number * 7_919) % count:07d}_00"
        values = {"person_id": person, "garment_id": garment, "paired": False}
        values |= {"garment_view": "flat", "category": "upper_body"}
        paths = {column: f"test/{name}/{person}.jpg" for column, name in folders.items()}
        source = f"test_pairs.txt:{line}: {person}.jpg {garment}.jpg"
        yield Listed(f"vitonhd/test/{person}+{garment}", "test", values, paths, source)


def _reading(folder: Path) -> float:
    """Median milliseconds of CPU of a worker that knows nothing yet; the plan lies in the page cache."""
    units, times = plan_file.PlanReader(LocalFolder(str(folder))).units, []
    for number in random.Random(0).sample(range(len(units)), min(20, len(units))):
        began = time.process_time()
        reader = plan_file.PlanReader(LocalFolder(str(folder)))
        reader.of(reader.units[number])
        times.append(1e3 * (time.process_time() - began))
    return statistics.median(times)


def _reset_peak() -> float:
    """MiB that the process holds now; the peak is counted from here (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
