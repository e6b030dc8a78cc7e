"""The most bytes that a picture's tensors take at once on an accelerator, counted without one.

    python -m benchmarks.tensors catvton --height 1024 --width 768

Networks at full size without values, in bfloat16, run on torch's "meta" device for each memory mode; every storage
counts from its first use till it is gone. Attention counts as kernels have it that keep no matrices. What libraries and
the allocator take comes on top.
"""

import argparse
import weakref
from typing import Any

import torch
from diffusers.utils import logging
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import vton_models
from vton_models.networks import memory
from vton_models.system import Purpose

META = torch.device("meta")


class Live(TorchDispatchMode):
    """Counts the bytes of tensors on the device, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.device == META:
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage: Any) -> None:
        if storage._cdata not in self.known:
            self.known[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, storage._cdata)

    def _gone(self, key: int) -> None:
        self.now -= self.known.pop(key)


def peak(name: str, size: dict[str, int], mode: str, items: int) -> int:
    """Of two denoising steps with the system's default settings, in bytes."""
    module = vton_models.load(name)
    with META:
        model: Any = module.build(module.Config(**size))
    for network in model.networks.values():
        network.to(torch.bfloat16).to_empty(device="cpu")
    memory.apply_memory(model, mode)
    record: dict[str, Any] = {"caption": "", "category": "upper_body", "paired": True}
    shape = (size["height"], size["width"])
    for column in model.config.reads("tryon").needed:
        picture = torch.zeros((*shape, 3), dtype=torch.uint8).numpy()
        record[column] = picture[..., 0] if column.endswith("_mask") else picture
    item = model.prepare(Purpose.RECORDS)(record)
    batch = {key: torch.stack([value] * items) for key, value in item.items()}
    with Live() as live:
        model.to(META)
        model.sample(batch, model.config.sampling(num_inference_steps=2), torch.Generator().manual_seed(0))
    return live.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=vton_models.names())
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--batch-size", type=int, default=1)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    F.scaled_dot_product_attention = lambda query, key, value, *_, **__: torch.empty_like(query)
    size = {"height": arguments.height, "width": arguments.width}
    for mode in memory.MODES:
        print(f"{mode:7s} {peak(arguments.model, size, mode, arguments.batch_size) / 1e6:8.0f} MB", flush=True)


if __name__ == "__main__":
    main()
