"""A table of paths, CSV, TSV, JSONL, JSON or Parquet, in which each row is a record → validated shards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.building import command
from pipelines.building.configuration import Flags
from schemas.cli.flags import UsageError, flag, run
from schemas.folders import open_folder
from schemas.labels import Category

COMMAND = "build_table"
_NOTES = """\
Columns are named as in the record. person_image and garment_image are required; parse, keypoints, densepose_image,
agnostic_mask and the like hold paths too, below the table's folder or --root. split, category, garment_type, caption,
captions, tags, paired, garment_view, person_id, garment_id and record_id hold the value itself. A row is a true pair
unless its column paired, or its two ids, say otherwise. Pictures inside a Parquet file are not read: write them out."""
EXAMPLES = """\
  python -m pipelines.build_table --input pairs.csv --category upper_body --weights models
  python -m pipelines.build_table --input pairs.jsonl --root photos --columns image=person_image,cloth=garment_image \\
      --ignore-columns price,url --skip parse,keypoints,densepose,caption
  python -m pipelines.build_table --input hf://datasets/USER/NAME/train.parquet --size 1024x768 --weights models"""


@dataclass(frozen=True)
class TableFlags(Flags):
    """The shared flags, and how to read the table."""

    input: str | None = flag(None, help="the table, or its URL", metavar="FILE")
    root: str | None = flag(None, help="folder that paths start from (default: the table's)", metavar="DIR")
    dataset: str = flag("table", help="the dataset's name, in record ids")
    columns: tuple[str, ...] = flag((), help="what columns of other names are", metavar="THEIRS=OURS,…")
    ignore_columns: tuple[str, ...] = flag((), help="columns to leave out", metavar="A,B")
    category: str | None = flag(None, help="of rows that don't say what the garment covers", choices=tuple(Category))


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, f"{__doc__}\n\n{_NOTES}", EXAMPLES, TableFlags, arguments)
    flags = line.flags
    renamed = _renamed(flags.columns)
    place, name, data = _read(flags.input)
    place = place if flags.root is None else _root(flags.root)
    from pipelines.building.build import Request
    from pipelines.sources.tryon.table import Table

    table = Table(name, data, renamed, tuple(sorted(flags.ignore_columns)))
    request = Request(line, "table", _name(flags.dataset), place)
    return command.run(replace(request, listing={"table": table, "category": flags.category}))


def _name(text: str) -> str:
    """Raises UsageError for a name that can't begin a record id."""
    if not text.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"--dataset {text!r}; allowed are letters, digits, - and _")
    return text


def _renamed(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """ "a=b" → (("a", "b"),), sorted. Raises UsageError."""
    pairs = [tuple(side.strip() for side in word.split("=", 1)) for word in words]
    wrong = [word for word, pair in zip(words, pairs, strict=True) if len(pair) != 2 or not all(pair)]
    if wrong:
        raise UsageError(f"--columns {wrong[0]!r}; allowed is theirs=ours, such as image=person_image")
    return tuple(sorted((theirs, ours) for theirs, ours in pairs))


def _read(text: str | None) -> tuple[str, str, bytes]:
    """The table's folder, name and bytes. Raises UsageError for a file that can't be read."""
    if text is None:
        raise UsageError("--input is missing; allowed is a table of paths, or its URL")
    place, _, name = text.rpartition("/")
    place = place or ("/" if text.startswith("/") else ".")
    try:
        return place, name, open_folder(place).read(name)
    except (OSError, ValueError, ImportError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--input {text!r}: {reason}; allowed is a table of paths, or its URL") from None


def _root(location: str) -> str:
    """Raises UsageError for a folder that isn't there."""
    try:
        there = open_folder(location).is_folder()
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(f"--root {location!r}: {error}") from None
    if not there:
        raise UsageError(f"--root {location!r} is no folder; allowed is the folder that paths start from, or its URL")
    return location


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
