"""What reading shards costs: against other readers on the same records, and against decoding alone.

  python -m benchmarks.reader make  --work DIR [--records 2000] [--data ../shared/data]
  python -m benchmarks.reader peers --work DIR [--mode equal|usual] [--workers 0] [--limit 600] [--rounds 3]
  python -m benchmarks.reader alone --work DIR [--rounds 3] [--limit 600]
  python -m benchmarks.reader steady --work DIR
  python -m benchmarks.reader bytes --work DIR
  python -m benchmarks.reader memory --work DIR

`make` writes person and garment photo, agnostic mask (1-bit and 8-bit), DensePose, parse, keypoints and caption, moved
and re-exposed from the photos in VTON_DATA, into our shards and each peer's form. `peers` compares CPU ms per record,
our reader twice for a control: `equal` with the same decoding for all, `usual` with ours as shipped and the peers as
their users run them. `alone` is our reader with 0, 2 and 4 workers, and with 2 and 4 threads,
over decoding the same stored columns in a loop, in as many processes at once. `steady` is the second epoch of our
reader, whose workers have started and whose memory is there, over decoding by one process.
Every pass is a process of its own; rounds are outermost, so that a noisy minute hits all alike; medians are compared.
`make` and `peers` need the packages in benchmarks/requirements.txt.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pyarrow as pa

from benchmarks import reader_peers as peers
from schemas import codecs, fields, kinds, record, shards

PASSES = 5  # over the records that are decoded alone
PER_SHARD, MOST_SHIFT, MOST_LIGHT = 250, 12, 8
SHAPE = (1024, 768)
FOLDERS = {
    "person_image": "image",
    "garment_image": "cloth",
    "agnostic_mask": "agnostic-mask",
    "densepose_image": "image-densepose",
    "parse": "image-parse-v3",
}


# ---- records
def originals(data: Path) -> dict[str, list[np.ndarray]]:
    """The pictures of VITON-HD's layout that have its size, decoded."""
    found: dict[str, list[np.ndarray]] = {}
    for column, folder in FOLDERS.items():
        field = kinds.TRYON.fields[column]
        files = sorted(data.glob(f"vitonhd_mini/*/{folder}/*"))
        pictures = [record.decode(field, {"bytes": file.read_bytes()}) for file in files]
        found[column] = [picture for picture in pictures if picture.shape[:2] == SHAPE]
    return found


def make_record(number: int, pictures: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """A flipped, shifted, re-exposed copy, so that no two records have the same bytes."""
    rng = np.random.default_rng(number)
    flip, light = bool(rng.integers(2)), int(rng.integers(-MOST_LIGHT, MOST_LIGHT + 1))
    shift = tuple(int(n) for n in rng.integers(-MOST_SHIFT, MOST_SHIFT + 1, 2))

    def moved(column: str, step: int = 1) -> np.ndarray:
        picture = pictures[column][number * step % len(pictures[column])]
        return np.roll(picture[:, ::-1] if flip else picture, shift, axis=(0, 1))

    def jpeg(column: str, step: int = 1) -> dict[str, Any]:
        pixels = np.clip(moved(column, step).astype(np.int16) + light, 0, 255).astype(np.uint8)
        done = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        return {"bytes": done.tobytes(), "path": f"{column}.jpg"}

    mask = moved("agnostic_mask")
    parse = codecs.encode_label_map(moved("parse"), "cihp")
    return {
        "record_id": f"{number:06d}",
        "person_image": jpeg("person_image"),
        "garment_image": jpeg("garment_image", 7),
        "agnostic_mask": {"bytes": codecs.encode_mask(mask), "path": "mask.png"},
        "mask_8bit": {"bytes": cv2.imencode(".png", mask)[1].tobytes(), "path": "mask.png"},
        "densepose_image": jpeg("densepose_image"),
        "parse": {"bytes": parse, "path": "parse.png"},
        "caption": f"record {number}: a person in a short sleeved cotton top, studio light, front view",
        "keypoints_json": json.dumps([round(float(v), 2) for v in rng.uniform(0, 768, 75)]),
    }


def schema() -> pa.Schema:
    names = ("record_id", "person_image", "garment_image", "agnostic_mask", "densepose_image", "parse", "caption")
    extra = [fields.mask("mask_8bit"), fields.text("keypoints_json")]
    return kinds.TRYON.schema([*(kinds.TRYON.fields[name] for name in names), *extra])


def make(arguments: argparse.Namespace) -> None:
    work, pictures = arguments.work, originals(arguments.data)
    if not all(pictures.values()):
        raise SystemExit(f"no pictures of {SHAPE} under {arguments.data}/vitonhd_mini; set VTON_DATA")
    _fresh(work / "ours")
    count = -(-arguments.records // PER_SHARD)
    for shard in range(count):
        numbers = range(shard * PER_SHARD, min(arguments.records, (shard + 1) * PER_SHARD))
        path = work / "ours" / f"train-{shard:05d}-of-{count:05d}.parquet"
        with path.open("wb") as file, shards.ShardWriter(file, schema(), "parquet") as sink:
            for number in numbers:
                sink.write(make_record(number, pictures))
    for name, write in peers.WRITERS.items():
        if arguments.only in ("", name):
            write(work, _fresh(work / name), PER_SHARD)
            print(f"{name}: written", flush=True)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# ---- one pass, in its own process
def cpu_seconds() -> float:
    """Of this process, its living children and those it has waited for."""
    me = psutil.Process()
    spent = me.cpu_times()
    total = spent.user + spent.system + spent.children_user + spent.children_system
    for child in me.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return total


def resident() -> int:
    """Proportional memory of the process tree in bytes."""
    me = psutil.Process()
    return sum(process.memory_full_info().pss for process in [me, *me.children(recursive=True)])


def timed(batches: Iterable[dict[str, Any]], limit: int) -> dict[str, float]:
    """CPU ms and clock ms per record, seconds to the first batch."""
    start, spent, first, count = time.perf_counter(), cpu_seconds(), 0.0, 0
    for batch in batches:
        first = first or time.perf_counter() - start
        count += len(batch["record_id"])
        if limit and count >= limit:
            break
    cpu, clock = cpu_seconds() - spent, time.perf_counter() - start
    return {"cpu": 1000 * cpu / count, "clock": 1000 * clock / count, "first": first, "records": count}


def decoding_alone(work: Path, processes: int) -> Iterator[dict[str, Any]]:
    """The stored columns decoded in a loop, a batch at a time; reading the bytes is not counted: they are in memory.

    By as many processes at once as the reader has workers, since cores that share caches slow each other down.
    """
    records = []
    for row in peers.rows(work):
        records.append({name: row[name] for name in peers.TRAINED})
        if len(records) == 400:
            break
    yield {"record_id": []}
    if not processes:
        yield from _decode(records)
        return
    fork = multiprocessing.get_context("fork")
    started = [fork.Process(target=lambda: list(_decode(records)), daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    yield {"record_id": [None] * (processes * PASSES * len(records))}


def _decode(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for _ in range(PASSES):
        for at in range(0, len(records), peers.BATCH):
            yield {"record_id": [peers.equal(row)["record_id"] for row in records[at : at + peers.BATCH]]}


def one(arguments: argparse.Namespace) -> None:
    """A single pass; prints a JSON line."""
    peers.one_thread()
    if arguments.only.startswith("decoding"):
        batches: Iterable[dict[str, Any]] = decoding_alone(arguments.work, arguments.workers)
        batches = iter(batches)
        next(batches)  # the records are in memory now
    else:
        take = peers.equal if arguments.mode == "equal" else peers.usual
        batches = peers.READERS[arguments.only](arguments.work, take, arguments.workers)
    print("RESULT " + json.dumps(timed(batches, arguments.limit)), flush=True)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(0)  # some peers' threads would keep the process


def run_one(arguments: argparse.Namespace, name: str, workers: int) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.reader", "one", "--work", str(arguments.work), "--only", name]
    words += ["--mode", arguments.mode, "--workers", str(workers), "--limit", str(arguments.limit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(lines[-1].removeprefix("RESULT "))


# ---- comparisons
Case = tuple[str, int]  # reader, workers


def rounds(arguments: argparse.Namespace, cases: list[Case]) -> dict[Case, list[dict[str, float]]]:
    found: dict[Case, list[dict[str, float]]] = {case: [] for case in cases}
    for number in range(arguments.rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            found[case].append(run_one(arguments, *case))
    return found


def show(found: dict[Case, list[dict[str, float]]]) -> dict[Case, float]:
    """Prints a line per case; returns median CPU ms."""
    cpu = {}
    for case, passes in found.items():
        times = sorted(item["cpu"] for item in passes)
        cpu[case] = statistics.median(times)
        clock, first = (statistics.median(item[key] for item in passes) for key in ("clock", "first"))
        line = (
            f"{cpu[case]:7.2f} CPU ms/record [{times[0]:.2f}–{times[-1]:.2f}]  clock {clock:6.2f}  first {first:.2f} s"
        )
        print(f"{case[0]:12s} {case[1]} workers {line}", flush=True)
    return cpu


def compare_peers(arguments: argparse.Namespace) -> None:
    names = arguments.only.split(",") if arguments.only else list(peers.READERS)
    cpu = show(rounds(arguments, [(name, arguments.workers) for name in names]))
    ours, again = (cpu[name, arguments.workers] for name in ("ours", "ours_again"))
    others = {name: value for (name, _), value in cpu.items() if not name.startswith("ours")}
    fastest = min(others, key=others.__getitem__)
    ratio = others[fastest] / statistics.mean((ours, again))
    print(f"{fastest} is the fastest peer: {ratio:.2f} × our CPU time (control {again / ours:.2f})")


def compare_alone(arguments: argparse.Namespace) -> None:
    arguments.mode = "equal"
    cases = [(name, workers) for workers in (0, 2, 4) for name in ("decoding", "ours")]
    cpu = show(rounds(arguments, [*cases, ("ours_threads", 2), ("ours_threads", 4), ("decoding_again", 0)]))
    print(f"control {cpu['decoding_again', 0] / cpu['decoding', 0]:.2f}; reader over decoding alone: ", end="")
    print(", ".join(f"{n} workers {cpu['ours', n] / cpu['decoding', n]:.2f}" for n in (0, 2, 4)), end=", ")
    print(", ".join(f"{n} threads {cpu['ours_threads', n] / cpu['decoding', n]:.2f}" for n in (2, 4)))


def compare_steady(arguments: argparse.Namespace) -> None:
    """CPU time of a second epoch, in one process after the other; decoding first and last."""
    from vton_models.reading.dataset import ShardDataset

    peers.one_thread()
    alone = [timed(_decode(list(peers.rows(arguments.work))[:400]), 0)["cpu"]]
    for workers, threads in ((0, 0), (2, 0), (0, 2)):
        size = (peers.HEIGHT, peers.WIDTH)
        options = {"seed": peers.SEED, "batch_size": peers.BATCH, "decode_size": size, "threads": threads}
        data = ShardDataset(arguments.work / "ours", peers.TRAINED, **options)
        prefetched = 4 if workers else None
        loader = peers.DataLoader(
            data, None, num_workers=workers, prefetch_factor=prefetched, persistent_workers=workers > 0
        )
        timed(loader, 0)
        spent = timed(loader, 0)["cpu"]
        print(
            f"{workers} workers, {threads} threads: {spent:.2f} CPU ms/record, {spent / alone[0]:.2f} × decoding",
            flush=True,
        )
        del loader
    alone.append(timed(_decode(list(peers.rows(arguments.work))[:400]), 0)["cpu"])
    print(f"decoding {alone[0]:.2f} CPU ms/record (control {alone[1] / alone[0]:.2f})")


def count_bytes(arguments: argparse.Namespace) -> None:
    """Bytes that the workers asked the system for, over those of the records' columns."""
    needed = sum(sum(len(row[name]) for name in peers.TRAINED) for row in peers.rows(arguments.work))
    for workers in (1, 2, 3, 4, 6):
        loader = iter(peers.ours(arguments.work, peers.raw, workers))
        children = psutil.Process().children()
        before = sum(child.io_counters().read_chars for child in children)
        read = before
        for _ in loader:
            alive = [child.io_counters().read_chars for child in children if child.is_running()]
            read = max(read, sum(alive))
        print(f"{workers} workers read {(read - before) / needed:.3f} of the needed bytes", flush=True)


def measure_memory(arguments: argparse.Namespace) -> None:
    """Peak of proportional memory above the level before the first batch, over the window's stored bytes.

    Photos are decoded at an eighth here: batches that wait in the loader are not the reader's.
    """
    from vton_models.reading.dataset import WINDOW

    size = statistics.mean(sum(len(row[name]) for name in peers.TRAINED) for row in peers.rows(arguments.work))
    for workers in (0, 2, 4):
        code = MEMORY.format(work=str(arguments.work), workers=workers)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        print(f"{workers} workers: {float(done.stdout.split()[-1]) / (WINDOW * size):.2f} windows of {WINDOW} records")


MEMORY = """
import threading, time
from pathlib import Path
from benchmarks import reader, reader_peers as peers
peers.one_thread()
peers.HEIGHT = peers.WIDTH = 1
loader = iter(peers.ours(Path({work!r}), peers.raw, {workers}))
time.sleep(1)
base, peak, stop = reader.resident(), 0, threading.Event()
def watch():
    global peak
    while not stop.wait(0.1):
        peak = max(peak, reader.resident())
threading.Thread(target=watch, daemon=True).start()
for _ in loader: pass
stop.set()
print(peak - base)
"""


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "make": make,
    "one": one,
    "peers": compare_peers,
    "alone": compare_alone,
    "steady": compare_steady,
    "bytes": count_bytes,
    "memory": measure_memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--work", type=Path, required=True, help="folder for the generated data")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VTON_DATA", "../shared/data")))
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--mode", choices=("equal", "usual"), default="equal")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--limit", type=int, default=600, help="records per pass; 0: an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="readers, comma-separated; ours and ours_again are always needed")
    arguments = parser.parse_args()
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
