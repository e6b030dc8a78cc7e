"""Tasks of records in finished shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.cli.flags import UsageError
from schemas.kinds import TRYON
from vton_models.reading.pairing import Index, Pair
from vton_models.reading.stored_records import StoredRecords
from vton_models.sampling import outputs
from vton_models.sampling.loop import Rejection, Task

MASK = "agnostic_mask"
SOURCE = "source_person_image"


def columns(index: Index, model: Any, pairs: str, masked: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(columns that a record must have, columns to read) for a model; `masked` results need the mask whatever it reads.

    A mask-free model gets the person's photo as its source, but to sample paired records, where that would show the
    answer. Raises UsageError for a column that no shard has.
    """
    needed = [*model.COLUMNS, *([MASK] if masked else [])]
    if SOURCE in needed and pairs == "unpaired":
        needed.remove(SOURCE)
    wanted = tuple(dict.fromkeys([*TRYON.photos, *needed]))
    for name in wanted:
        if name not in index.schema.names:
            raise UsageError(
                f"the shards lack column {name}, which is needed; they have {', '.join(index.schema.names)}"
            )
    optional = [name for name in model.OPTIONAL_COLUMNS if name in index.schema.names]
    return wanted, tuple(dict.fromkeys([*wanted, *optional]))


def usable(pairs: Sequence[Pair], lacking: set[str], needed: Sequence[str]) -> tuple[list[Pair], list[dict[str, str]]]:
    """(pairs to sample, rows of rejects.parquet for those left out): with a garment, and not among the `lacking` ids.

    Raises UsageError when nothing is left.
    """
    found = [pair for pair in pairs if pair.garment is not None and pair.person.record_id not in lacking]
    left_out = []
    for pair in pairs:
        if pair.person.record_id in lacking:
            left_out.append(_left_out(pair, "missing_column", f"one of {', '.join(needed)} is empty"))
        elif pair.garment is None:
            message = f"no other garment of split {pair.person.split}, category {pair.person.category}"
            left_out.append(_left_out(pair, "no_garment", message))
    if not found:
        raise UsageError(f"none of {len(pairs)} records can be sampled; the first one: {left_out[0]['message']}")
    return found, left_out


def _left_out(pair: Pair, error: str, message: str) -> dict[str, str]:
    """Not a reject that counts: nothing is wrong with the record."""
    row = pair.person
    return {"record_id": row.record_id, "stage": "choose", "error": error, "message": message, "source": row.source}


def tasks(
    pairs: Sequence[Pair], stored: StoredRecords, needed: Sequence[str], read: Sequence[str], numbered: bool = True
) -> Iterator[Task]:
    """In the order of the pairs; files are named by place and record."""
    for number, pair in enumerate(pairs):
        person = pair.person
        yield Task(
            record_id=person.record_id,
            person_id=person.person_id,
            garment_id=pair.garment.garment_id if pair.garment else None,
            file=outputs.file_name(person.record_id, number if numbered else None),
            read=_Reader(pair, stored, tuple(needed), tuple(read)),
            source=person.source,
        )


@dataclass(frozen=True)
class _Reader:
    pair: Pair
    stored: StoredRecords
    needed: tuple[str, ...]
    columns: tuple[str, ...]

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection, or CodecError for damaged bytes."""
        found = self.stored.pair(self.pair, self.columns)
        for name in self.needed:
            if found[name] is None:
                raise Rejection("read", "missing_column", f"{name} is empty")
        _check_mask(found)
        return {SOURCE: found["person_image"], **found}


def _check_mask(found: dict[str, Any]) -> None:
    mask, person = found.get(MASK), found["person_image"]
    if mask is None:
        return
    if mask.shape != person.shape[:2]:
        sizes = f"{mask.shape[0]}x{mask.shape[1]}, its photo {person.shape[0]}x{person.shape[1]}"
        raise Rejection("read", "mask_size", f"{MASK} is {sizes}")
    if not mask.any():
        raise Rejection("read", "empty_mask", f"{MASK} sets no pixel")
