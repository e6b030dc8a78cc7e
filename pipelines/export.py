"""Finished shards → files in another layout: other people's datasets, or masks to correct by hand.

Files that are there already are kept: an export that was stopped goes on, and what was corrected stays corrected.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipelines import exports
from pipelines.building import rewrite
from pipelines.building.progress import Bar, count
from pipelines.building.rewrite import Finished
from pipelines.exports import File, Item, Layout, _tar
from pipelines.exports._writing import BESIDE, Shared, Writer, Written
from schemas import codecs, json_shape, shards
from schemas.cli import options
from schemas.cli.flags import Dataclass, Parsed, Section, UsageError, flag, one_line, parse_sections, positional, run
from schemas.finished import manifest as manifests
from schemas.folders import Folder, open_folder, sameness
from schemas.json_text import pretty
from schemas.messages import counted

PROG = "python -m pipelines.export"
EXAMPLES = """\
  python -m pipelines.export shards --layout vitonhd --output vitonhd
  python -m pipelines.export shards --layout vitonhd --require agnostic_mask,densepose_image --output idm_vton
  python -m pipelines.export shards --layout webdataset --output tars
  python -m pipelines.export shards --layout review --review-column garment_mask --output garments"""
MARK = "_export.json"
_BESIDE = {"problems": list[str], "left_out": dict[str, str]}
SHOWN = 20
SMALL = ("record_id", "split", "category", "person_id", "garment_id", "paired")
# Columns that say what is in the files themselves, or where they came from.
ABOUT = {"record_id", "dataset", "split", "paired", "height", "width", "geometry", "provenance"}


@dataclass(frozen=True)
class Flags:
    """Flags of this command, whatever the layout."""

    shards: str = positional(help="folder of a finished build", metavar="SHARDS")
    layout: str = flag(help="which files to write", choices=exports.names)
    output: str = flag(help="folder for them", metavar="DIR")
    require: tuple[str, ...] = flag(
        (),
        help="leave out records without these, such as agnostic_mask,densepose_image, which a reader would miss",
        metavar="COLUMN,…",
    )


@dataclass(frozen=True)
class Report:
    """What an export gave, of which records the output holds nothing, how many ids it writes otherwise."""

    written: Written
    left_out: dict[str, str]
    renamed: int

    @property
    def lossy(self) -> list[str]:
        """Columns that the files hold with less in them."""
        return sorted(self.written.losses)


def export(finished: Finished, name: str, config: Any, output: Folder, required: tuple[str, ...] = ()) -> Report:
    """Records without a `required` column are left out. Raises UsageError for an output that holds anything else."""
    for column in required:
        if column not in finished.schema.names:
            raise UsageError(f"--require {column!r}; these shards have {', '.join(finished.schema.names)}")
    items = _items(finished)
    layout: Layout = exports.load(name).Export(config, finished.schema, items)
    mark = {"layout": name, "settings": options.settings(config), "require": sorted(required)}
    mark |= {"source": _digest(finished)}
    _prepare(output, mark)
    with Bar(len(items), lambda: 0):
        written = _Run(finished, layout, Writer(output), required).all(items)
    report = Report(written, layout.left_out | written.left_out, layout.renamed)
    output.write(MARK, pretty(mark | _summary(report, layout, finished)).encode())
    return report


def _items(finished: Finished) -> list[Item]:
    found = []
    splits = {shard.name: shard.split for shard in finished.manifest.shards}
    for shard, tables in finished.tables.items():
        for table in tables:
            for row in table.to_pylist():
                row = {name: row.get(name) for name in SMALL} | {"split": row.get("split") or splits[shard]}
                found.append(Item(shard=shard, **row))
    return found


def _digest(finished: Finished) -> str:
    """Of the shards' contents."""
    contents = [[shard.name, shard.sha256] for shard in finished.manifest.shards]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _prepare(output: Folder, mark: dict[str, Any]) -> None:
    try:
        present = [*output.files(), *output.folders()]
        if MARK in present:
            earlier = _earlier(output)
            sameness.check(output, "export", {key: earlier.get(key) for key in mark}, mark, sameness.ANOTHER_FOLDER)
        elif present:
            raise UsageError(f"--output {output} holds {present[0]}, which no export made; allowed is an empty folder")
        output.make()
        output.write(MARK, pretty(mark | {"complete": False}).encode())
    except OSError as error:
        raise UsageError(f"--output {output} can't be written: {error.strerror or error}") from None


def _earlier(output: Folder) -> dict[str, Any]:
    try:
        mark = json.loads(output.read(MARK))
        return mark if isinstance(mark, dict) else {}
    except (OSError, ValueError):
        return {}


def _summary(report: Report, layout: Layout, finished: Finished) -> dict[str, Any]:
    """What the files don't hold as the shards do; columns that some records have no file of, or that have no place."""
    present = report.written.records - len(report.left_out)
    lacking = {column: present - number for column, number in sorted(report.written.have.items()) if number < present}
    losses = {column: sorted(lost) for column, lost in sorted(report.written.losses.items())}
    return {
        "complete": not report.written.problems,
        "lossy": report.lossy,
        "losses": losses,
        "derived": sorted(report.written.derived),
        "lacking": lacking,
        "left_out": _by_reason(report.left_out),
        "problems": report.written.problems,
        "renamed": report.renamed,
        "without_place": sorted(set(finished.schema.names) - set(layout.columns) - ABOUT),
    }


def _told(output: Folder, name: str) -> dict[str, Any] | None:
    """What lies beside a tar file says of it; None where that is damaged, so that the tar is made again."""
    try:
        told = json_shape.parse(output.read(name))
    except (OSError, ValueError):
        return None
    whole = isinstance(told, dict) and told.keys() <= _BESIDE.keys() and not json_shape.misfit(told, _BESIDE)
    return told if whole else None


def _by_reason(left_out: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for record_id, reason in sorted(left_out.items()):
        found.setdefault(reason, []).append(record_id)
    return dict(sorted(found.items()))


class _Run:
    """One export: shards in parallel, then the files that a later record has to give, then the lists."""

    def __init__(self, finished: Finished, layout: Layout, writer: Writer, required: tuple[str, ...]) -> None:
        self.finished, self.layout, self.writer, self.required = finished, layout, writer, required
        self.shared = Shared()
        self.sha256s = {shard.name: shard.sha256 for shard in finished.manifest.shards}

    def all(self, items: list[Item]) -> Written:
        total = Written()
        with ThreadPoolExecutor() as pool:
            for done in pool.map(self._shard, self.finished.files):
                total.add(done)
        late = self.shared.late()
        owners = set(late.values())
        for shard in dict.fromkeys(item.shard for item in items if item.record_id in owners):
            total.add(self._late(shard, late))
        for path, data in self.layout.lists(total.entries):
            total.count(self.writer.replace(path, data))
        total.problems += [*self.shared.problems(), *self.layout.problems]
        return total

    def _shard(self, name: str) -> Written:
        done = Written()
        try:
            manifests.check_digest(self.finished.folder, name, self.sha256s[name])
        except (manifests.Damaged, OSError) as error:
            done.problems.append(one_line(error))
            return done
        archive = self.layout.archive(name)
        if archive is not None:
            return self._archive(name, archive)
        for row in self._rows(name, done):
            before, columns = len(done.problems), set()
            for file in self._files(row, done):
                columns.add(file.column)
                if file.claim is None or self.shared.note(file, file.claim, row["record_id"]):
                    self._write(file, row, done)
            done.have.update(columns)
            if len(done.problems) == before:
                self._entry(row, done)
        return done

    def _late(self, name: str, late: dict[str, str]) -> Written:
        done = Written()
        for row in self._rows(name, Written()):
            for file in self._files(row, Written()):
                if late.get(file.path) == row["record_id"]:
                    self._write(file, row, done)
        return done

    def _archive(self, name: str, path: str) -> Written:
        """One tar file; what it lacks lies beside it, so that a tar that is kept needn't be made again."""
        done = Written()
        beside = path.removesuffix(".tar") + BESIDE
        if self.writer.has(path):
            told = _told(self.writer.output, beside) if self.writer.has(beside) else {}
            if told is not None:
                done = Written(sum(table.num_rows for table in self.finished.tables[name]), **told)
                done.count(False)
                return done
        with self.writer.output.create(path) as file:
            self._fill(file, name, done)
            if done.problems or done.left_out:
                self.writer.replace(beside, pretty({"problems": done.problems, "left_out": done.left_out}).encode())
        done.count(True)
        return done

    def _fill(self, file: Any, name: str, done: Written) -> None:
        with _tar.create(file) as tar:
            for row in self._rows(name, done):
                for member in self._files(row, done):
                    with _blamed(f"{row['record_id']}: {member.column}", done):
                        _tar.add(tar, member.path, member.make())

    def _rows(self, name: str, done: Written) -> Iterator[dict[str, Any]]:
        """The shard's records, counted in `done`, less those without a required column."""
        columns = list(dict.fromkeys([*self.layout.columns, *self.required]))
        with self.finished.folder.open(name) as file:
            for row in shards.ShardReader(file, name).rows(columns):
                done.records += 1
                lacking = [column for column in self.required if row[column] is None]
                if lacking:
                    done.left_out[row["record_id"]] = f"without {', '.join(lacking)}"
                else:
                    yield row
                count(1)

    def _files(self, row: dict[str, Any], done: Written) -> Iterator[File]:
        with _blamed(str(row["record_id"]), done):
            for file in self.layout.files(row):
                done.note(file)
                yield file

    def _write(self, file: File, row: dict[str, Any], done: Written) -> None:
        with _blamed(f"{row['record_id']}: {file.column}", done):
            done.count(self.writer.write(file.path, file.make))

    def _entry(self, row: dict[str, Any], done: Written) -> None:
        """A record whose files are not whole isn't listed: readers would stop at it."""
        with _blamed(str(row["record_id"]), done):
            entry = self.layout.entry(row)
            done.entries += [] if entry is None else [entry]


@contextmanager
def _blamed(shown: str, done: Written) -> Iterator[None]:
    """A record's failure, whatever raises it, is a problem of that record; an output that can't be written is not."""
    try:
        yield
    except (OSError, UsageError):
        raise
    except Exception as error:  # of libraries, on cells that no build wrote
        kind = "" if isinstance(error, codecs.CodecError) else f"{type(error).__name__}: "
        done.problems.append(f"{shown}: {kind}{one_line(error)[:200]}")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 a file is missing. Raises UsageError before anything is written."""
    own, layouts = Section(Flags), _layouts()
    sections: list[Section[Any]] = [own, *layouts.values()]
    parsed = parse_sections(arguments, sections, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    flags = parsed.of(own)
    config = _config(flags.layout, layouts, parsed)
    output = open_folder(flags.output)
    finished = rewrite.open_finished(flags.shards, SMALL)
    try:
        report = export(finished, flags.layout, config, output, flags.require)
    except OSError as error:
        print(f"{PROG}: {output}: {error.strerror or error}", file=sys.stderr)
        return 1
    return _tell(report, output)


def _layouts() -> dict[str, Section[Dataclass]]:
    """Layout → its own options, which begin with its name."""
    return {name: Section(exports.load(name).Config, prefix=f"{name}_") for name in exports.names()}


def _config(layout: str, layouts: dict[str, Section[Dataclass]], parsed: Parsed) -> Dataclass:
    """The options of the layout. Raises UsageError for an option of another one."""
    for name, section in layouts.items():
        named = parsed.named(section)
        if named and name != layout:
            option = next(section.flag_of(item) for item in section.fields if item.name in named)
            raise UsageError(f"{option} is an option of --layout {name}, not of {layout}")
    return parsed.of(layouts[layout])


def _tell(report: Report, output: Folder) -> int:
    written, problems = report.written, report.written.problems
    for problem in problems[:SHOWN]:
        print(problem, file=sys.stderr)
    for reason, records in _by_reason(report.left_out).items():
        print(f"left out, {reason}: {counted(len(records), 'record')}, such as {records[0]}", file=sys.stderr)
    line = {"output": str(output), "records": written.records, "files": written.files, "kept": written.kept}
    line |= {"problems": len(problems), "lossy": report.lossy, "left_out": len(report.left_out)}
    print(json.dumps(line | {"renamed": report.renamed}))
    nothing = written.records > 0 and len(report.left_out) == written.records
    return 1 if problems or nothing else 0


if __name__ == "__main__":
    run(main, PROG)
