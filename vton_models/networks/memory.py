"""--memory: how a model spends less of an accelerator's memory, and what that costs.

full      everything at once.
medium    the VAE takes one picture at a time; guidance branches run one after another; training checkpoints gradients.
low       as medium; in sampling also: the VAE decodes large pictures in tiles, and of the networks only the one at work
          lies on the accelerator, in bfloat16. In training, networks of which nothing is trained are in bfloat16.

Medium equals full but for rounding. Low differs by bfloat16's rounding and, above the VAE's own tile size (512 pixels),
by the tiles' blended seams. A CPU has no memory to spare elsewhere: there, low neither moves nor rounds anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from schemas.cli.flags import UsageError
from vton_models.system import Model

MODES = ("full", "medium", "low")


def apply_memory(model: Model, mode: str, training: bool = False) -> None:
    """Sets a model up for a mode; call it after weights are loaded and before `to(device)`.

    Raises UsageError for another mode.
    """
    if mode not in MODES:
        raise UsageError(f"memory {mode!r}; allowed are {', '.join(MODES)}")
    saves, low = mode != "full", mode == "low"
    model.sequential_guidance = saves and not training
    model.offload = low and not training
    model.half = frozenset(model.networks if not training else _frozen(model)) if low else frozenset()
    if saves and training:
        checkpoint_gradients(model)
    if "vae" in model.networks:
        _toggle(model.networks["vae"], "slicing", saves)
        _toggle(model.networks["vae"], "tiling", low and not training)


def checkpoint_gradients(model: Model) -> None:
    """Every network that is trained, or that gradients pass, computes its blocks again in the backward pass."""
    network: Any
    for network in model.networks.values():
        if hasattr(network, "enable_gradient_checkpointing") and any(p.requires_grad for p in network.parameters()):
            network.enable_gradient_checkpointing()


@contextmanager
def at_work(model: Model, *names: str) -> Iterator[None]:
    """These networks lie on the model's device; when the model offloads, they go back to the CPU afterwards."""
    if not model.offload or model.device.type == "cpu":
        yield
        return
    for name in names:
        model.networks[name].to(model.device)
    try:
        yield
    finally:
        for name in names:
            model.networks[name].to("cpu")
        torch.cuda.empty_cache()


def _frozen(model: Model) -> list[str]:
    trained = {name.split(".")[0] for name in model.trainable()}
    return [name for name in model.networks if name not in trained]


def _toggle(vae: Any, what: str, on: bool) -> None:
    getattr(vae, f"{'enable' if on else 'disable'}_{what}")()
