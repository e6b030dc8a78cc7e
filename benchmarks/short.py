"""Runs the short benchmarks, one after the other, and prints a Markdown section for each: `make bench`.

    python -m benchmarks.short [--only WORD,…]

Tables that a benchmark prints itself go through; other lines are shown as they are. Exit code 1 where one fails, after
all have run.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Question → module and words: seconds to some minutes each, without network, GPU or peers.
SHORT: dict[str, tuple[str, ...]] = {
    "What does Beam add to the work itself?": ("build", "beam", "--records", "120", "--rounds", "1"),
    "What do two workers gain?": ("build", "workers", "--records", "120", "--rounds", "1"),
    "What do 4,000 units cost that do nothing?": ("build", "units", "--records", "4000", "--rounds", "1"),
    "What does a plan of 50,000 records cost?": ("build", "plan", "--records", "50000", "--rounds", "1"),
    "How long does --help take?": ("build", "help", "--rounds", "1"),
    "What does a record take of this commit, and of its parent?": (
        "cpu", "HEAD~1", "HEAD", "--only", "shipped,validate", "--records", "20", "--rounds", "1",
    ),
    "Are the agnostic recipes faster than plain versions?": ("recipes", "--repeats", "3"),
    "What do neural annotators take outside their networks?": ("neural", "host", "--photos", "4", "--rounds", "2"),
    "What does training on stored encodings save?": (
        "encodings", "catvton", "--tiny", "--rounds", "15", "--batch-size", "2",
    ),
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="benchmarks with one of these words in question or command")
    flags = parser.parse_args(arguments)
    print(f"# Short benchmarks\n\n{machine()}")
    failed = False
    for question, (module, *words) in SHORT.items():
        command = f"python -m benchmarks.{module} {' '.join(words)}"
        if any(word in f"{question} {command}" for word in flags.only.split(",")):
            failed |= not section(question, command, [sys.executable, "-m", f"benchmarks.{module}", *words])
    return int(failed)


def machine() -> str:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "pillow", "numpy", "apache-beam"))
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f} at the start; "
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {libraries}"
    )


def section(question: str, command: str, words: Sequence[str]) -> bool:
    """Prints what a benchmark prints; False where it fails."""
    print(f"\n## {question}\n\n`{command}`\n", flush=True)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    print(as_markdown(done.stdout.splitlines()), flush=True)
    if done.returncode:
        print(f"\nIt failed: {(done.stderr.strip().splitlines() or ['no reason is given'])[-1]}", flush=True)
    return not done.returncode


def as_markdown(lines: Sequence[str]) -> str:
    """Rows of tables stay what they are; other lines go between fences."""
    said = [line for line in lines if line.strip()]
    blocks = [(is_table, list(block)) for is_table, block in groupby(said, lambda line: line.startswith("|"))]
    return "\n\n".join("\n".join(block if is_table else ("```", *block, "```")) for is_table, block in blocks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
