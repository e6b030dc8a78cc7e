"""Which records a run trains on and which it holds out, before any picture is read."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas import conditions
from schemas.cli.flags import UsageError
from schemas.kinds import Kind
from vton_models.reading import mask_recipes, shapes, shard_files
from vton_models.reading.catalogue import Catalogue, catalogue, weighted_folders
from vton_models.reading.dataset import ShardDataset
from vton_models.reading.filters import Filter, Filters
from vton_models.reading.view import View, Viewed, view
from vton_models.system import Config, Model, Purpose, Shape

Groups = tuple[tuple[Filter, ...], ...]  # what is true of a record of each kind; one of them must hold as a whole


@dataclass(frozen=True)
class Records:
    """Records of one split of some folders, of which training takes all: of try-on records the paired ones."""

    shards: tuple[str, ...]  # as given: FOLDER or FOLDER:WEIGHT
    split: str
    filters: Groups
    catalogue: Catalogue

    @property
    def count(self) -> int:
        return int(self.catalogue.rows.sum())


@dataclass(frozen=True)
class Chosen:
    """What a model trains on: the records that have all that it reads, without the `held_out` ids."""

    view: View
    filters: Groups
    count: int
    incomplete: tuple[str, ...]  # ids of records that lack something
    held_out: tuple[str, ...]
    without_room: tuple[str, ...]  # ids of the others of whose pictures one hasn't the system's shape
    pads: bool = True  # what these lack; else they are left out
    mask_recipes: Mapping[str, Sequence[str]] = field(default_factory=dict)  # category → whose masks are read


def find(shards: Sequence[str], split: str, where: Sequence[str]) -> Records:
    """Raises UsageError for shards without a record that training takes."""
    columns = conditions.columns_of(_catalogue(shards, split).fields.values()) if where else {}
    for text in where:
        conditions.compiled(text, columns)  # says what is wrong before any shard is read
    kinds = _kinds(shards, split)
    filters = _trained(kinds, where)
    records = Records(tuple(shards), split, filters, _catalogue(shards, split, filters))
    if not records.count:
        asked = f" has {_told(kinds, where)}" if any(filters) else ""
        titles = " or ".join(kind.title for kind in kinds)
        raise UsageError(
            f"no record of split {split!r} of {' '.join(shards)}{asked}; allowed are shards with such {titles}"
        )
    return records


def flat(groups: Groups) -> Filters | None:
    """As the reader takes them: None where nothing is asked."""
    return (list(groups[0]) or None) if len(groups) == 1 else [list(group) for group in groups]


def also(groups: Groups, filters: Sequence[Filter]) -> Groups:
    """The groups, with these in each."""
    return tuple((*group, *filters) for group in groups)


def choose(records: Records, config: Config, hold_out: int, seed: int) -> Chosen:
    """Raises UsageError for a column that the system needs and no shard has, and when too many are to be held out."""
    seen, shape = (
        view_of(records.shards, records.catalogue, config),
        shape_of(records.shards, records.catalogue, config),
    )
    incomplete = seen.incomplete(records.catalogue)
    names = [name for name in _names(records.catalogue) if name not in incomplete]
    without_room = shapes.without_room(records.catalogue, shape) & set(names) if shape else set()
    pads = shape is None or shape.pads
    if not pads:
        names = [name for name in names if name not in without_room]
    if hold_out >= max(1, len(names)):
        raise UsageError(
            f"{len(names)} of {records.count} paired records have {', '.join(seen.needed)}"
            f"{'' if pads else ' with room for the crop'};"
            f" allowed are at least {hold_out + 1} ({hold_out} for validation)"
        )
    held_out = _first_by_digest(names, hold_out, seed)
    drawn = mask_recipes.of_records(records.catalogue, seen.masks)
    left_out = sorted({*incomplete, *held_out, *(() if pads else without_room)})
    return Chosen(
        view=seen,
        filters=also(records.filters, without(left_out)),
        count=len(names) - len(held_out),
        incomplete=tuple(sorted(incomplete)),
        held_out=held_out,
        without_room=tuple(sorted(without_room)),
        pads=pads,
        mask_recipes=mask_recipes.by_category(drawn[name] for name in names if name in drawn),
    )


def trained(records: Records, chosen: Chosen) -> set[str]:
    """Ids of the records that a run trains on."""
    unfit = () if chosen.pads else chosen.without_room
    return set(_names(records.catalogue)) - {*chosen.incomplete, *chosen.held_out, *unfit}


def of_folder(shards: str, split: str | None, config: Config) -> tuple[View, tuple[str, ...], tuple[str, ...], int]:
    """(how the system reads a folder, ids of records that lack something that it needs, ids of others that its shape
    leaves out, records of all).

    Raises UsageError for a column that no record has.
    """
    listed = _catalogue([shards], split)
    seen, shape = view_of((shards,), listed, config), shape_of((shards,), listed, config)
    incomplete = seen.incomplete(listed)
    without_room = shapes.without_room(listed, shape) - incomplete if shape and not shape.pads else set()
    return seen, tuple(sorted(incomplete)), tuple(sorted(without_room)), int(listed.rows.sum())


def without(names: Sequence[str]) -> list[Filter]:
    """The filter that leaves records out by their ids."""
    return [("record_id", "not in", list(names))] if names else []


def held_out_batches(records: Records, chosen: Chosen, model: Model, batch_size: int) -> list[dict[str, Any]]:
    """The held-out records, prepared, in shard order."""
    filters = also(records.filters, [("record_id", "in", list(chosen.held_out))])
    return list(_batches(records.shards, records.split, filters, chosen.view, model, batch_size))


def first_batches(records: Records, chosen: Chosen, model: Model, count: int, batch_size: int) -> list[dict[str, Any]]:
    """The first `count` records of training, prepared without chance."""
    return _first(_batches(records.shards, records.split, chosen.filters, chosen.view, model, batch_size), count)


def other_batches(shards: Sequence[str], model: Model, count: int, batch_size: int) -> list[dict[str, Any]]:
    """The first `count` records of other folders, any split, that training would take, prepared. Raises UsageError."""
    kinds = _kinds(shards, None)
    filters = _trained(kinds)
    records = Records(tuple(shards), "", filters, _catalogue(_folders(shards), None, filters))
    if not records.count:
        raise UsageError(f"no record of --validation-shards {' '.join(shards)} has {_told(kinds)}")
    chosen = choose(records, model.config, 0, 0)
    return _first(_batches(shards, None, chosen.filters, chosen.view, model, batch_size), count)


def _first(batches: Iterable[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """As many batches as `count` records take."""
    taken: list[dict[str, Any]] = []
    for batch in batches:
        taken.append(batch)
        if sum(len(one["record_id"]) for one in taken) >= count:
            break
    return taken


def _batches(
    shards: Sequence[str],
    split: str | None,
    filters: Groups,
    view: View,
    model: Model,
    batch_size: int,
) -> Iterator[dict[str, Any]]:
    dataset = ShardDataset(
        _folders(shards),
        view.columns,
        split,
        flat(filters),
        shuffle=False,
        batch_size=batch_size,
        rank=0,
        world_size=1,
        prepare=Viewed(view, model.prepare(Purpose.VALIDATION)),
        decode_size=model.config.decode_size,
    )
    return iter(dataset)


def _catalogue(shards: Sequence[str], split: str | None, filters: Groups = ((),)) -> Catalogue:
    """All columns; which folder lacks which is the dataset's to say, of those that it reads."""
    return catalogue(list(shards), None, split, flat(filters))


def view_of(shards: Sequence[str], listed: Catalogue, config: Config) -> View:
    """How the system reads these records. Raises UsageError for a kind that it doesn't, and a column no folder has."""
    first, *others = (view(config.reads(kind.name), listed) for kind in listed.kinds)
    seen = replace(first, others=tuple(others))
    lacking = seen.lacking(listed.fields)
    if lacking:
        makes = (
            "vton_models synthesize` makes it" if "source_person_image" in lacking else "pipelines.annotate` may add it"
        )
        raise UsageError(f"{' '.join(shards)} lacks {', '.join(lacking)}, which the model reads; `python -m {makes}")
    return seen


def shape_of(shards: Sequence[str], listed: Catalogue, config: Config) -> Shape | None:
    """What the system asks of the pictures' sides of these records."""
    every = (config.reads(kind.name).shape for kind in listed.kinds)
    return next((shape for shape in every if shape is not None), None)


def _kinds(shards: Sequence[str], split: str | None) -> tuple[Kind, ...]:
    return tuple(dict.fromkeys(shard_files.kind(folder, split) for folder in _folders(shards)))


def _trained(kinds: Sequence[Kind], where: Sequence[str] = ()) -> Groups:
    """What is true of the records that training takes, and of several kinds a column that the others don't have."""
    groups: list[tuple[Filter, ...]] = []
    for kind in kinds:
        others = {name for other in kinds if other is not kind for name in other.fields}
        own = next(name for name in kind.ids if name in kind.required and name not in others) if others else ""
        groups.append((*([(own, "!=", "")] if own else []), *kind.trained, *where))
    return tuple(groups)


def _told(kinds: Sequence[Kind], where: Sequence[str] = ()) -> str:
    """What training asks of a record, for people."""
    asked = (
        [*(f"{name} {'=' if sign == '==' else sign} {json.dumps(value)}" for name, sign, value in kind.trained), *where]
        for kind in kinds
    )
    return " or ".join(" and ".join(words) for words in asked if words)


def _folders(shards: Sequence[str]) -> list[str]:
    """Without weights: each record once."""
    return [folder for folder, _ in weighted_folders(list(shards))]


def _names(listed: Catalogue) -> list[str]:
    groups = (listed.read(group, ["record_id"])["record_id"] for group in range(len(listed.rows)) if listed.rows[group])
    return [str(name) for column in groups for name in column.to_pylist()]


def _first_by_digest(names: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """Another choice for each seed, whatever the shards' cut; sorted."""
    ranked = sorted(set(names), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    return tuple(sorted(ranked[:count]))
