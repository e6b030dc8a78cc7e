"""--memory: how a model spends less of an accelerator's memory, and what that costs.

full      everything at once.
medium    the VAE takes one picture at a time. In sampling guidance branches run one after another, and of the networks
          only those at work lie on the accelerator. Training checkpoints gradients.
low       as medium; in sampling also: the VAE decodes large pictures in tiles, and all networks are in bfloat16. In
          training, networks of which nothing is trained are in bfloat16.

With mixed precision, networks of which nothing is trained are in its 16 bits whatever the mode. What is frozen and not
in float32 is read from its files so; what is trained is read in float32. Adapters (LoRA) are trained, the weights
beneath them are not. Of networks that are trained in part, the frozen layers that autocast would round in every step
are rounded once.

Medium equals full but for rounding. Low differs by bfloat16's rounding and, above the VAE's own tile size (512 pixels),
by the tiles' blended seams. A CPU has no memory to spare elsewhere: there, low neither moves nor rounds anything.
"""

import re
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from schemas.cli.flags import UsageError
from vton_models.networks import diffusion, lora
from vton_models.system import Model

MODES = ("full", "medium", "low")
_GIB = 1 << 30
_BLOCK = re.compile(r"(down_blocks\.\d+|mid_block|up_blocks\.\d+)")  # of a U-Net
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
    model.frozen_dtype = _HALF.get(use.mixed_precision) if use.training else None
    if half is not None and use.device != "cpu":
        able = {name for name, network in model.config.networks.items() if network.may_be_half}
        trained = trained_networks(model) if use.training else set()
        model.dtypes = dict.fromkeys(able - trained, half)


class Trained(Protocol):
    """What is trained in part, by "NETWORK.NAME"."""

    def trainable(self) -> Mapping[str, nn.Parameter]: ...


def trained_networks(model: Trained) -> set[str]:
    """The networks of which something of their own is trained."""
    return {name.partition(".")[0] for name in model.trainable() if not lora.is_adapter(name)}


def round_frozen(network: nn.Module, dtype: torch.dtype) -> None:
    """What autocast makes of frozen linear and convolutional layers in every step, once: the same bits.

    Norms stay as they are: autocast computes them in float32. So does the first parameter: by it a network says which
    dtype it takes, and what is added to its latents would be rounded.
    """
    first = next(network.parameters())
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad and parameter is not first:
                    parameter.data = parameter.data.to(dtype)


def apply_memory(model: Model, mode: str, training: bool = False) -> None:
    """Sets a model up for a mode; call it after weights are loaded and before `to(device)`.

    Raises UsageError for another mode.
    """
    if mode not in MODES:
        raise UsageError(f"memory {mode!r}; allowed are {', '.join(MODES)}")
    saves, low = mode != "full", mode == "low"
    model.sequential_guidance = saves and not training
    model.offload = saves and not training
    if saves and training:
        checkpoint_gradients(model)
    for network in model.networks.values():
        if hasattr(network, "enable_tiling"):  # a VAE
            _toggle(network, "slicing", saves)
            _toggle(network, "tiling", low and not training)


def checkpoint_gradients(model: Model, blocks: Sequence[str] = ()) -> None:
    """Every network that gradients pass computes its blocks again in the backward pass; others it costs nothing.

    A frozen denoiser is among them where what it attends to is trained. With `blocks` ("down_blocks.0", "mid_block")
    only these compute again. Raises UsageError for one that no network has.
    """
    network: Any
    able: dict[str, nn.Module] = {}
    for network in model.networks.values():
        if hasattr(network, "enable_gradient_checkpointing"):
            network.enable_gradient_checkpointing()
            able |= {name: module for name, module in network.named_modules() if _checkpoints(module)}
            for name, module in network.named_modules() if blocks else ():
                if _checkpoints(module) and not _within(name, blocks):
                    module.gradient_checkpointing = False
    for block in blocks:
        if not any(_within(name, (block,)) for name in able):
            there = sorted({name for name in able if _BLOCK.fullmatch(name)})
            raise UsageError(f"--checkpoint-blocks {block}; allowed are {', '.join(there)}")


def _checkpoints(module: nn.Module) -> bool:
    return hasattr(module, "gradient_checkpointing")


def _within(name: str, blocks: Sequence[str]) -> bool:
    """Whether a module is one of the blocks, or part of one."""
    return any(name == block or name.startswith(f"{block}.") for block in blocks)


@contextmanager
def at_work(model: Model, *names: str) -> Iterator[None]:
    """These networks lie on the model's device; when the model offloads, they leave it afterwards.

    Those that an outer `at_work` has brought there stay until that ends. Nothing changes weights in sampling, so they
    travel one way only: what lies on the CPU stays there all the time.
    """
    away = [] if not model.offload else [name for name in names if _device(model.networks[name]) != model.device.type]
    lent = [_lend(model.networks[name], model.device) for name in away]
    try:
        yield
    finally:
        for take_back in lent:
            take_back()
        if away:
            model.graphs.drop()  # of weights that aren't there any more


def _lend(network: nn.Module, device: torch.device) -> Callable[[], None]:
    """Puts copies on the device in the place of a network's tensors; what is returned puts the own ones back."""
    own: list[tuple[dict[str, Any], str, Tensor]] = []
    copies: dict[int, Tensor] = {}  # a tensor that stands in several places stays one
    for module in network.modules():
        for store in (module._parameters, module._buffers):
            for name, tensor in store.items():
                if tensor is not None:
                    own.append((store, name, tensor))
                    if id(tensor) not in copies:
                        copies[id(tensor)] = _copy(tensor, device)
    for place, name, tensor in own:
        place[name] = copies[id(tensor)]

    def take_back() -> None:
        for place, name, tensor in own:
            place[name] = tensor

    return take_back


def _copy(tensor: Tensor, device: torch.device) -> Tensor:
    copy = diffusion.upload(tensor.detach(), device)
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy


def pin(network: nn.Module) -> None:
    """Lays a network's values where an accelerator fetches them itself, several times as fast."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.pin_memory()


def _device(network: nn.Module) -> str:
    return next(network.parameters()).device.type


def _toggle(vae: Any, what: str, on: bool) -> None:
    getattr(vae, f"{'enable' if on else 'disable'}_{what}")()


def peak(device: torch.device) -> str:
    """The most memory that was in use at once, for people."""
    return f"{peak_bytes(device) / _GIB:.1f} GiB{' of the GPU' if device.type == 'cuda' else ''}"


def peak_gib(device: torch.device) -> float:
    """`peak_bytes` for logs and pages."""
    return round(peak_bytes(device) / _GIB, 3)


def peak_bytes(device: torch.device) -> int:
    """The most memory that was in use at once: the accelerator's, or that of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024)
