"""Whether a run reads what the base's frozen networks made of its records before, in place of pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas.messages import share
from vton_models.networks import memory
from vton_models.reading import completeness, encodings, shard_files
from vton_models.reading.catalogue import weighted_folders
from vton_models.reading.encodings import Encoder, Stored
from vton_models.reading.view import View, Viewed
from vton_models.system import Encodes, EncodingConfig, EncodingPrepare, Model, Purpose
from vton_models.training import records
from vton_models.training.records import Chosen, Records


@dataclass(frozen=True)
class Reading:
    """How a run reads its records: what of them is stored encoded, and the view of all else."""

    view: View
    tensors: Mapping[str, str]  # column → the tensor in whose place it stands
    networks: tuple[str, ...] = ()  # that made them
    told: tuple[str, ...] = ()  # lines for people

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.view.columns, *self.tensors)

    def prepare(self, model: Model) -> Any:
        """For training."""
        prepare = model.prepare(Purpose.TRAINING)
        if not self.tensors:
            return Viewed(self.view, prepare)
        assert isinstance(prepare, EncodingPrepare)
        return Stored(self.tensors, Viewed(self.view, prepare.without(frozenset(self.tensors.values()))))


def choose(candidates: Records, chosen: Chosen, model: Model, wanted: bool) -> Reading:
    """What is stored by the very networks of this model, at its size, is read where chance doesn't change pictures.

    Of each network all columns or none; `told` says which, or why not, where the shards have any.
    """
    plain = Reading(chosen.view, {})
    if not wanted or not isinstance(model.config, EncodingConfig):
        return plain
    kind = candidates.catalogue.kinds[0].name
    encodes = {
        name: one
        for name, one in model.config.encodes(kind).items()
        if any(column in candidates.catalogue.fields for column in one.columns)
    }
    if not encodes:
        return plain
    schemas = _schemas(candidates)
    reasons = {name: next(_reasons(name, one, candidates, chosen, model, schemas), "") for name, one in encodes.items()}
    used = tuple(name for name, reason in reasons.items() if not reason)
    every = model.config.encodes(kind)
    view = encodings.spared(chosen.view, every, used)
    tensors = {column: one.tensor for name in used for column, one in every[name].columns.items()}
    return Reading(view, tensors, used, tuple(_lines(encodes, reasons)))


def _lines(encodes: Mapping[str, Encodes], reasons: Mapping[str, str]) -> Iterator[str]:
    for name, one in encodes.items():
        columns = ", ".join(one.columns)
        if reasons[name]:
            yield f"{columns} aren't read, the {name} encodes anew: {reasons[name]}"
        else:
            yield f"{columns} are read as they were encoded; the {name} isn't run in training"


def _reasons(
    network: str, encodes: Encodes, candidates: Records, chosen: Chosen, model: Model, schemas: list[pa.Schema]
) -> Iterator[str]:
    """Against reading what a network made; the cheapest to know first."""
    if encodes.augmented:
        yield encodes.augmented
    if network in memory.trained_networks(model):
        yield "it is trained"
    encoder = Encoder(model.name, network, model.base["networks"][network]["digest"])
    for column in encodes.columns:
        for schema in schemas:
            if column not in schema.names:
                yield f"some shards have no {column}"
                continue
            present = [name for name in encodings.sources(column, encodes, chosen.view) if name in schema.names]
            reason = encodings.difference(schema.field(column), encoder.field(column, encodes, present))
            if reason:
                yield reason
    lacking = completeness.incomplete(candidates.catalogue, list(encodes.columns)) & records.trained(candidates, chosen)
    if lacking:
        yield f"{share(len(lacking), chosen.count, 'record', 'has', 'have')} none, as {min(lacking)}"


def _schemas(candidates: Records) -> list[pa.Schema]:
    folders = [folder for folder, _ in weighted_folders(list(candidates.shards))]
    shards = [shard for folder in folders for shard in shard_files.find(folder, candidates.split)]
    return [each.schema for each in shard_files.contents(shards)]
