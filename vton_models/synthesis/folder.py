"""What stands beside synthesised shards: manifest, rejects, findings, card; as `pipelines` writes them for a build."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa

from schemas import json_text, package, record, shards
from schemas.cli.flags import UsageError
from schemas.folders import atomic
from schemas.kinds import TRYON
from vton_models.reading.pairing import Index
from vton_models.sampling import outputs
from vton_models.synthesis import synthesis
from vton_models.synthesis.synthesis import Receipt
from vton_models.system import About

LIBRARIES = ("numpy", "pillow", "opencv-python", "pyarrow", "torch", "diffusers")
_OF_A_SHARD = ("name", "split", "rows", "bytes", "sha256")
_DESCRIBED = ("command", "dataset", "package", "configuration", "annotators", "fingerprint", "source_build")


@dataclass(frozen=True)
class Source:
    """The manifest of the shards that were read, and its sha256."""

    folder: str
    manifest: Mapping[str, Any]
    sha256: str


def source(folder: str) -> Source:
    """Raises UsageError for a folder without a readable manifest."""
    try:
        with fsspec.open(f"{folder.rstrip('/')}/manifest.json", "rb") as file:
            content = file.read()
        return Source(folder, dict(json.loads(content)), hashlib.sha256(content).hexdigest())
    except (OSError, ValueError, TypeError):
        raise UsageError(f"{folder} has no readable manifest.json; allowed is a finished build") from None


def write(
    output: Path,
    read: Source,
    index: Index,
    config: Mapping[str, Any],
    about: About,
    receipts: Sequence[Receipt],
    left_out: Sequence[dict[str, str]],
) -> None:
    """Everything at the top level but the shards; the same receipts give the same bytes."""
    rejects = [*left_out, *(row for receipt in receipts for row in receipt.rejects)]
    outputs.write_table(output / outputs.REJECTS_FILE, rejects, outputs.REJECTS)
    found = _findings(read.folder, {row["record_id"] for row in rejects})
    if found is not None:
        outputs.write_table(output / "findings.parquet", found.to_pylist(), found.schema)
    made = _manifest(read, index, config, about, receipts, rejects, found)
    atomic.write(output / "README.md", ("\n".join(_card(made, about)) + "\n").encode())
    atomic.write(output / "manifest.json", f"{json_text.pretty(made)}\n".encode())


def _manifest(
    read: Source,
    index: Index,
    config: Mapping[str, Any],
    about: About,
    receipts: Sequence[Receipt],
    rejects: Sequence[dict[str, str]],
    found: pa.Table | None,
) -> dict[str, Any]:
    name, configuration = str(config["model"]), read.manifest.get("configuration", {})
    size = configuration.get("shard_size") or max((receipt.rows for receipt in receipts), default=1)
    fingerprint = json.dumps([read.sha256, config], sort_keys=True)
    described = {key: read.manifest[key] for key in _DESCRIBED if key in read.manifest}
    return {
        "schema_version": record.SCHEMA_VERSION,
        "kind": TRYON.name,
        "package": package.described(),
        "dataset": read.manifest.get("dataset"),
        **({"licence": read.manifest["licence"]} if "licence" in read.manifest else {}),
        "command": "synthesize",
        "configuration": {"format": shards.format_of(receipts[0].name), "shard_size": size, **config},
        "columns": dict(synthesis.columns(index.schema, receipts)),
        "shards": [{key: getattr(receipt, key) for key in _OF_A_SHARD} for receipt in receipts],
        "counts": _counts(receipts, rejects, found),
        "annotators": {**read.manifest.get("annotators", {}), name: _generator(config, about)},
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "fingerprint": hashlib.sha256(fingerprint.encode()).hexdigest(),
        "source_build": described | {"manifest_sha256": read.sha256},
    }


def _generator(config: Mapping[str, Any], about: About) -> dict[str, Any]:
    """The model as an annotator of the manifest."""
    digest = str(config["weights_digest"]).removeprefix("sha256:")
    return {"settings": dict(config), "weights_sha256": digest, "licences": [about.licence]}


def _counts(receipts: Sequence[Receipt], rejects: Sequence[dict[str, str]], found: pa.Table | None) -> dict[str, Any]:
    records = Counter({receipt.split: 0 for receipt in receipts})
    for receipt in receipts:
        records[receipt.split] += receipt.rows
    kinds = Counter(found["kind"].to_pylist()) if found is not None else Counter()
    return {
        "records": sum(records.values()),
        "records_by_split": dict(sorted(records.items())),
        "rejects": len(rejects),
        "rejects_by_stage": dict(sorted(Counter(row["stage"] for row in rejects).items())),
        "findings_by_kind": dict(sorted(kinds.items())),
        "repeated_lines": 0,
    }


def _findings(folder: str, gone: set[str]) -> pa.Table | None:
    """What the source's findings.parquet says of the records that stayed; None where it has none."""
    try:
        with fsspec.open(f"{folder.rstrip('/')}/findings.parquet", "rb") as file:
            table = shards.read_small(file.read())
    except (OSError, pa.ArrowException):
        return None
    return table.filter(pa.array([name not in gone for name in table["record_id"].to_pylist()], pa.bool_()))


def _card(manifest: Mapping[str, Any], about: About) -> Iterator[str]:
    """README.md with the header that Hugging Face `datasets` reads."""
    counts, package, config = manifest["counts"], manifest["package"], manifest["configuration"]
    yield from ("---", f"pretty_name: {manifest['dataset']}, synthesised", "task_categories:", "- image-to-image")
    yield from ("tags:", "- virtual-try-on", "- synthetic", "configs:", "- config_name: default", "  data_files:")
    for split in counts["records_by_split"]:
        yield f"  - split: {split}"
        yield f'    path: "{split}-*-of-*.{config["format"]}"'
    yield from ("---", f"# {manifest['dataset']}, synthesised", "")
    sha256 = manifest["source_build"]["manifest_sha256"]
    steps = f"{config['num_inference_steps']} steps, guidance {config['guidance_scale']:g}"
    yield (
        f"{counts['records']} try-on records in {len(manifest['shards'])} shards. In each, `{synthesis.COLUMN}` was"
        " generated by a model: the person of `person_image` in another garment of the same category, by"
        f" {config['model']} (weights `{config['weights_digest']}`, seed {config['seed']}, {steps}). All other columns"
        f" are those of the shards that it was made from (manifest sha256 `{sha256}`)."
    )
    yield ""
    yield f"Made by `vton_models synthesize` of {package['name']} {package['version']}; rejects: `rejects.parquet`."
    yield ""
    yield (
        "The licence of the source dataset governs its pictures, that of the generator"
        f" ({about.licence}) the generated ones."
    )
