"""Pictures of records of finished shards, as files that the page takes like uploads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.reading import shard_files
from vton_models.reading.catalogue import catalogue
from vton_models.reading.stored_records import StoredRecords

MOST = 2000  # records that the page lists
# What the page has places for → columns of a try-on record, or of an object pair.
PERSON: dict[str, tuple[str, ...]] = {
    "person": ("person_image", "target_image"),
    "mask": ("agnostic_mask", "target_mask"),
}
PERSON |= {"densepose": ("densepose_image",)}
GARMENT: dict[str, tuple[str, ...]] = {
    "garment": ("garment_image", "reference_image"),
    "garment_mask": ("garment_mask", "reference_mask"),
}


@dataclass(frozen=True)
class _Place:
    url: str
    group: int
    index: int


class ShardPictures:
    """The records of a folder by id, the first MOST of them."""

    def __init__(self, folder: str) -> None:
        """Raises UsageError for a folder without shards."""
        listed = catalogue([folder], None, None, None)
        self.folder, self.fields = folder, listed.fields
        self.places: dict[str, _Place] = {}
        for url in listed.urls:
            for group, batch in enumerate(shard_files.read_all(url, ("record_id",))):
                for index, record_id in enumerate(batch.column("record_id").to_pylist()):
                    if len(self.places) < MOST:
                        self.places[str(record_id)] = _Place(url, group, index)

    @property
    def ids(self) -> list[str]:
        return list(self.places)

    @cached_property
    def _stored(self) -> StoredRecords:
        return StoredRecords(pa.schema(list(self.fields.values())))

    def write(self, record_id: str, slots: Mapping[str, tuple[str, ...]], folder: Path) -> dict[str, str]:
        """Slot → path of a PNG in `folder`; "" for what the record lacks. Raises UsageError."""
        if record_id not in self.places:
            raise UsageError(f"record {record_id!r}; allowed is one of {self.folder}")
        columns = {slot: next((name for name in names if name in self.fields), "") for slot, names in slots.items()}
        try:
            record = self._stored.row(self.places[record_id], [name for name in columns.values() if name])
        except codecs.CodecError as error:
            raise UsageError(f"record {record_id}: {error}") from None
        word = re.sub(r"[^A-Za-z0-9._-]+", "_", record_id)[:80].lstrip(".") or "_"
        files = {}
        for slot, column in columns.items():
            picture = record.get(column)
            files[slot] = "" if picture is None else str(folder / slot / f"{word}.png")
            if picture is not None:
                (folder / slot).mkdir(parents=True, exist_ok=True)
                atomic.write(Path(files[slot]), _png(picture))
        return files


def _png(picture: np.ndarray) -> bytes:
    return codecs.encode_mask(picture) if picture.ndim == 2 else codecs.encode_png(picture)
