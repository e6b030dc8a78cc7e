"""Batches whose tensors are what frozen networks made of them, as shards hold them."""

from collections.abc import Iterable
from typing import Any

import torch
from support.model_records import batch

from schemas import tensors
from vton_models.reading.encodings import Stored
from vton_models.system import Purpose


def stored(model: Any, records: list[dict[str, Any]], networks: Iterable[str] | None = None) -> dict[str, Any]:
    """Collated records of which `networks` (all that may) have encoded what they can, rounded as shards round it.

    Columns that are spared then aren't in the records.
    """
    kind = model.config.encodes("tryon")
    used = {name: one for name, one in kind.items() if networks is None or name in networks}
    results = model.encoded(batch(model.prepare(Purpose.VALIDATION), records), used)
    rounded = {name: [tensors.decode(tensors.encode(one.numpy())) for one in value] for name, value in results.items()}
    replaced = {column: one.tensor for encodes in used.values() for column, one in encodes.columns.items()}
    others = {source for name in kind.keys() - used for one in kind[name].columns.values() for source in one.sources}
    spared = {column for encodes in used.values() for column in encodes.spared} - others
    left = [
        {name: value for name, value in record.items() if name not in spared}
        | {column: values[place] for column, values in rounded.items()}
        for place, record in enumerate(records)
    ]
    prepare = model.prepare(Purpose.TRAINING).without(frozenset(replaced.values()))
    return batch(Stored(replaced, prepare), left)


def gradients(model: Any, given: dict[str, Any], seed: int) -> tuple[float, torch.Tensor]:
    """The loss, and its gradient as one vector."""
    parameters = [one for name, one in model.trainable().items() if name not in model.unused()]
    loss = model.loss(given, torch.Generator().manual_seed(seed))
    found = torch.autograd.grad(loss, parameters)
    return float(loss.detach()), torch.cat([one.flatten() for one in found])
