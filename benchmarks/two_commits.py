"""Builds the same input with two commits and compares what a user keeps: cells, findings, rejects, manifest.

    python benchmarks/two_commits.py 8238aff HEAD
    python benchmarks/two_commits.py 8238aff HEAD --input vitonhd_mini --skip parse,keypoints,densepose,caption

Without --input the embedded sample is built. Each commit is checked out in a folder of its own and run by this
interpreter. Exit code 1 where anything differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
# Of the manifest: what may differ between two commits whose records are equal.
FREE = {"schema_version", "package", "kind", "fingerprint", "bytes", "sha256", "libraries"}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", help="another one")
    parser.add_argument("--input", type=Path, help="a folder in VITON-HD's layout (default: the embedded sample)")
    flags, more = parser.parse_known_args(arguments)
    words = [*(("--input", str(flags.input.resolve())) if flags.input else ()), *more]
    with tempfile.TemporaryDirectory() as folder:
        before, after = (build(commit, words, Path(folder) / name) for commit, name in _named(flags))
        cells = count(before)
        differences = list(compare(before, after))
    for difference in differences[:20]:
        print(difference)
    print(f"{cells} cells, {len(differences)} differences: {flags.before} and {flags.after}")
    return 1 if differences else 0


def _named(flags: argparse.Namespace) -> list[tuple[str, str]]:
    return [(flags.before, "before"), (flags.after, "after")]


def build(commit: str, words: Sequence[str], folder: Path) -> Path:
    """The output of `build_vitonhd` as the commit makes it."""
    tree, output = folder / "tree", folder / "output"
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    command = [sys.executable, "-m", "pipelines.build_vitonhd", *words, "--output", str(output)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"{commit}: {done.stderr.strip().splitlines()[-1]}")
    return output


def compare(before: Path, after: Path) -> Iterator[str]:
    """A line per difference."""
    names = [sorted(path.name for path in folder.glob("*.parquet")) for folder in (before, after)]
    names = [[name for name in listed if not name.startswith("_plan")] for listed in names]
    if names[0] != names[1]:
        yield f"files: {names[0]} and {names[1]}"
    for name in sorted(set(names[0]) & set(names[1])):
        yield from (f"{name}: {line}" for line in _tables(read(before / name), read(after / name)))
    first, second = (plain(json.loads((folder / "manifest.json").read_text())) for folder in (before, after))
    for key in sorted(set(first) | set(second)):
        if first.get(key) != second.get(key):
            yield f"manifest.json: {key} was {first.get(key)!r}, is {second.get(key)!r}"


def _tables(before: pa.Table, after: pa.Table) -> Iterator[str]:
    if before.schema.names != after.schema.names:
        yield f"columns {before.schema.names} and {after.schema.names}"
    if before.num_rows != after.num_rows:
        yield f"{before.num_rows} rows and {after.num_rows}"
        return
    for column in [name for name in before.schema.names if name in after.schema.names]:
        pairs = zip(before[column].to_pylist(), after[column].to_pylist(), strict=True)
        unequal = [row for row, (one, other) in enumerate(pairs) if one != other]
        if unequal or before[column].type != after[column].type:
            yield f"column {column}: rows {unequal[:5]} differ ({before[column].type}, {after[column].type})"


def plain(value: Any) -> Any:
    """Without the keys that may differ."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items() if key not in FREE}
    return [plain(member) for member in value] if isinstance(value, list) else value


def read(path: Path) -> pa.Table:
    return pq.ParquetFile(path).read(use_threads=False)


def count(folder: Path) -> int:
    """Cells of all shards."""
    tables = [read(path) for path in folder.glob("*-of-*.parquet")]
    return sum(table.num_rows * table.num_columns for table in tables)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
