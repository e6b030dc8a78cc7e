"""CPU milliseconds that a record takes by two commits, alternately in one run; the first one twice is the control.

    python -m benchmarks.cpu 1a75c29 HEAD
    python -m benchmarks.cpu 1a75c29 HEAD --only validate,select --records 100 --rounds 3

A command runs with a few records and with more; what each further one takes is told, so that starting a process and
importing are left out. Photos come from VTON_DATA (default ../shared/data), pose's weights from VTON_MODELS;
files are copied under new names.
"""

import argparse
import functools
import os
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.two_commits import ROOT, check_out, run

DATA = Path(os.environ.get("VTON_DATA", ROOT.parent / "shared/data"))
MODELS = Path(os.environ.get("VTON_MODELS", ROOT.parent / "shared/models"))
FEW = 4
RECOMPUTED = "agnostic,high_frequency,quality,garment_mask,caption_tags"
ONE_WORKER = ("--direct_num_workers", "1")


@dataclass(frozen=True)
class Place:
    """Where a case's input lies, by records, and the code that is to be measured."""

    inputs: Path
    outputs: Path
    tree: Path

    def cpu(self, command: str, *words: str) -> float:
        """Seconds of user and system time that the command and its workers take."""
        before = _children_cpu()
        done = run(self.tree, command, *words)
        if done.returncode not in (0, 3):
            sys.exit(f"{command}: {(done.stdout + done.stderr).strip()[-2000:]}")
        return _children_cpu() - before

    def output(self, name: str) -> str:
        shutil.rmtree(self.outputs / name, ignore_errors=True)
        return str(self.outputs / name)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def vitonhd(place: Place, records: int, *more: str) -> float:
    words = ("--input", str(layout(place.inputs, records)), "--skip", "densepose,caption", *more, *ONE_WORKER)
    return place.cpu("build_vitonhd", *words, "--output", place.output("built"))


def photos(place: Place, records: int) -> float:
    persons, garments = own_photos(place.inputs, records)
    words = ("--persons", str(persons), "--garments", str(garments), "--pairs", "zip", "--size", "1024x768")
    more = ("--weights", str(MODELS), "--skip", "parse,densepose,agnostic", *ONE_WORKER)
    return place.cpu("build_photos", *words, *more, "--output", place.output("photos"))


def validate(place: Place, records: int) -> float:
    return place.cpu("validate", shards(place, records))


def select(place: Place, records: int) -> float:
    where = ("--where", "record_id is not None")
    return place.cpu("select", shards(place, records), *where, *ONE_WORKER, "--output", place.output("selected"))


CASES: dict[str, Callable[[Place, int], float]] = {
    "build_vitonhd, what is shipped": vitonhd,
    "build_vitonhd, recomputed": lambda place, records: vitonhd(place, records, "--recompute", RECOMPUTED),
    "build_photos, canvas and pose": photos,
    "validate": validate,
    "select, all kept": select,
}


@functools.cache
def layout(folder: Path, records: int) -> Path:
    """VITON-HD's layout: the records of the miniature that have a parse and joints, over and over under new names."""
    source, target = DATA / "vitonhd_mini/test", folder / f"vitonhd-{records}"
    persons = sorted(path.stem for path in (source / "image-parse-v3").glob("*.png"))
    listed = dict(line.split() for line in (source.parent / "test_pairs.txt").read_text().splitlines())
    lines = []
    for number in range(records):
        person = persons[number % len(persons)]
        garment, new = Path(listed[f"{person}.jpg"]).stem, f"{number:06d}_00"
        for path in [*source.glob(f"*/{person}[._]*"), *source.glob(f"cloth*/{garment}.*")]:
            link = target / "test" / path.parent.name / path.name.replace(person, new).replace(garment, new)
            link.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, link)
        lines.append(f"{new}.jpg {new}.jpg\n")
    (target / "test_pairs.txt").write_text("".join(lines))
    return target


@functools.cache
def own_photos(folder: Path, records: int) -> tuple[Path, Path]:
    """Folders of persons and of garments."""
    for role in ("person", "garment"):
        files = sorted((DATA / "photos" / role).iterdir())
        target = folder / f"photos-{records}" / role
        target.mkdir(parents=True)
        for number in range(records):
            path = files[number % len(files)]
            shutil.copy(path, target / f"{number:06d}{path.suffix}")
    return folder / f"photos-{records}" / "person", folder / f"photos-{records}" / "garment"


@functools.cache
def shards(place: Place, records: int) -> str:
    """A finished build with computed columns, by the code that is measured."""
    output = place.inputs / f"shards-{place.tree.name}-{records}"
    words = ("--input", str(layout(place.inputs, records)), "--skip", "densepose,caption", "--shard-size", "64")
    place.cpu("build_vitonhd", *words, "--output", str(output))
    return str(output)


def measure(
    case: Callable[[Place, int], float], places: dict[str, Place], records: int, rounds: int
) -> dict[str, list[float]]:
    """Milliseconds a record by place, a number per round; the order within a round alternates."""
    taken: dict[str, list[float]] = {name: [] for name in places}
    for number in range(rounds):
        for name in list(places) if number % 2 == 0 else list(reversed(places)):
            few, many = (case(places[name], count) for count in (FEW, FEW + records))
            taken[name].append(1000 * (many - few) / records)
    return taken


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", help="another one")
    parser.add_argument("--only", default="", help="cases whose names have one of these words, by commas")
    parser.add_argument("--records", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    flags = parser.parse_args(arguments)
    print("| CPU ms a record | before | after | ratio | control |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="vton-benchmark-") as temporary:
        folder = Path(temporary)
        trees = {name: check_out(getattr(flags, name), folder / name) for name in ("before", "after")}
        for title, case in CASES.items():
            if not any(word in title for word in flags.only.split(",")):
                continue
            places = {name: Place(folder, folder, trees[name]) for name in ("before", "after")}
            taken = measure(case, places | {"again": places["before"]}, flags.records, flags.rounds)
            before, after, again = (statistics.median(taken[name]) for name in ("before", "after", "again"))
            print(f"| {title} | {before:.1f} | {after:.1f} | {after / before:.2f} | {again / before:.2f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
