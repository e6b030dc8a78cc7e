"""Tasks of placement from shards: each record's object into its target."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from schemas.cli.flags import UsageError
from schemas.kinds import Kind
from schemas.messages import counted
from vton_models.networks import object_pairs
from vton_models.reading import shard_files
from vton_models.reading.catalogue import catalogue
from vton_models.reading.stored_records import StoredRecords
from vton_models.reading.view import View, view
from vton_models.sampling import outputs
from vton_models.sampling.loop import Rejection, Sampler, Task
from vton_models.sampling.placement_finish import Stitch

if TYPE_CHECKING:
    from vton_models.sampling.tasks import Setting
    from vton_models.sampling.tasks.placement import Flags

_IDS = {"object_pair": ("object_id", "video_id"), "tryon": ("garment_id", "person_id")}  # of reference and scene


@dataclass(frozen=True)
class Row:
    """A record and where it lies."""

    record_id: str
    reference_id: str
    scene_id: str
    url: str
    group: int
    index: int

    @property
    def source(self) -> str:
        """For people: the shard's name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Records:
    """They are `Inputs` of `sample`."""

    flags: "Flags"
    fingerprint: str
    schema: pa.Schema
    view: View
    rows: tuple[Row, ...]
    left_out: tuple[dict[str, str], ...]
    one_by_one: bool = False

    @property
    def told(self) -> str:
        return self.view.told

    def described(self) -> dict[str, Any]:
        """The shards by their fingerprint, and what was asked of them."""
        asked = {name: getattr(self.flags, name) for name in ("split", "limit", "stitch", "shape_control")}
        return asked | {"shards": self.fingerprint}

    def finish(self, sampler: Sampler) -> Stitch:
        return Stitch(sampler, self.flags.stitch)

    def tasks(self, folder: Path) -> list[Task]:
        stored = StoredRecords(self.schema)
        return [
            Task(
                record_id=row.record_id,
                file=outputs.file_name(row.record_id, number),
                read=_Reader(row, stored, self.view, self.flags.shape_control),
                row={"reference_id": row.reference_id, "scene_id": row.scene_id, "box": None},
                notes={"Reference": row.reference_id},
                source=row.source,
            )
            for number, row in enumerate(self.rows)
        ]


def load(flags: "Flags", setting: "Setting") -> Records:
    """Lists the shards. Raises UsageError for those that the system can't read, and when no record can be sampled."""
    listed = catalogue([flags.shards], None, flags.split, None)
    if len(listed.kinds) > 1:
        titles = " and ".join(kind.title for kind in listed.kinds)
        raise UsageError(f"{flags.shards} holds {titles}; allowed is one kind of records")
    (kind,) = listed.kinds
    seen = view(setting.config.reads(kind.name), listed)
    for name in seen.lacking(listed.fields):
        raise UsageError(f"the shards lack column {name}, which is needed; they have {', '.join(listed.fields)}")
    lacking = seen.incomplete(listed)
    rows = list(_rows(listed.urls, kind))
    usable = tuple(row for row in rows if row.record_id not in lacking)
    if not usable:
        raise UsageError(f"none of {counted(len(rows), 'record')} has {', '.join(seen.needed)}")
    left_out = tuple(_left_out(row, seen) for row in rows if row.record_id in lacking)
    schema = pa.schema(list(listed.fields.values()))
    return Records(flags, listed.fingerprint, schema, seen, usable[: flags.limit], left_out)


def _rows(urls: tuple[str, ...], kind: Kind) -> Iterator[Row]:
    names = ("record_id", *_IDS[kind.name])
    for url in urls:
        for group, batch in enumerate(shard_files.read_all(url, names)):
            for index, values in enumerate(batch.to_pylist()):
                record_id, reference_id, scene_id = (str(values[name]) for name in names)
                yield Row(record_id, reference_id, scene_id, url, group, index)


def _left_out(row: Row, seen: View) -> dict[str, str]:
    """Not a reject that counts: nothing is wrong with the record."""
    message = f"one of {', '.join(seen.needed)} is empty"
    ids = {"record_id": row.record_id, "source": row.source}
    return ids | {"stage": "choose", "error": "missing_column", "message": message}


@dataclass(frozen=True)
class _Reader:
    row: Row
    stored: StoredRecords
    view: View
    shape_control: bool

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection, or CodecError for damaged bytes."""
        record = self.view(self.stored.row(self.row, self.view.columns))
        try:
            pair = object_pairs.of_record(record)
        except ValueError as error:
            raise Rejection("read", "unusable_pair", str(error)) from None
        shape: np.ndarray | None = pair.scene_mask if self.shape_control else None
        return record | {object_pairs.SHAPE: shape}
