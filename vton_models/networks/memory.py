"""--memory: how a model spends less of an accelerator's memory, and what that costs.

full      everything at once.
medium    the VAE takes one picture at a time; guidance branches run one after another; training checkpoints gradients.
low       as medium; in sampling also: the VAE decodes large pictures in tiles, and of the networks only the one at work
          lies on the accelerator, in bfloat16. In training, networks of which nothing is trained are in bfloat16.

With mixed precision, networks of which nothing is trained are in its 16 bits whatever the mode. What is frozen and not
in float32 is read from its files so; what is trained is read in float32. Adapters (LoRA) are trained, the weights
beneath them are not.

Medium equals full but for rounding. Low differs by bfloat16's rounding and, above the VAE's own tile size (512 pixels),
by the tiles' blended seams. A CPU has no memory to spare elsewhere: there, low neither moves nor rounds anything.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from schemas.cli.flags import UsageError
from vton_models.networks import lora
from vton_models.system import Model

MODES = ("full", "medium", "low")
_GIB = 1 << 30
_HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Use:
    """What a model is loaded for: a memory mode, a device, and in training mixed precision."""

    mode: str = "full"
    device: str = "cpu"
    training: bool = False
    mixed_precision: str = "no"


def choose_dtypes(model: Model, use: Use) -> None:
    """Says which networks are in 16 bits; call it before weights are loaded, which then are read in their dtype.

    On a CPU none is. In training those of which nothing is trained, where precision is mixed or memory low; in sampling
    with low memory all, and where the system samples in 16 bits. A network that its system wants in float32 stays so.
    """
    half = _HALF.get(use.mixed_precision) or (torch.bfloat16 if use.mode == "low" else None)
    if half is None and not use.training:
        half = model.sampling_dtype
    model.dtypes = {}
    if half is not None and use.device != "cpu":
        able = {name for name, network in model.config.networks.items() if network.may_be_half}
        trained = trained_networks(model) if use.training else set()
        model.dtypes = dict.fromkeys(able - trained, half)


def trained_networks(model: Model) -> set[str]:
    """The networks of which something of their own is trained."""
    return {name.partition(".")[0] for name in model.trainable() if not lora.is_adapter(name)}


def apply_memory(model: Model, mode: str, training: bool = False) -> None:
    """Sets a model up for a mode; call it after weights are loaded and before `to(device)`.

    Raises UsageError for another mode.
    """
    if mode not in MODES:
        raise UsageError(f"memory {mode!r}; allowed are {', '.join(MODES)}")
    saves, low = mode != "full", mode == "low"
    model.sequential_guidance = saves and not training
    model.offload = low and not training
    if saves and training:
        checkpoint_gradients(model)
    for network in model.networks.values():
        if hasattr(network, "enable_tiling"):  # a VAE
            _toggle(network, "slicing", saves)
            _toggle(network, "tiling", low and not training)


def checkpoint_gradients(model: Model) -> None:
    """Every network that gradients pass computes its blocks again in the backward pass; others it costs nothing.

    A frozen denoiser is among them where what it attends to is trained.
    """
    network: Any
    for network in model.networks.values():
        if hasattr(network, "enable_gradient_checkpointing"):
            network.enable_gradient_checkpointing()


@contextmanager
def at_work(model: Model, *names: str) -> Iterator[None]:
    """These networks lie on the model's device; when the model offloads, they go back to the CPU afterwards.

    Those that an outer `at_work` has brought there stay until that ends.
    """
    away = [] if not model.offload else [name for name in names if _device(model.networks[name]) != model.device.type]
    for name in away:
        model.networks[name].to(model.device)
    try:
        yield
    finally:
        for name in away:
            model.networks[name].to("cpu")
        if away:
            torch.cuda.empty_cache()


def _device(network: torch.nn.Module) -> str:
    return next(network.parameters()).device.type


def _toggle(vae: Any, what: str, on: bool) -> None:
    getattr(vae, f"{'enable' if on else 'disable'}_{what}")()


def peak(device: torch.device) -> str:
    """The most memory that was in use at once, for people: the accelerator's, or that of this process."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / _GIB:.1f} GiB of the GPU"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{most * (1 if sys.platform == 'darwin' else 1024) / _GIB:.1f} GiB"
