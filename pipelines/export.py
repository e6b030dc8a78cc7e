"""Finished shards → files in another layout, such as masks to correct by hand.

Files that are there already are kept: an export that was stopped goes on, and what was corrected stays corrected.
"""

import hashlib
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from annotators.common import flags, options
from annotators.common.flags import UsageError
from pipelines import exports, rewrite
from pipelines.rewrite import Finished
from pipelines.storage import TEMPORARY, Folder, open_folder
from schemas import codecs, shards

COMMAND = "export"
EXAMPLES = """\
  python -m pipelines.export shards --layout review --output review
  python -m pipelines.export shards --layout review --review-column garment_mask --output garments"""
MARK = "_export.json"
SHOWN = 20


@dataclass(frozen=True)
class Written:
    """What one shard gave: records, files written, files that were there, and what went wrong."""

    records: int
    files: int
    kept: int
    problems: tuple[str, ...]


def export(finished: Finished, layout: str, config: Any, output: Folder) -> Written:
    """Raises UsageError for an output folder that holds anything else."""
    module = exports.load(layout)
    module.check(config, finished.schema)
    _check_names(finished)
    mark = {"layout": layout, "settings": options.settings(config), "source": _digest(finished)}
    _prepare(output, mark)
    writer = _Writer(output)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda name: _shard(finished.folder, name, module, config, writer), finished.files))
    output.write(MARK, _json(mark | {"complete": not any(item.problems for item in done)}))
    problems = tuple(problem for item in done for problem in item.problems)
    return Written(sum(i.records for i in done), sum(i.files for i in done), sum(i.kept for i in done), problems)


def _check_names(finished: Finished) -> None:
    named: dict[str, str] = {}
    for item in finished.planned():
        other = named.setdefault(exports.file_name(item.record_id, "").casefold(), item.record_id)
        if other != item.record_id:
            raise UsageError(f"records {other!r} and {item.record_id!r} would share their file names")


def _digest(finished: Finished) -> str:
    """Of the shards' contents."""
    contents = [[shard["name"], shard["sha256"]] for shard in finished.manifest["shards"]]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _prepare(output: Folder, mark: dict[str, Any]) -> None:
    present = [*output.files(), *output.folders()]
    if MARK in present:
        earlier = _earlier(output)
        differing = [key for key in mark if earlier.get(key) != mark[key]]
        if differing:
            raise UsageError(f"--output {output} holds an export of another {differing[0]}; allowed is another folder")
    elif present:
        raise UsageError(f"--output {output} holds {present[0]}, which no export made; allowed is an empty folder")
    try:
        output.make()
        output.write(MARK, _json(mark | {"complete": False}))
    except OSError as error:
        raise UsageError(f"--output {output} can't be written: {error.strerror or error}") from None


def _earlier(output: Folder) -> dict[str, Any]:
    try:
        mark = json.loads(output.read(MARK))
        return mark if isinstance(mark, dict) else {}
    except (OSError, ValueError):
        return {}


class _Writer:
    """Writes files whole, once; usable from several threads."""

    def __init__(self, output: Folder) -> None:
        self.output = output
        self.present: defaultdict[str, set[str]] = defaultdict(set)
        self.known: set[str] = set()
        self.lock = threading.Lock()

    def write(self, path: str, make: Callable[[], bytes]) -> bool:
        """False where the file is there already."""
        folder, _, name = path.rpartition("/")
        with self.lock:
            if folder not in self.known:
                self._open(folder)
        if name in self.present[folder]:
            return False
        self.output.write(path, make())
        return True

    def _open(self, folder: str) -> None:
        """Lists what is there, less the unfinished files of an export that was killed."""
        self.output.make(folder)
        for name in self.output.files(folder):
            if name.startswith(TEMPORARY):
                self.output.remove(f"{folder}/{name}")
            else:
                self.present[folder].add(name)
        self.known.add(folder)


def _shard(folder: Folder, name: str, module: ModuleType, config: Any, writer: _Writer) -> Written:
    records = written = kept = 0
    problems = []
    with folder.open(name) as file:
        reader = shards.ShardReader(file, name)
        for row in reader.rows(module.columns(config)):
            records += 1
            try:
                for path, make in module.files(row, reader.schema, config):
                    if writer.write(path, make):
                        written += 1
                    else:
                        kept += 1
            except codecs.CodecError as error:
                problems.append(f"{row['record_id']}: {error}")
    return Written(records, written, kept, tuple(problems))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def main(arguments: Sequence[str]) -> int:
    parser = flags.parser(f"python -m pipelines.{COMMAND}", __doc__, EXAMPLES)
    parser.add_argument("shards", metavar="SHARDS", help="folder of a finished build")
    parser.add_argument("--layout", required=True, choices=exports.names(), help="which files to write")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for them")
    for name in exports.names():
        flags.add_flags(parser, exports.load(name).Config, prefix=f"{name}_")
    given = parser.parse_args(arguments)
    config_class = exports.load(given.layout).Config
    config = config_class(**{f.name: getattr(given, f"{given.layout}_{f.name}") for f in fields(config_class)})
    finished = rewrite.open_finished(given.shards, ("record_id",))
    output = open_folder(given.output)
    try:
        done = export(finished, given.layout, config, output)
    except OSError as error:
        print(f"python -m pipelines.{COMMAND}: {output}: {error.strerror or error}", file=sys.stderr)
        return 1
    for problem in done.problems[:SHOWN]:
        print(problem, file=sys.stderr)
    line = {"output": str(output), "records": done.records, "files": done.files, "kept": done.kept}
    print(json.dumps(line | {"problems": len(done.problems)}))
    return 1 if done.problems else 0


if __name__ == "__main__":
    flags.run(main, f"python -m pipelines.{COMMAND}")
