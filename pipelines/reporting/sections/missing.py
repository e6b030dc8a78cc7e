"""Which columns records lack, why, and the command that adds them."""

import re
import shlex
from collections.abc import Iterator, Mapping

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


def section(finished: Finished, location: str) -> Section:
    """`location` is the folder as the user named it: commands name it so."""
    total = finished.manifest["counts"]["records"]
    rows: list[tuple[Cell, ...]] = []
    for column, reasons in finished.lacking.items():
        why = " | ".join(f"{reason} ({n:,})" for reason, n in reasons.most_common(_REASONS_SHOWN))
        way = " && ".join(_commands(column, reasons, location))
        rows.append((column, sum(reasons.values()), why, Code(way) if way else None))
    if not rows:
        return Section("Missing", [Note(_nothing(finished))], id="missing", count=0)
    intro = (
        "Columns that were wanted and that records lack. A command makes its columns anew in every record that has"
        " what they are made of, in new shards; these here stay as they are."
    )
    table = Table(f"Of {total:,} records", ("column", "records without it", "why", "way on"), rows)
    parts: list[Part] = [table]
    return Section("Missing", parts, intro, "missing", len(rows))


def _nothing(finished: Finished) -> str:
    if finished.receipts or finished.manifest["counts"]["records"] == 0:
        return "Every record has every column that was wanted."
    return "The shards came without receipts, which say why a column is empty; the table of columns says which are."


def _commands(column: str, reasons: Mapping[str, int], location: str) -> Iterator[str]:
    """In the order in which they are to be run; none where nothing that runs by itself would help."""
    text = " | ".join(reasons)
    groups = registry.groups()
    writers = {written: name for name, columns in sorted(groups.items()) for written in columns}
    # BLIP writes captions when asked; the rule over tags is what runs by itself.
    writers |= dict.fromkeys(groups.get("caption_tags", ()), "caption_tags")
    roots = [*_SKIPPED.findall(text), *_NOBODY.findall(text)]
    names = [*_ABSENT.findall(text), *(writers[root] for root in roots if root in writers)]
    if not names and _ANY_CATEGORY not in text:
        return
    own = writers.get(column, "agnostic" if column.startswith("agnostic_mask") else "")
    names = list(dict.fromkeys(name for name in [*sorted(names), own] if name in groups))
    heavy = [name for name in names if registry.needs_weights(registry.config(name))]
    if heavy:
        yield f"python -m annotators fetch {' '.join(heavy)}"
    if names:
        recipe = " --agnostic-recipe auto" if _ANY_CATEGORY in text else ""
        places = f"{shlex.quote(location)} --annotators {','.join(names)}{recipe}"
        yield f"python -m pipelines.annotate {places} --output {shlex.quote(location.rstrip('/') + '-' + column)}"
