"""Each shard of a finished build again, with columns added to its rows: resumable, whole or absent, one for one.

OUT/SHARD                a shard per shard of the source, of the same name
OUT/_receipts/NAME.json  what each holds; written after it
OUT/config.json          what they were made with, and by which command
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas import json_shape, json_text, kinds, shards
from schemas.finished import manifest as manifests
from schemas.finished import tables
from schemas.finished.manifest import Account, Manifest, Shard
from schemas.folders import Folder
from schemas.folders.owned import Owned
from schemas.kinds import Kind

RECEIPTS = "_receipts"
SHARD = "-".join(("*", "[0-9]" * 5, "of", "[0-9]" * 5))  # pattern of a shard's name, up to its ending
Row = dict[str, Any]  # column → cell as it is stored
Rejects = list[dict[str, str]]  # rows of rejects.parquet
Change = Callable[[Iterator[Row], Rejects], Iterable[Row]]


@dataclass(frozen=True)
class ShardReceipt:
    """What one new shard holds; `origins`: column → origin → records."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str
    origins: dict[str, dict[str, int]]
    rejects: Rejects

    @property
    def shard(self) -> Shard:
        """As the manifest lists it."""
        return Shard(self.name, self.split, self.rows, self.bytes, self.sha256)


@dataclass(frozen=True)
class Told:
    """What a command says of the new shards: `configuration` is everything that they depend on beside the old ones."""

    command: str
    configuration: Mapping[str, Any]
    annotators: Mapping[str, Any]  # what made the new columns, as the manifest describes annotators
    libraries: Sequence[str]
    left_out: Sequence[dict[str, str]]  # rows of rejects.parquet for records that were never tried
    card: Callable[[Mapping[str, Any]], str]  # of the manifest


@dataclass(frozen=True)
class Rewriting:
    """From where to where, and the fields that are added to, or replaced in, every shard."""

    source: Folder
    output: Folder
    added: tuple[pa.Field, ...]

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {shard.name: shard.sha256 for shard in manifests.read(self.source).shards}

    def begin(self) -> None:
        """Makes the folder of receipts, and removes what a killed process left unfinished."""
        self.output.make(RECEIPTS)
        self.output.sweep()
        self.output.sweep(RECEIPTS)

    def receipt(self, name: str) -> ShardReceipt | None:
        """What an earlier run noted of a shard that it finished; None where the shard is to be written."""
        try:
            receipt = json_shape.record(ShardReceipt, json_shape.parse(self.output.read(_receipt_name(name))))
            is_whole = receipt.name == name and self.output.entry(name).size == receipt.bytes
            return receipt if is_whole else None
        except (FileNotFoundError, ValueError):
            return None

    def check(self, name: str) -> None:
        """Raises manifests.Damaged where the old shard's bytes have changed since it was made."""
        manifests.check_digest(self.source, name, self._digests.get(name, ""))

    def write(self, name: str, split: str, change: Change) -> ShardReceipt:
        """Writes one shard of the rows that `change` gives for the old ones; it may leave rows out, with a reject.

        Raises manifests.Damaged where the old one's bytes have changed since it was made.
        """
        self.check(name)
        origins: defaultdict[str, Counter[str]] = defaultdict(Counter)
        rejects: Rejects = []
        with self.source.open(name) as old, self.output.create(name) as new:
            reader = shards.ShardReader(old, name)
            writer = shards.ShardWriter(new, with_fields(reader.schema, self.added), shards.format_of(name))
            for row in change(reader.rows(), rejects):
                for entry in row.get("provenance") or ():
                    origins[str(entry["column"])][str(entry["origin"])] += 1
                writer.write(row)
            size, sha256 = writer.close()
        counted = {column: dict(sorted(counts.items())) for column, counts in sorted(origins.items())}
        receipt = ShardReceipt(name, split, writer.rows, size, sha256, counted, rejects)
        text = json_text.pretty(asdict(receipt), indent=2)
        self.output.write(_receipt_name(name), f"{text}\n".encode())
        return receipt

    def schema(self, name: str) -> pa.Schema:
        """Of the new shard that is made of this old one."""
        with self.source.open(name) as old:
            return with_fields(shards.ShardReader(old, name).schema, self.added)

    def finish(self, source: Manifest, receipts: Sequence[ShardReceipt], told: Told) -> None:
        """Writes rejects, findings, card and manifest; the same receipts give the same bytes."""
        rejects = [*told.left_out, *(row for receipt in receipts for row in receipt.rejects)]
        findings = self._findings({row["record_id"] for row in rejects})
        content = self._manifest(source, receipts, told, rejects, findings)
        self.output.write(tables.REJECTS_FILE, tables.encode(tables.ordered(rejects, tables.REJECTS), tables.REJECTS))
        if findings is not None:
            rows = tables.ordered(findings.to_pylist(), findings.schema)
            self.output.write(tables.FINDINGS_FILE, tables.encode(rows, findings.schema))
        self.output.write("README.md", told.card(content).encode())
        manifests.write(self.output, content)

    def _findings(self, gone: set[str]) -> pa.Table | None:
        """What the source's findings say of the records that stayed; None where it has none."""
        table = tables.read(self.source, tables.FINDINGS_FILE, tables.FINDINGS.names)
        if table is None:
            return None
        return table.filter(pa.array([name not in gone for name in table["record_id"].to_pylist()], pa.bool_()))

    def _manifest(
        self,
        source: Manifest,
        receipts: Sequence[ShardReceipt],
        told: Told,
        rejects: Rejects,
        findings: pa.Table | None,
    ) -> dict[str, Any]:
        schema, name = self.schema(receipts[0].name), receipts[0].name
        size = source.configuration.get("shard_size") or max(receipt.rows for receipt in receipts)
        fingerprint = json.dumps([source.sha256, told.configuration], sort_keys=True)
        account = Account(
            kind=kinds.of(schema).name,
            dataset=source.content.get("dataset"),
            command=told.command,
            configuration={"format": shards.format_of(name), "shard_size": size, **told.configuration},
            types={field.name: str(field.type) for field in schema},
            shards=[receipt.shard for receipt in receipts],
            origins=[receipt.origins for receipt in receipts],
            rejects=rejects,
            findings=[] if findings is None else findings.to_pylist(),
            annotators={**source.content.get("annotators", {}), **told.annotators},
            libraries=told.libraries,
            fingerprint=hashlib.sha256(fingerprint.encode()).hexdigest(),
        )
        licence = {key: source.content[key] for key in ("licence",) if key in source.content}
        before = source.described() | {"manifest_sha256": source.sha256}
        return manifests.compose(account, **licence, source_build=before)


def owned_folder(folder: Path, command: str, title: str, inner: Iterable[str] = ()) -> Owned:
    """The local folder that such a command writes; `inner` are patterns of what it puts there for a time."""
    own = (f"{RECEIPTS}/{SHARD}.*.json", *inner, *(f"{SHARD}.{ending}" for ending in shards.FORMATS))
    return Owned(folder, command, title, (*own, manifests.NAME, tables.REJECTS_FILE, tables.FINDINGS_FILE, "README.md"))


def _receipt_name(shard: str) -> str:
    return f"{RECEIPTS}/{shard}.json"


def with_cell(row: Row, column: str, cell: Any, origin: Mapping[str, Any]) -> Row:
    """The row with a new cell, and in its provenance where that comes from, in place of what stood there."""
    bare = without_cell(row, column)
    return bare | {column: cell, "provenance": [*bare["provenance"], {"column": column, **origin}]}


def without_cell(row: Row, column: str) -> Row:
    """The row with nothing in a column, and nothing of it in its provenance."""
    others = [entry for entry in row.get("provenance") or () if entry["column"] != column]
    return row | {column: None, "provenance": others}


def with_fields(schema: pa.Schema, added: Iterable[pa.Field]) -> pa.Schema:
    """A shard's columns as they are, and those that are replaced or added, in the order of its kind of records."""
    kind = kinds.of(schema)
    known = {field.name: _plain(field, kind) for field in schema} | {field.name: field for field in added}
    return kind.schema(known[name] for name in kind.ordered(known))


def _plain(field: pa.Field, kind: Kind) -> pa.Field:
    """As it was before Parquet, which renames list members and adds to the metadata."""
    own = kind.fields.get(field.name)
    if own is not None and own.type == field.type:
        return own
    noted = {key: value for key, value in (field.metadata or {}).items() if not key.startswith(b"PARQUET:")}
    return field.with_metadata(noted)
