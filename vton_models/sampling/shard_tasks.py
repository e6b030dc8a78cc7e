"""Tasks of records in finished shards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.cli.flags import UsageError
from schemas.kinds import TRYON
from schemas.messages import counted
from vton_models.reading import mask_recipes, pairing
from vton_models.reading.catalogue import Catalogue, catalogue
from vton_models.reading.pairing import Index, Pair
from vton_models.reading.stored_records import StoredRecords
from vton_models.reading.view import MASK, View, view
from vton_models.sampling import outputs
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Rejection, Sampler, Task
from vton_models.system import Config

if TYPE_CHECKING:
    from vton_models.sampling.tasks import Setting
    from vton_models.sampling.tasks.try_on import Finished, Flags

SOURCE = "source_person_image"


@dataclass(frozen=True)
class Records:
    """Pairs of records that have all that the system reads, up to the limit. They are `Inputs` of `sample`."""

    finished: "Finished"
    flags: "Flags"
    index: Index
    view: View
    pairs: tuple[Pair, ...]
    left_out: tuple[dict[str, str], ...]
    recipes: Mapping[str, str]  # record id → that of the mask
    mixed: str  # how the masks differ from those of training
    one_by_one: bool = False

    @property
    def told(self) -> str:
        return "; ".join(filter(None, (self.view.told, self.mixed)))

    def described(self) -> dict[str, Any]:
        """The shards by their fingerprint, and what was asked of them."""
        flags = self.flags
        asked = {"split": flags.split, "pairs": flags.how, "limit": flags.limit}
        return {"finish": self.finished.name, "shards": self.index.fingerprint, **asked, **self.view.described}

    def finish(self, sampler: Sampler) -> Finish:
        return self.finished.finish(sampler)

    def tasks(self, folder: Path) -> list[Task]:
        return list(tasks(self.pairs, StoredRecords(self.index.schema), self.view, recipes=self.recipes))


def load(flags: "Flags", finished: "Finished", setting: "Setting") -> Records:
    """Lists the shards. Raises UsageError for a column that they lack, and when no record can be sampled."""
    index = pairing.index(flags.shards, flags.split)
    listed = catalogue([flags.shards], None, flags.split, None)
    seen = view_of(listed, setting.config, flags.how, bool(finished.name))
    chosen = pairing.choose(index.rows, flags.how, setting.seed)
    pairs, left_out = usable(chosen, seen.incomplete(listed), seen.needed)
    taken = tuple(pairs[: flags.limit])
    drawn = mask_recipes.of_records(listed, seen.masks)
    used = {name: drawn[name] for name in (pair.person.record_id for pair in taken) if name in drawn}
    mixed = mask_recipes.difference(setting.trained_masks, mask_recipes.by_category(used.values()))
    recipes = {name: recipe for name, (_, recipe) in used.items()}
    return Records(finished, flags, index, seen, taken, tuple(left_out), recipes, mixed)


def view_of(listed: Catalogue, config: Config, pairs: str, masked: bool) -> View:
    """What is read of records for a system; `masked` results need the mask whatever it reads.

    A system that reads the person in other clothes gets the person's photo for that, but to sample paired records,
    where it would show the answer. Raises UsageError for a column that no shard has.
    """
    reads = config.reads(TRYON.name)
    needed = dict.fromkeys([*TRYON.photos, *reads.needed, *([MASK] if masked else [])])
    if pairs == "unpaired":
        needed.pop(SOURCE, None)
    seen = view(replace(reads, needed=tuple(needed)), listed)
    for name in seen.lacking(listed.fields):
        raise UsageError(f"the shards lack column {name}, which is needed; they have {', '.join(listed.fields)}")
    return seen


def usable(pairs: Sequence[Pair], lacking: set[str], needed: Sequence[str]) -> tuple[list[Pair], list[dict[str, str]]]:
    """(pairs to sample, rows of rejects.parquet for those left out): with a garment, and not among the `lacking` ids.

    Raises UsageError when nothing is left.
    """
    chosen = [pair for pair in pairs if pair.garment is not None and pair.person.record_id not in lacking]
    left_out = []
    for pair in pairs:
        if pair.person.record_id in lacking:
            left_out.append(_left_out(pair, "missing_column", f"one of {', '.join(needed)} is empty"))
        elif pair.garment is None:
            message = f"no other garment of split {pair.person.split}, category {pair.person.category}"
            left_out.append(_left_out(pair, "no_garment", message))
    if not chosen:
        raise UsageError(
            f"none of {counted(len(pairs), 'record')} can be sampled; the first one: {left_out[0]['message']}"
        )
    return chosen, left_out


def _left_out(pair: Pair, error: str, message: str) -> dict[str, str]:
    """Not a reject that counts: nothing is wrong with the record."""
    row = pair.person
    return {"record_id": row.record_id, "stage": "choose", "error": error, "message": message, "source": row.source}


def tasks(
    pairs: Sequence[Pair],
    stored: StoredRecords,
    seen: View,
    numbered: bool = True,
    recipes: Mapping[str, str] | None = None,
) -> Iterator[Task]:
    """In the order of the pairs; files are named by place and record."""
    recipes = recipes or {}
    for number, pair in enumerate(pairs):
        person, garment_id = pair.person, pair.garment.garment_id if pair.garment else None
        yield Task(
            record_id=person.record_id,
            file=outputs.file_name(person.record_id, number if numbered else None),
            read=_Reader(pair, stored, seen),
            row={"person_id": person.person_id, "garment_id": garment_id, "mask_recipe": recipes.get(person.record_id)},
            notes={"Garment": garment_id or ""},
            source=person.source,
        )


@dataclass(frozen=True)
class _Reader:
    pair: Pair
    stored: StoredRecords
    view: View

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection, or CodecError for damaged bytes."""
        record = self.view(self.stored.pair(self.pair, self.view.columns))
        for name in self.view.needed:
            if record[name] is None:
                raise Rejection("read", "missing_column", f"{name} is empty")
        _check_mask(record)
        return {SOURCE: record["person_image"], **record}


def _check_mask(record: dict[str, Any]) -> None:
    mask, person = record.get(MASK), record["person_image"]
    if mask is None:
        return
    if mask.shape != person.shape[:2]:
        sizes = f"{mask.shape[0]}x{mask.shape[1]}, its photo {person.shape[0]}x{person.shape[1]}"
        raise Rejection("read", "mask_size", f"{MASK} is {sizes}")
    if not mask.any():
        raise Rejection("read", "empty_mask", f"{MASK} sets no pixel")
