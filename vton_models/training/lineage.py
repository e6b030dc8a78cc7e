"""Where a trained model comes from: its data, its base, its settings, and the card that says so."""

from collections.abc import Iterator, Sequence
from typing import Any

from schemas.finished import manifest as manifests
from schemas.folders import open_folder
from schemas.hub import licences
from schemas.messages import counted
from vton_models.reading.catalogue import weighted_folders
from vton_models.system import About

_UNKNOWN = "not stated in the manifest: that of the source dataset"


def data(shards: Sequence[str]) -> list[dict[str, Any]]:
    """Of each folder: dataset, weight, sha256 of its manifest, licence as that or its source states it; no paths."""
    return [_facts(folder, weight) for folder, weight in weighted_folders(list(shards))]


def card(description: dict[str, Any], about: About, steps: int, loss: float | None) -> str:
    """README.md of a run."""
    return "\n".join(_lines(description, about, steps, loss)) + "\n"


def _facts(folder: str, weight: float | None) -> dict[str, Any]:
    location = open_folder(folder)
    if manifests.NAME not in location.files():
        return {"dataset": None, "weight": weight, "manifest_sha256": None, "licence": None}
    manifest = manifests.read(location)
    return {
        "dataset": manifest.content.get("dataset"),
        "weight": weight,
        "manifest_sha256": manifest.sha256,
        "licence": licences.of_build(manifest.content).name or None,
    }


def _lines(description: dict[str, Any], about: About, steps: int, loss: float | None) -> Iterator[str]:
    training, base, start = description["training"], description["base"], description["start"]
    yield f"# {description['model']}, trained with {description['package']['name']}"
    yield ""
    yield f"{about.title} ({about.paper}, {about.repository})."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| package | {description['package']['name']} {description['package']['version']} |"
    yield f"| preset | {description['preset'] or '-'} |"
    yield f"| size | {description['config']['height']}x{description['config']['width']} |"
    yield f"| steps | {steps} of {counted(training['global_batch_size'], 'record')} |"
    yield f"| loss of the last step | {'-' if loss is None else f'{loss:.6f}'} |"
    yield f"| learning rate | {training['learning_rate']:g}, {training['lr_schedule']} |"
    adapters = description["lora"]
    if adapters:
        yield f"| adapters | LoRA of rank {adapters['rank']}, alpha {adapters['alpha']:g}; nothing else was trained |"
    recipes = description["counts"].get("mask_recipes") or {}
    if recipes:
        told = "; ".join(f"{category or 'without category'}: {', '.join(names)}" for category, names in recipes.items())
        yield f"| masks | {told} |"
    yield f"| precision | {training['mixed_precision']}, float32 master weights |"
    yield f"| base | {base['path']}, digest `{base['digest']}` |"
    for kind in ("official", "run"):
        if start[kind]:
            yield f"| began from | {kind} {start[kind]} |"
    yield ""
    yield "## Data"
    yield ""
    yield f"{counted(description['counts']['records'], 'paired record')} of split {description['records']['split']}."
    yield ""
    yield "| dataset | weight | manifest sha256 | licence |"
    yield "|---|---|---|---|"
    for item in description["data"]:
        weight, licence = item["weight"] if item["weight"] is not None else "-", item["licence"] or _UNKNOWN
        yield f"| {item['dataset'] or '-'} | {weight} | `{item['manifest_sha256'] or '-'}` | {licence} |"
    yield ""
    yield "## Licences"
    yield ""
    yield f"- published code and weights of the system: {about.licence}"
    yield f"- base: {about.base}; its own licence applies"
    yield "- data: as in the table above; a model trained on pictures may be bound by their licence"
    yield ""
    yield "`config.json` holds every setting, `log.jsonl` the losses, `model/` the weights."
