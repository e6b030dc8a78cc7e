"""Which columns records lack, why, and the command that adds them."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

from annotators.common import registry
from pipelines.reporting.finished import Finished
from schemas.pages import Code, Note, Section, Table
from schemas.pages.parts import Cell, Part

# What a unit says of an empty column (pipelines.building.gaps), as far as it names another one to begin with.
_SKIPPED = re.compile(r"take (\w+) out of --skip")
_ABSENT = re.compile(r"`python -m annotators fetch (\w+)`")
_NOBODY = re.compile(r"no (\w+), and no annotator for it")
_ANY_CATEGORY = "--agnostic-recipe auto draws every"
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class Way:
    """What is to be run so that a column is there: annotators, of which `heavy` need weights, and a flag of theirs."""

    annotators: tuple[str, ...]
    heavy: tuple[str, ...] = ()
    flag: str = ""

    def __add__(self, other: "Way") -> "Way":
        """Both at once."""
        names = dict.fromkeys([*self.annotators, *other.annotators])
        heavy = dict.fromkeys([*self.heavy, *other.heavy])
        return Way(tuple(names), tuple(heavy), self.flag or other.flag)

    def command(self, location: str) -> str:
        """Two commands where weights are to be fetched first; `location` is the folder of the shards."""
        fetch = f"python -m annotators fetch {' '.join(self.heavy)} && " if self.heavy else ""
        output = shlex.quote(f"{location.rstrip('/')}-{'-'.join(self.annotators)}")
        words = f"{shlex.quote(location)} --annotators {','.join(self.annotators)}{self.flag} --output {output}"
        return f"{fetch}python -m pipelines.annotate {words}"


def section(finished: Finished, location: str) -> Section:
    """`location` is the folder as the user named it: commands name it so."""
    if not finished.lacking:
        return Section("Missing", [Note(_nothing(finished))], id="missing", count=0)
    rows: list[tuple[Cell, ...]] = []
    ways = {column: _way(column, reasons) for column, reasons in finished.lacking.items()}
    for column, reasons in finished.lacking.items():
        why = " | ".join(f"{reason} ({n:,})" for reason, n in reasons.most_common(_REASONS_SHOWN))
        way = ways[column]
        rows.append((column, sum(reasons.values()), why, Code(way.command(location)) if way else None))
    intro = (
        "Columns that were wanted and that records lack. A command makes its columns anew in every record that has"
        " what they are made of, in new shards; these here stay as they are."
    )
    caption = f"Of {finished.manifest['counts']['records']:,} records"
    parts: list[Part] = [Table(caption, ("column", "records without it", "why", "way on"), rows)]
    some = [way for way in ways.values() if way]
    if len(set(some)) > 1:
        parts += [Note("All of it at once:"), Code(reduce(add, some).command(location))]
    return Section("Missing", parts, intro, "missing", len(rows))


def _nothing(finished: Finished) -> str:
    if finished.receipts or finished.manifest["counts"]["records"] == 0:
        return "Every record has every column that was wanted."
    return "The shards came without receipts, which say why a column is empty; the table of columns says which are."


def _way(column: str, reasons: Mapping[str, int]) -> Way | None:
    """None where nothing that runs by itself would help."""
    text = " | ".join(reasons)
    groups = registry.groups()
    writers = {written: name for name, columns in sorted(groups.items()) for written in columns}
    # BLIP writes captions when asked; the rule over tags is what runs by itself.
    writers |= dict.fromkeys(groups.get("caption_tags", ()), "caption_tags")
    roots = [*_SKIPPED.findall(text), *_NOBODY.findall(text)]
    names = [*_ABSENT.findall(text), *(writers[root] for root in roots if root in writers)]
    if not names and _ANY_CATEGORY not in text:
        return None
    own = writers.get(column, "agnostic" if column.startswith("agnostic_mask") else "")
    names = list(dict.fromkeys(name for name in [*sorted(names), own] if name in groups))
    heavy = [name for name in names if registry.needs_weights(registry.config(name))]
    return Way(tuple(names), tuple(heavy), " --agnostic-recipe auto" if _ANY_CATEGORY in text else "")
