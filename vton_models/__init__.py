"""Systems that are trained and sampled from shards: one folder each; the folder's name is the name.

A system's package has `ABOUT`, `PRESETS`, a frozen `Config` with `Config.tiny()`, and `build(config)`, which returns a
model with

- `COLUMNS` and `OPTIONAL_COLUMNS`: what it reads of a record;
- `prepare(record, generator)`: one record → dict of tensors without the batch axis, uint8 where they are pictures (its
  augmentation and preprocessing; picklable without the networks, since it runs in the reader's workers);
- `loss(batch, generator)`: batched `prepare` → scalar; `trainable()`: name → parameter;
- `sample(batch, *, num_inference_steps, guidance_scale, generator, …)` → float32 [b 3 h w] in [0, 1];
- `load_base(path)`, `save_base(path)`, `load_official(path)`, `save_official(path)`, `save(path)`, `load(path)`.

What training needs beside these (`loss(…, timesteps=…)`, `unused()`, `alphas`, `base`, `networks`, `Config.check_size`)
is described where it stands, in `vton_models.networks.model` and `vton_models.catvton`.

Importing a system's package imports no torch and no diffusers; `build` does: the model's class lies in
`vton_models/<name>/model.py` and stands on `vton_models.networks.model.Model`.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vton_models.reading.dataset import ShardDataset as ShardDataset


def __getattr__(name: str) -> Any:
    """`ShardDataset`, the reader; torch comes with it, so it waits until it is asked for."""
    if name != "ShardDataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("vton_models.reading.dataset").ShardDataset


@cache
def names() -> tuple[str, ...]:
    """The sub-packages that have a `Config`; importing one costs no torch."""
    packages = (item.name for item in pkgutil.iter_modules(__path__) if item.ispkg)
    return tuple(name for name in sorted(packages) if hasattr(importlib.import_module(f"{__name__}.{name}"), "Config"))


def load(name: str) -> ModuleType:
    """Raises ValueError for a name that isn't a model's."""
    if name not in names():
        raise ValueError(f"unknown model {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"vton_models.{name}")
