"""Builds the same input with two commits and compares what a user keeps: cells, findings, rejects, manifest.

    python benchmarks/two_commits.py 8238aff HEAD
    python benchmarks/two_commits.py 8238aff HEAD --input vitonhd_mini --skip parse,keypoints,densepose,caption
    python benchmarks/two_commits.py 8238aff HEAD --command build_photos --persons ./persons --garments ./garments

Without --input the embedded sample is built. Each commit is checked out in a folder of its own and run by this
interpreter. Pictures are equal where Pillow decodes both files to the same pixels in the same mode, whatever their
bytes; how many files differ is told. Exit code 1 where anything differs.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
# Of the manifest: what may differ between two commits whose records are equal.
FREE = {"schema_version", "package", "kind", "fingerprint", "bytes", "sha256", "libraries"}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", help="another one")
    parser.add_argument("--command", default="build_vitonhd", help="of pipelines (default build_vitonhd)")
    flags, more = parser.parse_known_args(arguments)
    words = [str(Path(word).resolve()) if "/" in word else word for word in more]
    with tempfile.TemporaryDirectory() as folder:
        commits = {"before": flags.before, "after": flags.after}
        before, after = (build(commit, flags.command, words, Path(folder) / name) for name, commit in commits.items())
        cells, encoded = count(before), Encoded()
        differences = list(compare(before, after, encoded))
    for difference in differences[:20]:
        print(difference)
    print(f"{cells} cells, {len(differences)} differences: {flags.before} and {flags.after}")
    print(f"{encoded.files} files whose bytes differ, of equal pixels: {encoded.before} and {encoded.after} bytes")
    return 1 if differences else 0


def build(commit: str, command: str, words: Sequence[str], folder: Path) -> Path:
    """The output of a command as the commit makes it."""
    tree, output = check_out(commit, folder / "tree"), folder / "output"
    done = run(tree, command, *words, "--output", str(output))
    if done.returncode not in (0, 3):
        sys.exit(f"{commit}: {done.stderr.strip().splitlines()[-1]}")
    return output


def check_out(commit: str, tree: Path) -> Path:
    """The commit's files in a new folder."""
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    return tree


def run(tree: Path, command: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of pipelines by the code in `tree`."""
    return subprocess.run(
        [sys.executable, "-m", f"pipelines.{command}", *words],
        cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


class Encoded:
    """Pictures that two commits write as other bytes, and their sizes."""

    files = before = after = 0

    def equal(self, one: Any, other: Any) -> bool:
        """True for equal cells, and for two pictures of equal pixels."""
        if one == other:
            return True
        if not (isinstance(one, dict) and isinstance(other, dict) and {*one, *other} == {"bytes", "path"}):
            return False
        if one["path"] != other["path"] or _pixels(one["bytes"]) != _pixels(other["bytes"]):
            return False
        self.files += 1
        self.before += len(one["bytes"])
        self.after += len(other["bytes"])
        return True


def _pixels(data: bytes) -> tuple[object, ...]:
    """What Pillow makes of a file: format, mode, size, the colours of a palette's used ids, pixels as stored."""
    image = Image.open(io.BytesIO(data))
    pixels = np.asarray(image)
    palette = image.getpalette("RGB") or []
    used = [palette[3 * i : 3 * i + 3] for i in np.unique(pixels).tolist()] if image.mode == "P" else []
    return image.format, image.mode, image.size, used, pixels.tobytes()


def compare(before: Path, after: Path, encoded: Encoded) -> Iterator[str]:
    """A line per difference."""
    names = [sorted(path.name for path in folder.glob("*.parquet")) for folder in (before, after)]
    names = [[name for name in listed if not name.startswith("_plan")] for listed in names]
    if names[0] != names[1]:
        yield f"files: {names[0]} and {names[1]}"
    for name in sorted(set(names[0]) & set(names[1])):
        yield from (f"{name}: {line}" for line in _tables(read(before / name), read(after / name), encoded))
    first, second = (plain(json.loads((folder / "manifest.json").read_text())) for folder in (before, after))
    for key in sorted(set(first) | set(second)):
        if first.get(key) != second.get(key):
            yield f"manifest.json: {key} was {first.get(key)!r}, is {second.get(key)!r}"


def _tables(before: pa.Table, after: pa.Table, encoded: Encoded) -> Iterator[str]:
    if before.schema.names != after.schema.names:
        yield f"columns {before.schema.names} and {after.schema.names}"
    if before.num_rows != after.num_rows:
        yield f"{before.num_rows} rows and {after.num_rows}"
        return
    for column in [name for name in before.schema.names if name in after.schema.names]:
        pairs = zip(before[column].to_pylist(), after[column].to_pylist(), strict=True)
        unequal = [row for row, (one, other) in enumerate(pairs) if not encoded.equal(one, other)]
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
