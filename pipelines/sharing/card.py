"""README.md of a data set on the hub: the build's own card, and around it licence, pictures and what columns hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipelines.judging import card
from pipelines.sharing.examples import Example
from schemas.finished.card import words
from schemas.hub.licences import UNKNOWN, Licence
from schemas.kinds import meanings

_END = "---\n"


def render(manifest: Mapping[str, Any], schema: pa.Schema, licence: Licence, examples: Sequence[Example]) -> str:
    """The YAML header names the licence in the hub's words."""
    content = dict(manifest)
    _, header, body = card.render(content).split(_END, 2)
    title, _, rest = body.partition("\n\n")
    top = "\n".join(licence.header())
    sections = [title, "\n".join(_pictures(examples)), rest.rstrip(), "\n".join(_columns(schema, manifest))]
    sections.append("\n".join(_licence(manifest, licence)))
    return f"{_END}{header}{top}\n{_END}" + "\n\n".join(filter(None, sections)) + "\n"


def _pictures(examples: Sequence[Example]) -> Iterator[str]:
    for number, example in enumerate(examples, start=1):
        shown = ", ".join(words(column) for column in example.columns)
        told = f": {words(example.caption)}" if example.caption else ""
        yield f"![{shown}]({example.name(number)})"
        yield f"`{words(example.record_id)}`{told} ({shown})"
        yield ""


def _columns(schema: pa.Schema, manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "## What the columns hold"
    yield ""
    yield "| column | holds | records without |"
    yield "|---|---|---|"
    for field in schema:
        empty = (manifest["columns"].get(field.name) or {}).get("empty")
        yield f"| `{words(field.name)}` | {words(meanings.of(field))} | {'-' if empty is None else empty} |"


def _licence(manifest: Mapping[str, Any], licence: Licence) -> Iterator[str]:
    yield "## Licence"
    yield ""
    if licence.redistribution == UNKNOWN:
        yield "The licence of the pictures isn't known to the software that made this; ask who shares them."
    else:
        yield f"Pictures: {words(licence)}."
    for name, annotator in sorted((manifest.get("annotators") or {}).items()):
        if annotator.get("licences"):
            yield f"- weights of `{words(name)}`: {words('; '.join(map(str, annotator['licences'])))}"
