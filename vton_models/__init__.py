"""Systems that are trained and sampled from shards: one file each; the file name is the name.

A model module has `ABOUT`, `PRESETS`, a frozen `Config` with `Config.tiny()`, and `build(config)`, which returns a
model with

- `COLUMNS` and `OPTIONAL_COLUMNS`: what it reads of a record;
- `prepare(record, generator)`: one record → dict of tensors without the batch axis, uint8 where they are pictures (its
  augmentation and preprocessing; picklable without the networks, since it runs in the reader's workers);
- `loss(batch, generator)`: batched `prepare` → scalar; `trainable()`: name → parameter;
- `sample(batch, *, num_inference_steps, guidance_scale, generator, …)` → float32 [b 3 h w] in [0, 1];
- `load_base(path)`, `save_base(path)`, `load_official(path)`, `save_official(path)`, `save(path)`, `load(path)`.

What training needs beside these (`loss(…, timesteps=…)`, `unused()`, `alphas`, `base`, `networks`, `Config.check_size`)
is described where it stands, in `vton_models.common.model` and `vton_models.catvton`.

Importing a model module imports no torch and no diffusers; `build` does: the model's class lies in
`vton_models/networks/<name>.py` and stands on `vton_models.common.model.Model`.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType


@cache
def names() -> tuple[str, ...]:
    """The modules of the package, not imported; sub-packages and `__main__` are not models."""
    found = pkgutil.iter_modules(__path__)
    return tuple(sorted(item.name for item in found if not item.ispkg and not item.name.startswith("_")))


def load(name: str) -> ModuleType:
    """Raises ValueError for a name that isn't a model's."""
    if name not in names():
        raise ValueError(f"unknown model {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"vton_models.{name}")
