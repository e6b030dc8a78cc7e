"""How much there is: numbers of the manifest, what the build was told, and where each column's values come from."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.reporting.finished import Finished
from schemas.pages import Note, Section, Table, Tile, Tiles
from schemas.pages.parts import Part


def section(finished: Finished) -> Section:
    parts: list[Part] = [Tiles(list(_tiles(finished)))]
    if not finished.manifest["counts"]["records"]:
        parts.append(Note("There is no record: everything was rejected, or nothing was listed.", "warning"))
    return Section("Overview", parts, id="overview")


def settings(manifest: Mapping[str, Any]) -> Section:
    """What the build was told, and where the values of each column come from."""
    head = ("column", "from the dataset", "computed", "by hand", "empty")
    table = Table("Records that have each column", head, list(_columns(manifest)))
    return Section("Columns and settings", [Note(_settings(manifest)), table], id="columns")


def _tiles(finished: Finished) -> Iterator[Tile]:
    manifest = finished.manifest
    counts, shards = manifest["counts"], manifest["shards"]
    yield Tile(f"{counts['records']:,}", "records", "#records")
    yield Tile(f"{counts['rejects']:,}", "rejects", "#rejects")
    yield Tile(f"{sum(counts['findings_by_kind'].values()):,}", "findings", "#findings")
    if finished.lacking:
        number = len(finished.lacking)
        yield Tile(f"{number:,}", "column with gaps" if number == 1 else "columns with gaps", "#missing")
    yield Tile(f"{len(shards):,}", "shard" if len(shards) == 1 else "shards")
    yield Tile(_size(sum(shard["bytes"] for shard in shards)), "in shards")
    for split, number in counts["records_by_split"].items():
        yield Tile(f"{number:,}", f"in {split}")
    for rule, number in counts.get("declined", {}).items():
        yield Tile(f"{number:,}", f"declined: {rule}")


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _settings(manifest: Mapping[str, Any]) -> str:
    chosen = {key: value for key, value in manifest["configuration"].items() if key != "annotators"}
    options = chosen.pop("source_options", {})
    chosen |= options if isinstance(options, dict) else {}
    told = (f"{key} {_words(value)}" for key, value in chosen.items() if value not in (None, [], "", {}))
    return f"Settings: {', '.join(told)}"


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _columns(manifest: Mapping[str, Any]) -> Iterator[tuple[str, int, int, int, int]]:
    """Column and how many records have it from the dataset, computed, by hand, and not at all; the empty ones too."""
    total = manifest["counts"]["records"]
    for name, column in manifest["columns"].items():
        origins = column["origins"]
        empty = column.get("empty", total - sum(origins.values()) if origins else 0)
        if origins or (empty and empty == total):
            computed, by_hand = (origins.get(origin, 0) for origin in ("annotator", "manual"))
            yield name, total - empty - computed - by_hand, computed, by_hand, empty
