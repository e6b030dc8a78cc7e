"""The dataset card: README.md with the YAML header that Hugging Face `datasets` reads."""

from collections.abc import Iterator
from typing import Any

from schemas import kinds
from schemas.finished.card import header, words
from schemas.messages import counted


def render(manifest: dict[str, Any]) -> str:
    """The card of a finished build; its configs list the shards only, so `load_dataset(folder)` finds no other file."""
    tag = "virtual-try-on" if manifest["kind"] == kinds.TRYON.name else "image-composition"
    top = header(manifest["dataset"], [tag], _splits(manifest), manifest["configuration"]["format"])
    return "\n".join([*top, *_body(manifest)]) + "\n"


def _body(manifest: dict[str, Any]) -> Iterator[str]:
    counts, package = manifest["counts"], manifest["package"]
    yield f"# {words(manifest['dataset'])}"
    yield ""
    yield (
        f"{counts['records']} {kinds.named(manifest['kind']).title} in {counted(len(manifest['shards']), 'shard')},"
        f" made by `pipelines.{manifest['command']}` of {package['name']} {package['version']}."
        f" {counted(counts['rejects'], 'list entry was', 'list entries were')} rejected: see `rejects.parquet`."
    )
    yield ""
    yield "| split | records | shards | MB |"
    yield "|---|---|---|---|"
    for split in _splits(manifest):
        shards = [shard for shard in manifest["shards"] if shard["split"] == split]
        rows, size = sum(s["rows"] for s in shards), sum(s["bytes"] for s in shards) / 1e6
        yield f"| {split} | {rows} | {len(shards)} | {size:.1f} |"
    yield ""
    yield "## Columns"
    yield ""
    yield "| column | from the dataset | computed | by hand |"
    yield "|---|---|---|---|"
    for name, column in manifest["columns"].items():
        origins = column["origins"]
        if origins:
            numbers = (origins.get(origin, 0) for origin in ("dataset", "annotator", "manual"))
            yield f"| `{words(name)}` | {' | '.join(map(str, numbers))} |"
    yield ""
    if counts["findings_by_kind"]:
        told = ", ".join(f"{count} {kind}" for kind, count in counts["findings_by_kind"].items())
        yield f"Findings, in `findings.parquet`: {told}."
        yield ""
    if "source_build" in manifest:
        yield "Made from the shards of another build: `manifest.json` tells it as `source_build`."
        yield ""
    yield "The licence of the source dataset governs its pictures; `manifest.json` names weights and their licences."


def _splits(manifest: dict[str, Any]) -> list[str]:
    return sorted({shard["split"] for shard in manifest["shards"]})
