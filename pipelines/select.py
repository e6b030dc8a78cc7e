"""Keeps some records of finished shards: new shards, in which every value is copied as it is stored.

--where is a condition on ids, words, quality.* and captions, as Python writes them: comparisons (== != < <= > >=),
in ("a", "b"), "text" in caption, is None, matches(caption, "regular expression"), and, or, not, parentheses.
--drop-findings leaves out the records of
which findings.parquet says something of these kinds; what it calls "info" (such as the near-duplicate that stands for
the others) doesn't count.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.building import build, command, plan, rewrite
from pipelines.building.configuration import Line, RunFlags
from pipelines.building.rewrite import Finished, Rewrite
from pipelines.judging import findings
from pipelines.sources.records import Listed, Records
from schemas import conditions, fields, kinds
from schemas.cli.flags import UsageError, flag, positional, run
from schemas.cli.suggestions import suggestion
from schemas.finished import tables
from schemas.messages import counted

COMMAND = "select"
EXAMPLES = """\
  python -m pipelines.select shards --where 'category == "dresses" and quality.person_sharpness > 100' --output dresses
  python -m pipelines.select shards --drop-findings near_duplicate,blurred,nobody --output clean
  python -m pipelines.select shards --where 'split == "train" and garment_caption is not None' --output captioned"""
# Columns that --where knows, where the shards have them; `captions` is the texts of all captions, a line each.
_KNOWN = [*(name for kind in kinds.KINDS.values() for name in kind.words), "captions", "quality"]
COLUMNS = tuple(dict.fromkeys(_KNOWN))


@dataclass(frozen=True)
class Flags(RunFlags):
    """Flags of this command."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    where: str | None = flag(None, help="keep the records for which this is true", metavar="EXPR")
    drop_findings: tuple[str, ...] = flag((), help="leave out records with these findings", metavar="KIND,…")


def select(line: Line[Flags]) -> int:
    """The exit code. Raises UsageError before any work."""
    started = time.perf_counter()
    flags = line.flags
    if flags.where is None and not flags.drop_findings:
        raise UsageError("nothing to do; allowed are --where EXPR and --drop-findings KIND,…")
    finished = rewrite.open_finished(flags.shards, COLUMNS)
    asked = Rewrite(
        dataset=finished.manifest.content["dataset"] or "",
        input=str(finished.folder),
        output=rewrite.output_of(flags.output, COMMAND, finished),
        format=finished.format,
        kind=kinds.of(finished.schema).name,
        shard_size=finished.shard_size,
        where=flags.where or "",
        drop_findings=tuple(sorted(set(flags.drop_findings))),
    )
    schema = rewrite.new_schema(finished.schema, asked)
    asked = replace(asked, columns=tuple((field.name, str(field.type)) for field in schema))
    kept = _kept(finished, flags.where, asked.drop_findings)
    planned = plan.as_listed(Records(kept), [], asked.shard_size)
    total = sum(table.num_rows for tables in finished.tables.values() for table in tables)
    print(f"{planned.records} of {counted(total, 'record')} kept", file=sys.stderr)
    words, root, planning = rewrite.fingerprint_words(asked), rewrite.root_of(asked), plan.Planning(finished.entries())
    run = rewrite.run_of(asked, finished.manifest)
    prepared = build.Prepared(COMMAND, asked, rewrite.Job(asked), planned, words, root, planning, run)
    return build.execute(prepared, flags, line.engine, started)


def _kept(finished: Finished, where: str | None, kinds: Sequence[str]) -> Iterator[Listed]:
    """In the order of the shards."""
    dropped = _found(finished, kinds)
    true = repeat(True) if where is None else _where(finished, where)
    return (item for item, yes in zip(finished.listed(), true, strict=False) if yes and item.record_id not in dropped)


def _found(finished: Finished, kinds: Sequence[str]) -> set[str]:
    """Ids of records with a finding of these kinds."""
    for kind in kinds:
        if kind not in findings.KINDS:
            near = suggestion(kind, findings.KINDS)
            raise UsageError(f"--drop-findings {kind!r}; allowed are {', '.join(findings.KINDS)}{near}")
    if not kinds:
        return set()
    table = tables.read(finished.folder, tables.FINDINGS_FILE, ("record_id", "kind", "severity"))
    if table is None:
        raise UsageError(f"{finished.folder} has no readable findings.parquet; `python -m pipelines.finish` makes it")
    return {row["record_id"] for row in table.to_pylist() if row["kind"] in kinds and row["severity"] != "info"}


def _where(finished: Finished, where: str) -> list[bool]:
    """Whether the condition is true, for every record in order."""
    small = [flat(table) for tables in finished.tables.values() for table in tables]
    table = pa.concat_tables(small) if small else flat(finished.schema.empty_table())
    columns = {field.name: field.type for field in table.schema}
    expression = conditions.compiled(where, columns)
    numbered = table.append_column("__row", pa.array(range(table.num_rows), pa.int64()))
    kept = set(numbered.filter(expression)["__row"].to_pylist())
    return [row in kept for row in range(table.num_rows)]


def flat(table: pa.Table) -> pa.Table:
    """Plain columns: words as strings, `quality.*` one by one, the texts of `captions` joined."""
    found: dict[str, Any] = {}
    for name in COLUMNS:
        if name not in table.schema.names:
            continue
        column = table[name].combine_chunks()
        if name == "quality":
            found |= {f"quality.{member.name}": pc.struct_field(column, member.name) for member in column.type}
        elif name == "captions":
            texts = (
                None if rows is None else "\n".join(str(one["text"]) for one in rows) for rows in column.to_pylist()
            )
            found[name] = pa.array(texts, pa.string())
        else:
            found[name] = column.cast(pa.string()) if column.type == fields.WORD else column
    return pa.table(found)


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, __doc__, EXAMPLES, Flags, arguments)
    return command.guarded(COMMAND, lambda: select(line))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
