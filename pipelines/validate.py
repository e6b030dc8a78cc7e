"""Checks finished shards: schema, checksums, decodability, label ranges, mask polarity, sizes, pair integrity.

Exit code 1 and a list if anything is wrong, or if --expect misses a published record. Findings are summed up after
the checks; they are about the pictures, not about the shards, and never change the exit code.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from annotators.common import decoding
from pipelines.judging import expected
from schemas import fields, kinds, memory, record, shards
from schemas.cli.flags import flag, one_line, parse, positional, run
from schemas.finished import manifest as manifests
from schemas.finished import tables
from schemas.finished.manifest import Shard
from schemas.finished.shard_list import shard_names
from schemas.folders import Folder, open_folder
from schemas.messages import counted

PROG = "python -m pipelines.validate"
EXAMPLES = """\
  python -m pipelines.validate output/build_vitonhd
  python -m pipelines.validate shards --expect vitonhd"""
SHOWN = 50
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    expect: str | None = flag(
        None, help="compare with this dataset's published counts", choices=tuple(expected.PUBLISHED)
    )


@dataclass
class Checked:
    """What one shard showed."""

    name: str
    schema: pa.Schema | None = None
    ids: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counted: expected.Counted = field(default_factory=expected.Counted)


@dataclass(frozen=True)
class Verdict:
    """On a whole folder."""

    records: int
    shards: int
    problems: list[str]
    counted: expected.Counted
    built_split: str


def validate(folder: Folder) -> Verdict:
    """Reads every shard. Raises UsageError when the folder holds no shards."""
    names = shard_names(folder)
    read, fault = manifests.look(folder)
    manifest: Mapping[str, Any] = {} if read is None else read.content
    problems = [f"{manifests.NAME} {fault}"] if fault else []
    listed = {} if read is None else {shard.name: shard for shard in read.shards}
    with ThreadPoolExecutor() as pool:
        checked = list(pool.map(lambda name: _check_shard(folder, name, listed.get(name)), names))
    problems += [f"{name}: listed in manifest.json, not there" for name in sorted(set(listed) - set(names))]
    problems += [f"{item.name}: {problem}" for item in checked for problem in item.problems]
    problems += _across(checked, manifest)
    counted = expected.Counted()
    for item in checked:
        counted.records += item.counted.records
        counted.garments |= item.counted.garments
    configuration = manifest.get("configuration")
    built_split = configuration.get("split") or "all" if isinstance(configuration, dict) else "all"
    return Verdict(sum(len(item.ids) for item in checked), len(names), problems, counted, str(built_split))


def _check_shard(folder: Folder, name: str, listed: Shard | None) -> Checked:
    checked = Checked(name)
    try:
        if listed is None:
            checked.problems.append("not listed in manifest.json")
        elif folder.sha256(name) != listed.sha256:
            checked.problems.append(f"{manifests.CHANGED}: the file was changed or damaged")
        with folder.open(name) as file:
            reader = shards.ShardReader(file, name)
            checked.schema = reader.schema
            checked.problems += _schema_problems(reader.schema)
            for row in reader.rows():
                _check_row(row, reader.schema, name, checked)
    except Exception as error:  # whatever makes it unreadable is its own problem
        checked.problems.append(f"unreadable ({type(error).__name__}: {one_line(error)[:120]})")
    if listed is not None and checked.ids and len(checked.ids) != listed.rows:
        checked.problems.append(f"{len(checked.ids)} rows, manifest.json says {listed.rows}")
    return checked


def _schema_problems(schema: pa.Schema) -> Iterator[str]:
    kind = kinds.of(schema)
    yield from (f"column {name} is missing" for name in kind.base if name not in schema.names)
    for column in schema:
        expected = kind.fields.get(column.name)
        if expected is not None and column.type != expected.type:
            yield f"column {column.name} is {column.type}, should be {expected.type}"
        if expected is not None and fields.kind(column) != fields.kind(expected):
            yield f"column {column.name} lost its kind {fields.kind(expected)!r} in the metadata"
    if b"huggingface" not in (schema.metadata or {}):
        yield "Hugging Face feature metadata is missing"


def _check_row(row: dict[str, Any], schema: pa.Schema, name: str, checked: Checked) -> None:
    record_id = row.get("record_id")
    checked.ids.append(str(record_id))
    checked.counted.records[row.get("split") or "", row.get("category") or ""] += 1
    checked.counted.garments.add(row.get("garment_id") or "")
    try:
        problems = record.problems(row, schema, decoding.cell)
    except Exception as error:  # a cell of a type that its column never has
        problems = [f"unreadable ({type(error).__name__}: {one_line(error)[:120]})"]
    if row.get("split") and not name.startswith(f"{row['split']}-"):
        problems.append(f"split {row['split']!r} in a shard of another")
    checked.problems += [f"{record_id}: {problem}" for problem in problems]


def _across(checked: list[Checked], manifest: Mapping[str, Any]) -> Iterator[str]:
    repeated = [name for name, count in Counter(i for item in checked for i in item.ids).items() if count > 1]
    yield from (f"record_id {name!r} stands in more than one row" for name in sorted(repeated))
    schemas = [(item.name, item.schema) for item in checked if item.schema is not None]
    for name, schema in schemas[1:]:
        if not schema.equals(schemas[0][1], check_metadata=True):
            yield f"{name}: its schema differs from that of {schemas[0][0]}"
    total = manifest.get("counts", {}).get("records")
    rows = sum(len(item.ids) for item in checked)
    if manifest and total != rows:
        yield f"{counted(rows, 'record')} in the shards, manifest.json says {total}"


def summary(problems: list[dict[str, Any]]) -> Iterator[str]:
    """Findings by severity and kind, a line each, the gravest first."""
    records: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in problems:
        records[row["severity"], row["kind"]].add(row["record_id"])
    yield "findings, in findings.parquet (they don't change the exit code):" if records else "findings: none"
    for severity, kind in sorted(records, key=lambda key: (*(key[0] != name for name in SEVERITIES), key[1])):
        count = len(records[severity, kind])
        yield f"  {severity:<8} {kind:<26} {count:,} record{'s' if count > 1 else ''}"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 valid, 1 not. Raises UsageError for a folder without shards."""
    flags = parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    memory.keep_freed()
    folder = open_folder(flags.shards)
    verdict = validate(folder)
    _print(verdict.problems)
    missing = _compare(flags.expect, folder, verdict) if flags.expect else []
    findings = tables.read(folder, tables.FINDINGS_FILE, ("record_id", "kind", "severity"))
    for line in ["findings.parquet is missing or damaged"] if findings is None else summary(findings.to_pylist()):
        print(line)
    parts = [f"{len(verdict.problems)} problems"] if verdict.problems else []
    parts += [f"incomplete, see {flags.expect} above"] if missing else []
    target = sys.stderr if parts else sys.stdout
    print(
        f"{counted(verdict.records, 'record')} in {counted(verdict.shards, 'shard')}: {', '.join(parts) or 'valid'}",
        file=target,
    )
    return 1 if parts else 0


def _print(problems: list[str]) -> None:
    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f"and {len(problems) - SHOWN} more")


def _compare(name: str, folder: Folder, verdict: Verdict) -> list[str]:
    """Prints how the records compare with what is published; returns what is missing."""
    rejects = tables.read(folder, tables.REJECTS_FILE, ("record_id",))
    counted = replace(verdict.counted, rejects=[] if rejects is None else rejects["record_id"].to_pylist())
    missing, notes = expected.compare(name, counted, verdict.built_split)
    for line in [*missing, *notes]:
        print(f"{name}: {line}")
    return missing


if __name__ == "__main__":
    run(main, PROG)
