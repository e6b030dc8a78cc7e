"""Checks finished shards: schema, checksums, decodability, label ranges, mask polarity, sizes, pair integrity.

Exit code 1 and a list if anything is wrong.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from annotators.common import flags
from pipelines.storage import Folder, open_folder
from schemas import fields, record, shards

EXAMPLES = "  python -m pipelines.validate output/build_vitonhd"
SHOWN = 50


@dataclass
class Checked:
    """What one shard showed."""

    name: str
    schema: pa.Schema | None = None
    ids: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def validate(folder: Folder) -> tuple[int, int, list[str]]:
    """(records, shards, problems). Raises UsageError when the folder holds no shards."""
    names = shard_names(folder)
    manifest, problems = _manifest(folder)
    listed = {shard["name"]: shard for shard in manifest.get("shards", [])}
    with ThreadPoolExecutor() as pool:
        checked = list(pool.map(lambda name: _check_shard(folder, name, listed.get(name)), names))
    problems += [f"{name}: listed in manifest.json, not there" for name in sorted(set(listed) - set(names))]
    problems += [f"{item.name}: {problem}" for item in checked for problem in item.problems]
    problems += _across(checked, manifest)
    return sum(len(item.ids) for item in checked), len(names), problems


def shard_names(folder: Folder) -> list[str]:
    """Shards of a finished folder in order. Raises UsageError when there is none."""
    if not folder.is_folder():
        raise flags.UsageError(f"{folder} is no folder; allowed is the output of a build")
    endings = tuple(f".{name}" for name in shards.FORMATS)
    names = [name for name in folder.files() if "-of-" in name and name.endswith(endings)]
    if not names:
        raise flags.UsageError(f"no shards in {folder}; expected files such as train-00000-of-00001.parquet")
    return names


def _manifest(folder: Folder) -> tuple[dict[str, Any], list[str]]:
    try:
        manifest = json.loads(folder.read("manifest.json"))
        return (manifest, []) if isinstance(manifest, dict) else ({}, ["manifest.json holds no object"])
    except FileNotFoundError:
        return {}, ["manifest.json is missing: the build was not finished"]
    except (OSError, ValueError) as error:
        return {}, [f"manifest.json is damaged ({type(error).__name__})"]


def _check_shard(folder: Folder, name: str, listed: dict[str, Any] | None) -> Checked:
    checked = Checked(name)
    if listed is None:
        checked.problems.append("not listed in manifest.json")
    elif folder.sha256(name) != listed.get("sha256"):
        checked.problems.append("sha256 differs from manifest.json: the file was changed or damaged")
    try:
        with folder.open(name) as file:
            reader = shards.ShardReader(file, name)
            checked.schema = reader.schema
            checked.problems += _schema_problems(reader.schema)
            for row in reader.rows():
                _check_row(row, reader.schema, name, checked)
    except (OSError, pa.ArrowException, KeyError, TypeError) as error:
        checked.problems.append(f"unreadable ({type(error).__name__}: {flags.one_line(error)[:120]})")
    if listed is not None and checked.ids and len(checked.ids) != listed.get("rows"):
        checked.problems.append(f"{len(checked.ids)} rows, manifest.json says {listed.get('rows')}")
    return checked


def _schema_problems(schema: pa.Schema) -> Iterator[str]:
    yield from (f"column {name} is missing" for name in record.BASE if name not in schema.names)
    for found in schema:
        expected = record.TRYON.get(found.name)
        if expected is not None and found.type != expected.type:
            yield f"column {found.name} is {found.type}, should be {expected.type}"
        if expected is not None and fields.kind(found) != fields.kind(expected):
            yield f"column {found.name} lost its kind {fields.kind(expected)!r} in the metadata"
    if b"huggingface" not in (schema.metadata or {}):
        yield "Hugging Face feature metadata is missing"


def _check_row(row: dict[str, Any], schema: pa.Schema, name: str, checked: Checked) -> None:
    record_id = row.get("record_id")
    checked.ids.append(str(record_id))
    found = record.problems(row, schema)
    if row.get("split") and not name.startswith(f"{row['split']}-"):
        found.append(f"split {row['split']!r} in a shard of another")
    if not row.get("person_id") or not row.get("garment_id"):
        found.append("person_id or garment_id is empty")
    elif row.get("paired") and row.get("garment_view") == "flat" and row["person_id"] != row["garment_id"]:
        found.append(f"paired, but person {row['person_id']!r} and garment {row['garment_id']!r} differ")
    checked.problems += [f"{record_id}: {problem}" for problem in found]


def _across(checked: list[Checked], manifest: dict[str, Any]) -> Iterator[str]:
    repeated = [name for name, count in Counter(i for item in checked for i in item.ids).items() if count > 1]
    yield from (f"record_id {name!r} stands in more than one row" for name in sorted(repeated))
    schemas = [(item.name, item.schema) for item in checked if item.schema is not None]
    for name, schema in schemas[1:]:
        if not schema.equals(schemas[0][1], check_metadata=True):
            yield f"{name}: its schema differs from that of {schemas[0][0]}"
    total = manifest.get("counts", {}).get("records")
    rows = sum(len(item.ids) for item in checked)
    if manifest and total != rows:
        yield f"{rows} records in the shards, manifest.json says {total}"


def main(arguments: Sequence[str]) -> int:
    parser = flags.parser("python -m pipelines.validate", __doc__, EXAMPLES)
    parser.add_argument("shards", metavar="SHARDS", help="folder of a finished build")
    given = parser.parse_args(arguments)
    records, count, problems = validate(open_folder(given.shards))
    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f"and {len(problems) - SHOWN} more")
    verdict = "valid" if not problems else f"{len(problems)} problems"
    print(f"{records} records in {count} shards: {verdict}", file=sys.stdout if not problems else sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    flags.run(main, "python -m pipelines.validate")
