"""A finished build as a report reads it: manifest, findings, rejects and, where they are there, the units' receipts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipelines.building import receipts
from pipelines.building.receipts import UnitReceipt
from schemas import json_shape, kinds
from schemas.finished import manifest as manifests
from schemas.finished import shard_list, tables
from schemas.folders import Folder
from schemas.kinds import Kind

NEEDED = ("columns", "command", "configuration", "counts", "dataset", "package")
_RUN = {"input": str, "command": str}


@dataclass(frozen=True)
class Finding:
    """A row of findings.parquet; `severity` is "error", "warning" or "info"."""

    record_id: str
    kind: str
    group: str
    severity: str
    detail: str


@dataclass(frozen=True)
class Reject:
    """A row of rejects.parquet."""

    record_id: str
    stage: str
    error: str
    message: str
    source: str


@dataclass(frozen=True)
class Finished:
    """What lies in the folder. Only the manifest must be there; damaged tables and receipts count as absent."""

    folder: Folder
    manifest: Mapping[str, Any]
    shards: tuple[str, ...]
    findings: tuple[Finding, ...]
    rejects: tuple[Reject, ...]

    @cached_property
    def kind(self) -> Kind:
        return kinds.named(self.manifest.get("kind") or kinds.TRYON.name)

    @cached_property
    def receipts(self) -> tuple[UnitReceipt, ...]:
        loaded = (receipts.load(self.folder, name) for name in receipts.names(self.folder))
        return tuple(receipt for receipt in loaded if receipt is not None)

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """_run.json, as far as a build wrote it."""
        try:
            content = json_shape.parse(self.folder.read("_run.json"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) and not json_shape.misfit(content, _RUN) else {}

    @cached_property
    def lacking(self) -> dict[str, Counter[str]]:
        """Wanted column → why it is empty, with the way on → records."""
        reasons: dict[str, Counter[str]] = {}
        for receipt in self.receipts:
            for column, counted in receipt.lacking.items():
                reasons.setdefault(column, Counter()).update(counted)
        return reasons

    @cached_property
    def seconds(self) -> Counter[str]:
        """What the workers spent on each annotator, on reading and on encoding."""
        spent: Counter[str] = Counter()
        for receipt in self.receipts:
            spent.update(receipt.seconds)
        return spent

    @cached_property
    def digests(self) -> dict[str, str]:
        """Path of an input → sha256 of what the build read there."""
        return {path: digest for receipt in self.receipts for path, digest in receipt.inputs.items()}


def read(folder: Folder) -> Finished:
    """Raises UsageError for a folder that holds no finished build."""
    manifest = manifests.read(folder, NEEDED)
    names = tuple(shard_list.shard_names(folder)) if manifest.shards else ()
    return Finished(
        folder,
        manifest.content,
        names,
        tuple(Finding(*row) for row in _rows(folder, tables.FINDINGS_FILE, tables.FINDINGS.names)),
        tuple(Reject(*row) for row in _rows(folder, tables.REJECTS_FILE, tables.REJECTS.names)),
    )


def _rows(folder: Folder, name: str, columns: list[str]) -> list[tuple[str, ...]]:
    """Of a table beside the shards; what is null there is empty."""
    table = tables.read(folder, name, columns)
    if table is None:
        return []
    return list(zip(*([value or "" for value in table[column].to_pylist()] for column in columns), strict=True))
