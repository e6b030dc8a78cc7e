"""Whose mask a record's is: the recipe that drew it, as its provenance says.

Recipes are told by their names, "ootdiffusion (dc)" where the form isn't the usual one; "dataset" and "manual" stand
for masks that nobody drew here, "file" for a user's own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vton_models.reading import completeness
from vton_models.reading.catalogue import Catalogue

FILE = "file"

ByCategory = Mapping[str, Sequence[str]]


def of_records(listed: Catalogue, masks: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Record id → (category, recipe) of the first of the columns `masks` that a record has."""
    if not masks or "provenance" not in listed.fields:
        return {}
    lacking = completeness.incomplete(listed, masks[:1]) if len(masks) > 1 else set()
    columns = ["record_id", "provenance", *(["category"] if "category" in listed.fields else [])]
    used: dict[str, tuple[str, str]] = {}
    for group in range(len(listed.rows)):
        batch = listed.read(group, columns)
        ids = batch["record_id"].to_pylist()
        categories = batch["category"].to_pylist() if "category" in batch.schema.names else [None] * len(ids)
        for row, entry in _entries(batch["provenance"], masks):
            if entry["column"] == masks[ids[row] in lacking]:
                used[ids[row]] = (categories[row] or "", recipe(entry))
    return used


def recipe(entry: Mapping[str, Any]) -> str:
    """Of an entry of the provenance."""
    if entry["origin"] != "annotator":
        return str(entry["origin"])
    settings = dict(re.findall(r"(\w+)=([^;]+)", entry["note"] or ""))
    drawn = re.search(r"drawn by (\w+)", entry["note"] or "")
    own = entry["column"].partition("agnostic_mask_")[2]
    return named(own or (drawn[1] if drawn else settings.get("recipe", "unknown").split(",")[0]), settings)


def named(name: str, settings: Mapping[str, str]) -> str:
    """A recipe drawn with settings of the annotator."""
    form = settings.get("model_type", "hd")
    return name if form == "hd" else f"{name} ({form})"


def by_category(used: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Category → its recipes, both sorted."""
    recipes: dict[str, set[str]] = {}
    for category, name in used:
        recipes.setdefault(category, set()).add(name)
    return {category: sorted(recipes[category]) for category in sorted(recipes)}


def difference(trained: ByCategory, sampled: ByCategory) -> str:
    """One line for people where masks to sample with come from other recipes than those of training; else empty."""
    parts = []
    for category in sorted(trained.keys() & sampled.keys()):
        others = sorted(set(sampled[category]) - set(trained[category]) - {FILE})
        if others:
            parts.append(f"{category or 'without category'} by {', '.join(others)}, not {', '.join(trained[category])}")
    return f"masks come from other recipes than in training: {'; '.join(parts)}" if parts else ""


def _entries(provenance: pa.Array, columns: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    """(row, entry) of those that are about the columns."""
    flat, rows = provenance.flatten(), pc.list_parent_indices(provenance)
    chosen = pc.is_in(flat.field("column"), value_set=pa.array(columns))
    return list(zip(rows.filter(chosen).to_pylist(), flat.filter(chosen).to_pylist(), strict=True))
