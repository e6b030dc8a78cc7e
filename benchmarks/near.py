"""Near-duplicates among very many hashes: CPU time, memory, and how many planted pairs are found.

    python -m benchmarks.near                     10⁷ random hashes, then 10⁷ like photographs of one studio
    python -m benchmarks.near --hashes 1e6 --kind studio

A pair is a hash and a copy with some of its bits changed: 1 to 8, 9 to 16 and 17 to 22, 10,000 pairs of each. Studio:
each hash of a cluster (one for 3,000 hashes) differs from its centre in each bit with probability 0.2, so that two of
them are 82 bits apart on average, as garments on white are (the nearest of 435 pairs: 84).
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from pipelines.judging import near
from pipelines.judging.findings import NEAR

BITS = ((1, 8), (9, 16), (17, 22))
PAIRS = 10_000  # of each kind, or a thirtieth of the hashes
CLUSTER, NOISE = 3_000, 0.2
AT_ONCE = 1 << 16


def random(count: int, generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 2**64, (count, 4), np.uint64)


def studio(count: int, generator: np.random.Generator) -> np.ndarray:
    hashes = random(max(1, count // CLUSTER), generator)[generator.integers(0, max(1, count // CLUSTER), count)]
    for start in range(0, count, AT_ONCE):
        some = hashes[start : start + AT_ONCE]
        some ^= np.packbits(generator.random((len(some), near.BITS), np.float32) < NOISE, axis=1).view(np.uint64)
    return hashes


def changed(hashes: np.ndarray, bits: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Copies that differ in as many bits."""
    count = generator.integers(bits[0], bits[1] + 1, len(hashes))
    places = np.argsort(generator.random((len(hashes), near.BITS), np.float32), axis=1)
    flipped = np.zeros((len(hashes), near.BITS), np.uint8)
    np.put_along_axis(flipped, places, np.arange(near.BITS) < count[:, None], axis=1)
    return hashes ^ np.packbits(flipped, axis=1).view(np.uint64)


def measure(count: int, kind: str) -> None:
    generator = np.random.default_rng(1)
    hashes = {"random": random, "studio": studio}[kind](count, generator)
    pairs = min(PAIRS, count // 30)
    for number, bits in enumerate(BITS):
        copies = slice(count - pairs * (number + 1), count - pairs * number)
        hashes[copies] = changed(hashes[number * pairs : (number + 1) * pairs], bits, generator)
    began = time.process_time()
    grouped = near.groups(hashes, NEAR)
    seconds = time.process_time() - began
    found = []
    for number, (least, most) in enumerate(BITS):
        copies = grouped.first[count - pairs * (number + 1) : count - pairs * number]
        originals = grouped.first[number * pairs : (number + 1) * pairs]
        found.append(f"{least}-{most} bits {(copies == originals).mean():.2%}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:,} {kind}: {seconds:.0f} s CPU, peak {peak:.0f} MiB with the hashes' own {count * 32 >> 20};"
        f" found {', '.join(found)}; largest group {np.bincount(grouped.first).max()},"
        f" {grouped.capped} capped, {grouped.full} full",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hashes", type=float, default=1e7)
    parser.add_argument("--kind", choices=("random", "studio"))
    flags = parser.parse_args(arguments)
    if flags.kind:
        measure(int(flags.hashes), flags.kind)
        return
    for kind in ("random", "studio"):  # in processes of their own, so that each has its own peak
        words = ["--hashes", str(flags.hashes), "--kind", kind]
        subprocess.run([sys.executable, "-m", "benchmarks.near", *words], check=True)


if __name__ == "__main__":
    main()
