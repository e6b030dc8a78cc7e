"""Columns of what a system's frozen networks made of records: as fields of shards, and in place of prepared tensors."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch

from schemas import fields
from schemas.json_text import canonical
from vton_models.reading.view import MASK, View
from vton_models.system import Encodes


@dataclass(frozen=True)
class Encoder:
    """A frozen network of a system, by the digest of its weights."""

    model: str
    network: str
    digest: str

    @property
    def name(self) -> str:
        """Among annotators."""
        return f"{self.model}/{self.network}"

    def field(self, column: str, encodes: Encodes, sources: Iterable[str]) -> pa.Field:
        """The column in a shard: the field tells which weights it comes from, by which settings, and of what."""
        maker = {"model": self.model, "network": self.network, "digest": self.digest, **encodes.settings}
        return fields.tensor(column, tuple(dict.fromkeys(sources)), canonical(maker))


def sources(column: str, encodes: Encodes, view: View) -> list[str]:
    """The columns of a shard that it is made of."""
    return [holder for name in encodes.columns[column].sources for holder in view.holders(name)]


def difference(stored: pa.Field, now: pa.Field) -> str:
    """Why a stored column isn't what would be encoded now, for people; empty where it is."""
    if not fields.is_tensor(stored):
        return f"{stored.name} holds something else"
    then, asked = (json.loads(fields.maker(one)) for one in (stored, now))
    for key in dict.fromkeys([*asked, *then]):
        if key == "digest" and then.get(key) != asked[key]:
            return f"they come from weights {then.get(key)}, and those here are {asked[key]}"
        if then.get(key) != asked.get(key):
            return f"they are of {key} {then.get(key)}, which is {asked.get(key)} here"
    before, after = (_decisive(fields.sources(one)) for one in (stored, now))
    return f"{now.name} is made of {', '.join(before)}, and {', '.join(after)} is read" if before != after else ""


def _decisive(names: Iterable[str]) -> tuple[str, ...]:
    """Of masks, whichever of them a record has, the first alone: the others stand in where that is null."""
    found: list[str] = []
    for name in names:
        if not name.startswith(MASK) or not any(one.startswith(MASK) for one in found):
            found.append(name)
    return tuple(found)


def spared(view: View, encodes: Mapping[str, Encodes], used: Collection[str]) -> View:
    """What is still read where all that the `used` networks make is stored."""
    others = {name for network, one in encodes.items() if network not in used for name in _sources(one)}
    gone = {name for network in used for name in encodes[network].spared} - others
    needed, optional = (tuple(name for name in names if name not in gone) for names in (view.needed, view.optional))
    return replace(view, needed=needed, optional=optional, masks=view.masks if MASK in needed else ())


def _sources(encodes: Encodes) -> set[str]:
    return {name for one in encodes.columns.values() for name in one.sources}


@dataclass(frozen=True)
class Stored:
    """`prepare` of records that hold some tensors encoded; picklable, as it runs in the reader's workers."""

    tensors: Mapping[str, str]  # column → the tensor in whose place it stands
    prepare: Callable[[dict[str, Any], torch.Generator], dict[str, Any]]  # of all other tensors

    def __call__(self, record: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
        """Raises ValueError for a record that lacks one."""
        tensors = dict(self.prepare(record, generator))
        for column, tensor in self.tensors.items():
            if record[column] is None:
                raise ValueError(f"{column} is empty")
            tensors[tensor] = torch.from_numpy(record[column])
        return tensors
