"""Adds or replaces columns of finished shards: new shards; the old ones are only read, other columns stay as they are.

The columns of the named annotators are made anew in every record that has their inputs, and are null in the others.
--from-folder COLUMN=DIR takes masks or label maps corrected by hand, one file per record, named as `pipelines.export
--layout review` names them. A correction that can't be used rejects its record: the mask it has is known to be wrong.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from annotators.common import registry
from pipelines import exports
from pipelines.building import build, command, configuration, preflight, rewrite
from pipelines.building.configuration import AnnotatorFlags, Line
from pipelines.building.plan import Plan, Planning, as_listed
from pipelines.building.rewrite import Finished, Rewrite
from pipelines.sources import Refused
from pipelines.sources.records import Records
from schemas import fields, kinds
from schemas.cli.flags import UsageError, flag, positional, run
from schemas.folders import Entry, Folder, open_folder
from schemas.messages import printable

COMMAND = "annotate"
EXAMPLES = """\
  python -m pipelines.annotate shards --annotators agnostic --agnostic-recipe vitonhd --output shards-vitonhd
  python -m pipelines.annotate shards --annotators parsing,pose --weights models --output annotated
  python -m pipelines.annotate shards --from-folder agnostic_mask=review/agnostic_mask --output corrected"""
IMPORTED = ("mask", "label_map")
SHOWN = 20


@dataclass(frozen=True)
class Flags(AnnotatorFlags):
    """Flags of this command."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    annotators: tuple[str, ...] = flag((), help="whose columns are added or replaced, comma-separated", metavar="A,B")
    skip: tuple[str, ...] = flag((), help="columns of theirs that stay as they are", metavar="A,B")
    from_folder: tuple[str, ...] = flag(
        (), help="take a column from files named after records; may be repeated", metavar="COLUMN=DIR", repeated=True
    )


def annotate(line: Line[Flags]) -> int:
    """The exit code. Raises UsageError before any work."""
    started = time.perf_counter()
    flags = line.flags
    if not flags.annotators and not flags.from_folder:
        raise UsageError("nothing to do; allowed are --annotators A,B and --from-folder COLUMN=DIR")
    if not line.engine.engine.REMOTE:
        preflight.check_device(flags.device)
    finished = rewrite.open_finished(flags.shards, ("record_id",))
    asked = _asked(line, finished)
    schema = rewrite.new_schema(finished.schema, asked)
    for column in sorted(rewrite.outdated(finished.schema, asked)):
        made_of = ", ".join(fields.sources(finished.schema.field(column)))
        print(f"{column} is left out: it was made of {made_of}, which isn't all as it was", file=sys.stderr)
    asked = replace(asked, columns=tuple((field.name, str(field.type)) for field in schema))
    planned, files = _plan(finished, asked, schema)
    words, root = rewrite.fingerprint_words(asked), rewrite.root_of(asked)
    run = rewrite.run_of(asked, finished.manifest)
    prepared = build.Prepared(COMMAND, asked, rewrite.Job(asked), planned, words, root, Planning(files), run)
    return build.execute(prepared, flags, line.engine, started)


def _asked(line: Line[Flags], finished: Finished) -> Rewrite:
    flags = line.flags
    chosen = configuration.chosen(flags.annotators, line.configs)
    asked = Rewrite(
        dataset=finished.manifest.content["dataset"] or "",
        input=str(finished.folder),
        output=rewrite.output_of(flags.output, COMMAND, finished),
        format=finished.format,
        kind=kinds.of(finished.schema).name,
        shard_size=finished.shard_size,
        annotators=chosen,
        skip=configuration.skipped(
            flags.skip, flags.annotators, [name for name, _ in chosen], kinds.of(finished.schema)
        ),
        imports=_folders(flags.from_folder),
    )
    asked = replace(asked, digests=build.weight_digests(chosen, stated=line.engine.engine.REMOTE))
    _check(asked, finished.schema.names)
    return asked


def _folders(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """ "agnostic_mask=DIR" → ("agnostic_mask", "DIR"), by column."""
    found: dict[str, str] = {}
    for word in words:
        column, _, location = word.partition("=")
        if not column or not location:
            raise UsageError(
                f"--from-folder {word!r}; allowed is COLUMN=DIR, such as agnostic_mask=review/agnostic_mask"
            )
        if column in found:
            raise UsageError(f"--from-folder names {column!r} twice; allowed is one folder per column")
        try:
            folder = open_folder(location)
        except (ValueError, ImportError) as error:
            raise UsageError(f"--from-folder {word!r}: {error}") from None
        if not folder.is_folder():
            raise UsageError(f"--from-folder {word!r}: {location} is no folder")
        found[column] = str(folder)
    return tuple(sorted(found.items()))


def _check(asked: Rewrite, present: Sequence[str]) -> None:
    """Raises UsageError for an annotator that can't run on these shards."""
    have = set(present) | {column for column, _ in asked.imports}
    for name, config in asked.annotators:
        reason = registry.unplanned(name, config, dict(asked.digests))
        if reason:
            raise UsageError(
                f"annotator {name}: {reason}; ways on: `python -m annotators fetch {name}`,"
                f" or --weights DIR ({preflight.sought(config)})"
            )
        lacking = [column for column in registry.inputs(name, config) if column not in have]
        if lacking:
            raise UsageError(
                f"annotator {name} reads {lacking[0]}, which these shards lack; name the annotator that makes it too:"
                f" --annotators (there are {', '.join(registry.names())})"
            )
        have |= {field.name for field in registry.written(name, config)}


def _plan(finished: Finished, asked: Rewrite, schema: pa.Schema) -> tuple[Plan, dict[str, Entry]]:
    """One unit per shard that has records; a file of an import becomes a reference of the record that it names."""
    ids = [item.record_id for item in finished.listed()]
    refused: list[Refused] = []
    imported: dict[str, dict[str, str]] = {}  # record → column → path
    files = finished.entries()
    for column, location in asked.imports:
        _check_importable(column, schema)
        folder = open_folder(location)
        listed = folder.files()
        _name_folders(column, folder)
        matched, unknown = _match(column, listed, ids)
        for record_id, path in matched.items():
            imported.setdefault(record_id, {})[column] = path
        refused += unknown
        files |= {f"{column}/{name}": entry for name, entry in listed.items()}
    sizes: dict[str, list[int]] = {}
    for shard in finished.manifest.shards:
        rows = sum(table.num_rows for table in finished.tables[shard.name])
        if rows:
            sizes.setdefault(shard.split, []).append(rows)
    records = Records(
        replace(item, references=item.references | imported.get(item.record_id, {})) for item in finished.listed()
    )
    return as_listed(records, refused, asked.shard_size, sizes), files


def _check_importable(column: str, schema: pa.Schema) -> None:
    allowed = [field.name for field in schema if fields.kind(field) in IMPORTED]
    if column not in allowed:
        raise UsageError(f"--from-folder {column!r} holds no mask and no label map; allowed are {', '.join(allowed)}")


def _match(column: str, listed: Iterable[str], ids: Iterable[str]) -> tuple[dict[str, str], list[Refused]]:
    """Record → path of its file, and the files that no record has; hidden ones don't count. Raises UsageError for none.

    The ending may be in capitals where no other file of the record's name is there.
    """
    named = _by_file_name(ids)
    matched: dict[str, str] = {}
    unknown = []
    for name in sorted(listed, key=lambda name: (name not in named, name)):
        record_id = named.get(name) or named.get(f"{name[:-4]}{name[-4:].lower()}")  # ".PNG"
        if record_id is not None and record_id not in matched:
            matched[record_id] = f"{column}/{name}"
        elif not name.startswith("."):
            unknown.append(name)
    if not matched:
        example = next(iter(named), "RECORD__ID.png")
        raise UsageError(f"--from-folder {column}: no file is named after a record; expected names such as {example}")
    if unknown:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        shown = ", ".join(map(printable, unknown[:SHOWN]))
        print(f"--from-folder {column}: no record has the name of {shown}{more}", file=sys.stderr)
    return matched, [_refused(column, name) for name in unknown]


def _name_folders(column: str, folder: Folder) -> None:
    """Says which folders lie in the folder of an import, since none of them is read."""
    inside = [printable(name) for name in folder.folders() if not name.startswith(".")]
    if inside:
        print(f"--from-folder {column}: folders aren't read: {', '.join(inside[:SHOWN])}", file=sys.stderr)


def _by_file_name(ids: Iterable[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for record_id in ids:
        name = exports.file_name(record_id, "png")
        if name in named:
            raise UsageError(f"records {named[name]!r} and {record_id!r} share the file name {name}")
        named[name] = record_id
    return named


def _refused(column: str, name: str) -> Refused:
    message, shown = f"{column}: no record of these shards has this file name", printable(name)
    return Refused(shown.removesuffix(".png"), "", "unknown_id", message, f"{column}/{shown}", "import")


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, __doc__, EXAMPLES, Flags, arguments)
    return command.guarded(COMMAND, lambda: annotate(line))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
