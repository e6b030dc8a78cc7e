"""How a system sees stored records: of the agnostic masks the one of its recipe, and columns under other names.

A record's `agnostic_mask_<recipe>` of the recipe that the system asks for counts before `agnostic_mask`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vton_models.reading import completeness
from vton_models.reading.catalogue import Catalogue
from vton_models.system import Prepare, Reads, Record

MASK = "agnostic_mask"


@dataclass(frozen=True)
class View:
    """What is read of records, and the names under which `prepare` finds it; picklable."""

    needed: tuple[str, ...]  # of the masks it names `agnostic_mask`, whichever column that comes from
    optional: tuple[str, ...]
    masks: tuple[str, ...]  # the columns that may hold the mask, best first; empty where none is needed
    names: Mapping[str, str]  # name that `prepare` sees → column
    recipe: str = ""
    others: tuple["View", ...] = ()  # of records of further kinds: those that have what one of these needs

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns to read."""
        needed = (column for name in self.needed for column in (self.masks if name == MASK else (name,)))
        further = (column for other in self.others for column in other.columns)
        return tuple(dict.fromkeys([*needed, *self.optional, *further]))

    def __call__(self, record: Record) -> dict[str, Any]:
        """The record as `prepare` takes it: None for what it lacks."""
        for other in self.others:
            if not self.suits(record) and other.suits(record):
                return other(record)
        seen = dict(record)
        if self.masks:
            seen[MASK] = next((record[name] for name in self.masks if record.get(name) is not None), None)
        return seen | {name: seen.get(column) for name, column in self.names.items()}

    def suits(self, record: Record) -> bool:
        """Whether a stored record has all that is needed."""
        return all(any(record.get(one) is not None for one in self.holders(name)) for name in self.needed)

    @property
    def described(self) -> dict[str, Any]:
        """For config.json: the masks' columns, where a recipe's own is among them."""
        return {"masks": list(self.masks)} if self.masks not in ((), (MASK,)) else {}

    @property
    def told(self) -> str:
        """One line for people: whence the masks come; empty for a system that asks for no recipe."""
        if not self.masks or not self.recipe:
            return ""
        own = f"{MASK}_{self.recipe}"
        if own not in self.masks:
            return f"{MASK} is read: the shards have no {own}, whose recipe the system was made with"
        return f"{own} is read" + (f", where a record lacks it {MASK}" if MASK in self.masks else "")

    def lacking(self, columns: Collection[str]) -> list[str]:
        """What is needed and isn't among the columns of any shard."""
        own = [name for name in self.needed if not any(one in columns for one in self.holders(name))]
        return own + [name for other in self.others for name in other.lacking(columns)]

    def incomplete(self, catalogue: Catalogue) -> set[str]:
        """Ids of the records that lack something needed."""
        plain = [name for name in self.needed if name != MASK or len(self.masks) == 1]
        absent = completeness.incomplete(catalogue, [self.holders(name)[0] for name in plain])
        if len(self.masks) > 1:
            absent |= set.intersection(*(completeness.incomplete(catalogue, [name]) for name in self.masks))
        for other in self.others:
            absent &= other.incomplete(catalogue)
        return absent

    def holders(self, name: str) -> tuple[str, ...]:
        """The columns that may hold what `needed` and `optional` name, best first."""
        return self.masks if name == MASK else (name,)


def view(reads: Reads, catalogue: Catalogue, also: Sequence[str] = ()) -> View:
    """How the records of a catalogue of all columns are read; `also` are further columns that a record must have."""
    needed = tuple(dict.fromkeys([*reads.needed, *also]))
    optional = tuple(name for name in reads.optional if name in catalogue.fields)
    masks = _masks(reads.mask_recipe, catalogue) if MASK in needed else ()
    return View(needed, optional, masks, dict(reads.view), reads.mask_recipe)


def _masks(recipe: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The plain column beside the recipe's only where some records lack that one: both would have to be decoded."""
    own = f"{MASK}_{recipe}"
    if not recipe or own not in catalogue.fields:
        return (MASK,)
    if MASK not in catalogue.fields or not completeness.incomplete(catalogue, [own]):
        return (own,)
    return own, MASK


@dataclass(frozen=True)
class Viewed:
    """`prepare` of a system on stored records; picklable, as it runs in the reader's workers."""

    view: View
    prepare: Prepare

    def __call__(self, record: Record, generator: Any) -> dict[str, Any]:
        return self.prepare(self.view(record), generator)
