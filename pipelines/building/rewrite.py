"""Finished shards as the input of new ones: what `annotate` and `select` share.

The cells of a record go over as they are stored; only what an annotator reads is decoded.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
from PIL import Image

import annotators
from annotators.common import decoding, registry
from pipelines.building import garments
from pipelines.building.unit import attempt
from pipelines.runners._totals import Totals
from pipelines.sources.outcomes import Planned, Reading
from pipelines.sources.records import Listed
from schemas import codecs, fields, json_shape, kinds, package, record, shards
from schemas.cli import options
from schemas.cli.flags import UsageError
from schemas.finished import manifest as manifests
from schemas.finished.manifest import Manifest
from schemas.finished.rewriting import with_fields
from schemas.finished.shard_list import shard_names
from schemas.folders import Entry, Folder, InputFolder, JoinedFolder, open_folder, open_input
from schemas.foreign import Annotation, label_maps, masks
from schemas.json_text import canonical
from schemas.kinds import TRYON
from schemas.messages import printable

SHARDS = "shards"  # where the finished folder is mounted; folders of imported columns are mounted by the column
WORDS = ("record_id", "dataset", "split", "category")


@dataclass(frozen=True)
class Rewrite:
    """What `annotate` or `select` was asked for, and what every worker needs beside the plan; small and picklable."""

    dataset: str
    input: str
    output: str
    format: str
    shard_size: int
    kind: str = TRYON.name  # of the records
    annotators: tuple[tuple[str, Any], ...] = ()
    skip: tuple[str, ...] = ()  # columns that stay as they are
    imports: tuple[tuple[str, str], ...] = ()  # column → folder of files named after records
    where: str = ""
    drop_findings: tuple[str, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()  # of the new shards, in order: name → Arrow type

    @property
    def complete(self) -> bool:
        """No default columns are promised."""
        return False

    @property
    def written(self) -> frozenset[str]:
        """Columns that the annotators write."""
        written = {field.name for name, config in self.annotators for field in registry.written(name, config)}
        return frozenset(written - set(self.skip))

    @property
    def replaced(self) -> frozenset[str]:
        """Those made anew in every record; what an annotator itself reads (whom a box means) stays where it is."""
        own = {column for name, config in self.annotators for column in _read_and_written(name, config)}
        return self.written - own

    def identity(self) -> dict[str, Any]:
        """The flags that make it this rewrite and no other; what a manifest shows as its configuration."""
        return {
            "format": self.format,
            "shard_size": self.shard_size,
            "annotators": {name: options.settings(config) for name, config in sorted(self.annotators)},
            "skip": list(self.skip),
            "from_folder": [column for column, _ in self.imports],
            "where": self.where,
            "drop_findings": list(self.drop_findings),
        }


def _read_and_written(name: str, config: Any) -> set[str]:
    read = {*registry.inputs(name, config), *registry.optional_inputs(name, config)}
    return read & {field.name for field in registry.written(name, config)}


def run_of(rewrite: Rewrite, source: Manifest) -> dict[str, Any]:
    """What `_run.json` says of a rewrite of these finished shards; `from_json` reads its configuration back."""
    plain = {key: getattr(rewrite, key) for key in rewrite.__dataclass_fields__ if key != "annotators"}
    configuration = plain | {"annotators": [[name, asdict(config)] for name, config in rewrite.annotators]}
    return {"build": "rewritten", "configuration": configuration, "source_build": source.described()}


def from_json(plain: dict[str, Any]) -> Rewrite:
    """Raises UsageError where this version no longer knows an annotator or a setting of it."""
    try:
        hints = get_type_hints(Rewrite) | {"annotators": list[tuple[str, dict[str, Any]]]}
        misfit = json_shape.misfit(plain, hints)
        if misfit or plain["format"] not in shards.FORMATS or plain["kind"] not in kinds.KINDS:
            raise ValueError(misfit or "format or kind is unknown")
        configs = tuple((name, annotators.load(name).Config(**values)) for name, values in plain["annotators"])
        rest: dict[str, Any] = {k: _tuples(v) if isinstance(v, list) else v for k, v in plain.items()}
        return Rewrite(**{**rest, "annotators": configs})
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"_run.json is of another version: {error}") from None


def _tuples(values: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def fingerprint_words(rewrite: Rewrite) -> list[str]:
    """Everything but the records that a new shard's bytes depend on."""
    settings = [[name, options.settings(config)] for name, config in rewrite.annotators]
    parts: list[Any] = [settings, rewrite.skip, rewrite.columns, dict(rewrite.digests), rewrite.format]
    words = ["rewrite", record.SCHEMA_VERSION, package.version(), rewrite.dataset]
    parts.append(registry.versions(name for name, _ in rewrite.annotators))
    return [*words, *(canonical(part) for part in parts)]


@dataclass(frozen=True)
class Finished:
    """A finished folder of shards: its manifest, and a few small columns by row group."""

    folder: Folder
    manifest: Manifest
    files: dict[str, Entry]  # of the shards, in order
    schema: pa.Schema
    tables: dict[str, list[pa.Table]]  # shard → a table per row group

    @property
    def format(self) -> str:
        return shards.format_of(next(iter(self.files)))

    @property
    def shard_size(self) -> int:
        """Records per shard as the build was told; of the largest shard where the manifest doesn't say."""
        told = self.manifest.configuration.get("shard_size")
        if type(told) is int and 0 < told < 2**31:
            return told
        return max(1, *(sum(table.num_rows for table in tables) for tables in self.tables.values()))

    def listed(self) -> Iterator[Listed]:
        """Every record in order."""
        splits = {shard.name: shard.split for shard in self.manifest.shards}
        for name, tables in self.tables.items():
            reference = {SHARDS: f"{SHARDS}/{name}"}
            for group, table in enumerate(tables):
                for row, record_id in enumerate(table["record_id"].to_pylist()):
                    yield Listed(record_id, splits[name], {"group": group, "row": row}, reference, name)

    def entries(self) -> dict[str, Entry]:
        """Of the shards, by the paths of the plan."""
        return {f"{SHARDS}/{name}": entry for name, entry in self.files.items()}


def open_finished(location: str, columns: tuple[str, ...]) -> Finished:
    """Reads the small `columns` of all shards. Raises UsageError for a folder that holds no finished build."""
    try:
        folder = open_folder(location)
    except (ValueError, ImportError) as error:
        raise UsageError(f"{location!r}: {error}") from None
    names = shard_names(folder)
    manifest = manifests.read(folder, ("configuration", "dataset", "fingerprint"))
    present = folder.files()
    manifests.check_sizes(folder, manifest.shards, present, names)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(partial(_small, folder, columns), names))
    for name, (schema, _) in zip(names, read, strict=True):
        if not schema.equals(read[0][0], check_metadata=True):
            raise UsageError(f"{folder}: {name} has other columns than {names[0]}; allowed are shards of one build")
    tables = {name: groups for name, (_, groups) in zip(names, read, strict=True)}
    _check_rows(folder, manifest, tables)
    return Finished(folder, manifest, {name: present[name] for name in names}, read[0][0], tables)


def _small(folder: Folder, columns: tuple[str, ...], name: str) -> tuple[pa.Schema, list[pa.Table]]:
    try:
        with folder.open(name) as file:
            reader = shards.ShardReader(file, name)
            kinds.check(reader.schema, f"{folder}: {name}")
            small_columns = [column for column in columns if column in reader.schema.names]
            tables = [reader.group(index, small_columns) for index in range(reader.groups)]
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{folder}: {name} is unreadable ({type(error).__name__})") from None
    if any(table["record_id"].null_count for table in tables):
        raise UsageError(f"{folder}: {name} has a record without record_id; allowed are the shards of a build")
    return reader.schema, tables


def _check_rows(folder: Folder, manifest: Manifest, tables: dict[str, list[pa.Table]]) -> None:
    """Raises UsageError for a shard with more or fewer rows than the manifest tells, and for an id of two rows."""
    told = {shard.name: shard.rows for shard in manifest.shards}
    owners: dict[str, str] = {}
    for name, groups in tables.items():
        rows = sum(table.num_rows for table in groups)
        if told[name] not in (0, rows):
            raise UsageError(f"{folder}: {name} has {rows} rows, {manifests.NAME} says {told[name]}")
        for record_id in (value for table in groups for value in table["record_id"].to_pylist()):
            if record_id in owners:
                where = name if owners[record_id] == name else f"{owners[record_id]} and {name}"
                raise UsageError(f"{folder}: record_id {printable(record_id)!r} stands in more than one row of {where}")
            owners[record_id] = name


def new_schema(source: pa.Schema, rewrite: Rewrite) -> pa.Schema:
    """The columns of the source as they are, and those that are replaced or added, in the record's order.

    Without tensors that are out of date.
    """
    kind = kinds.of(source)
    added = {}
    for name, config in rewrite.annotators:
        for field in registry.written(name, config):
            if field.name in rewrite.written - set(source.names) | rewrite.replaced:
                added[field.name] = kind.fields.get(field.name, field)
    imported = (column for column, _ in rewrite.imports if column not in {*source.names, *added})
    added |= {column: kind.fields[column] for column in imported if column in kind.fields}
    old = outdated(source, rewrite)
    return with_fields(pa.schema([field for field in source if field.name not in old], source.metadata), added.values())


def outdated(source: pa.Schema, rewrite: Rewrite) -> frozenset[str]:
    """Tensors made of what is made anew or corrected: they no longer tell of their record."""
    changed = rewrite.replaced | {column for column, _ in rewrite.imports}
    return frozenset(field.name for field in source if changed & {*fields.sources(field)})


def output_of(asked: str | None, command: str, finished: Finished) -> str:
    """The output folder. Raises UsageError for the folder that is read."""
    output = str(open_folder(asked or f"output/{command}"))
    if output == str(finished.folder):
        raise UsageError(f"--output {output} is the folder that is read; allowed is another one")
    return output


def root_of(rewrite: Rewrite) -> InputFolder:
    """The finished folder and the folders of imports as one."""
    imports = {column: open_input(folder) for column, folder in rewrite.imports}
    return JoinedFolder({SHARDS: open_folder(rewrite.input), **imports})


@dataclass(frozen=True)
class Job:
    """Unit number → Totals; see `unit.Job`."""

    rewrite: Rewrite

    def __call__(self, number: int) -> Totals:
        return attempt(number, self.rewrite, lambda planned: ShardRows(self.rewrite, planned))


class ShardRows:
    """Records of finished shards as the inputs of a unit; one row group in memory at a time."""

    def __init__(self, rewrite: Rewrite, planned: list[Planned]) -> None:
        self.rewrite = rewrite
        self.root = root_of(rewrite)
        self.folder = open_folder(rewrite.input)
        self.kept_group: _Group | None = None
        self.digests: dict[str, str] = {}
        self._check({item.source for item in planned})
        self.source = self._source(planned[0].source)
        self.schema = new_schema(self.source, rewrite)
        self.needed = self._needed()
        self.copied = self._copied()

    def read(self, item: Planned) -> Iterator[Reading]:
        """One record.

        Raises Rejection for one that lacks what every record has, for a cell that can't be decoded, and for an imported
        file that can't be used.
        """
        row = self._row(item)
        renewed = self.rewrite.replaced | outdated(self.source, self.rewrite) | {"provenance"}
        kept = {name: row[name] for name in self.source.names if name not in renewed and row[name] is not None}
        reading = Reading(item, {}, kept=kept)
        lacking = [name for name in kinds.of(self.source).required if row[name] in (None, "")]
        if lacking:
            raise reading.reject("read", "incomplete", f"{lacking[0]} is empty", item.source)
        for entry in row["provenance"] or ():
            if entry["column"] not in renewed:
                reading.provenance[entry["column"]] = entry
        self._doubt_category(reading)
        shard = item.references[SHARDS][0]
        reading.digests[shard] = self.digests[shard]
        for column in self.needed:
            if column in kept:
                reading.columns[column] = self._decode(column, row, reading)
        self._cut_out(row, reading)
        for column, _ in self.rewrite.imports:
            if column in item.references:
                self._import(column, row, reading)
        yield reading

    def _check(self, names: Iterable[str]) -> None:
        """Raises Damaged for a shard whose bytes aren't those that its manifest tells of."""
        listed = _sha256s(self.rewrite.input, self.folder.entry(manifests.NAME).token)
        for name in sorted(names):
            manifests.check_digest(self.folder, name, listed[name])
            self.digests[f"{SHARDS}/{name}"] = listed[name]

    def _cut_out(self, row: dict[str, Any], reading: Reading) -> None:
        """A garment's mask that is to be computed, and that its picture has in alpha: shards of other makers may."""
        if "garment_mask" not in self.rewrite.written or "garment_image" not in reading.columns:
            return
        data = row["garment_image"]["bytes"]
        if reading.has("garment_mask") or not codecs.has_transparency(data):
            return
        cut = garments.by_alpha(decoding.photo(data), reading.columns.get("garment_view"))
        if cut.mask is not None:
            reading.columns["garment_mask"] = cut.mask
            reading.came_from("garment_mask", "dataset", None, hashlib.sha256(data).hexdigest(), cut.note)

    def _doubt_category(self, reading: Reading) -> None:
        """A category that is only assumed is decided anew where that is asked for; else annotators are told."""
        note = (reading.provenance.get("category") or {}).get("note") or ""
        if record.ASSUMED_CATEGORY not in note:
            return
        if "category" in self.rewrite.written:
            del reading.kept["category"], reading.provenance["category"]
        else:
            reading.columns["category_assumed"] = True

    def _needed(self) -> list[str]:
        """Columns to decode: what the annotators read, and the words that go with a record."""
        chosen = self.rewrite.annotators
        read = [
            registry.inputs(name, config) + registry.optional_inputs(name, config) + registry.hints(name)
            for name, config in chosen
        ]
        entering = {column for columns in read for column in columns} | (set(WORDS) if read else set())
        return [name for name in self.source.names if name in entering - self.rewrite.replaced]

    def _decode(self, column: str, row: dict[str, Any], reading: Reading) -> Any:
        try:
            return decoding.cell(self.source.field(column), row[column])
        except codecs.CodecError as error:
            source = reading.planned.source
            raise reading.reject("read", "unreadable", f"{column}: {error}", source) from None

    def _import(self, column: str, row: dict[str, Any], reading: Reading) -> None:
        """Takes a corrected picture; one equal to what the record has is no correction and changes nothing."""
        path = reading.planned.references[column][0]
        data = self._file(path, column, reading)
        try:
            corrected = _corrected(self.schema.field(column), data)
        except codecs.CodecError as error:
            raise reading.reject("import", "unreadable", f"{column}: {error}", path) from None
        value, size = corrected.value, self._photo_size(column, row, reading)
        if value.shape[:2] != size:
            message = f"{column}: {value.shape[0]}x{value.shape[1]} pixels; its photo has {size[0]}x{size[1]}"
            raise reading.reject("import", "wrong_size", message, path)
        if fields.kind(self.schema.field(column)) == "mask" and not value.any():
            raise reading.reject("import", "empty_mask", f"{column}: nothing is set", path)
        now = self._decode(column, row, reading) if column in self.source.names else None
        if now is not None and column not in self.rewrite.replaced and np.array_equal(now, value):
            return
        self._replace(column, value, reading)
        note = "; ".join(filter(None, ("imported with --from-folder", corrected.note)))
        reading.came_from(column, "manual", None, reading.digests[path], note)
        if column == "agnostic_mask":
            self._repaint(value, row, reading)

    def _repaint(self, mask: np.ndarray, row: dict[str, Any], reading: Reading) -> None:
        """A given half of the agnostic pair decides the other."""
        from annotators.functional import agnostic

        if "agnostic_image" not in self.schema.names or "agnostic_image" in self.rewrite.skip:
            return
        painted = agnostic.paint(self._decode("person_image", row, reading), mask)
        self._replace("agnostic_image", painted, reading)
        reading.came_from("agnostic_image", "annotator", "agnostic", None, "from the imported agnostic_mask")

    def _replace(self, column: str, value: np.ndarray, reading: Reading) -> None:
        reading.kept.pop(column, None)
        reading.columns[column] = value

    def _file(self, path: str, column: str, reading: Reading) -> bytes:
        try:
            data = self.root.read(path)
        except OSError as error:
            raise reading.reject("import", "unreadable", f"{column}: {type(error).__name__}", path) from None
        reading.digests[path] = hashlib.sha256(data).hexdigest()
        return data

    def _photo_size(self, column: str, row: dict[str, Any], reading: Reading) -> tuple[int, int]:
        photo = kinds.of(self.source).photo_of(column)
        try:
            return codecs.image_size(row[photo]["bytes"])
        except codecs.CodecError as error:
            source = reading.planned.source
            raise reading.reject("read", "unreadable", f"{photo}: {error}", source) from None

    def _source(self, name: str) -> pa.Schema:
        with self.folder.open(name) as file:
            return shards.ShardReader(file, name).schema

    def _copied(self) -> list[str]:
        """Pictures and tensors that go over without being looked at: all, for `select`."""
        if self.rewrite.annotators or self.rewrite.imports:
            return []
        return [field.name for field in self.source if fields.is_picture(field) or fields.is_tensor(field)]

    def _row(self, item: Planned) -> dict[str, Any]:
        key = item.source, int(item.values["group"])
        if self.kept_group is None or self.kept_group.key != key:
            self.kept_group = None  # before the next one is read
            with self.folder.open(item.source) as file:
                table = shards.ShardReader(file, item.source).group(key[1])
            self.kept_group = _Group(key, table.drop_columns(self.copied), table.select(self.copied).combine_chunks())
        return self.kept_group.row(item.values["row"])


@dataclass(frozen=True)
class _Group:
    """A row group in memory: which it is, the columns that become objects of Python, and the pictures, which don't."""

    key: tuple[str, int]
    values: pa.Table
    pictures: pa.Table

    def row(self, number: int) -> dict[str, Any]:
        """A cell of a picture that isn't null is an Arrow array of one."""
        row: dict[str, Any] = self.values.slice(number, 1).to_pylist()[0]
        for name in self.pictures.column_names:
            cell = self.pictures[name].chunk(0).slice(number, 1)
            row[name] = None if cell.null_count else cell
        return row


@lru_cache(maxsize=2)
def _sha256s(location: str, token: str) -> dict[str, str]:
    """Shard → digest by the manifest, cached by the manifest's token."""
    return {shard.name: shard.sha256 for shard in manifests.read(open_folder(location)).shards}


def _corrected(field: pa.Field, data: bytes) -> Annotation:
    """Raises codecs.CodecError, also for transparency: whether an erased pixel means set or unset would be a guess."""
    mask = fields.kind(field) == "mask"
    corrected = masks.read(data) if mask else label_maps.read(data, fields.label_space(field))
    with Image.open(io.BytesIO(data)) as image:
        if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            raise codecs.CodecError("a mask with transparent pixels; allowed is black and white, without transparency")
    return corrected
