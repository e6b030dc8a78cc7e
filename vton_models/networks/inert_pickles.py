"""torch files that hold more than tensors, such as PyTorch Lightning's: tensors are built, all else stays inert.

`torch.load(…, pickle_module=inert_pickles, weights_only=False)` runs nothing that a file brings: of the functions and
classes that it names only those below are called, and in the place of any other stands an object that does nothing.
"""

import pickle
from collections import OrderedDict
from typing import Any

import torch

_BUILDERS = {
    ("collections", "OrderedDict"): OrderedDict,
    **{
        ("torch._utils", name): getattr(torch._utils, name)
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
    },
}


class Inert:
    """Takes any arguments, state and entries, and keeps none."""

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """Keeps nothing."""

    def extend(self, values: object) -> None:
        """Keeps nothing."""


class Unpickler(pickle.Unpickler):
    """What torch derives its own from, which resolves storages."""

    def find_class(self, module: str, name: str) -> Any:
        """A builder of tensors, a dtype, or the inert class."""
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        return _BUILDERS.get((module, name), Inert)


def load(file: Any, **options: Any) -> Any:
    """As `pickle.load`."""
    return Unpickler(file, **options).load()
