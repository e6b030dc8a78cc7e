"""--compile: the networks that run in every step as code written for their shapes. It pays in long runs.

What was compiled is kept between processes, in TORCHINDUCTOR_CACHE_DIR or a cache folder of ours. On a GPU kernels are
chosen by trying them (`max-autotune`), and pictures lie channels-last.
"""

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch

from vton_models.networks import weights
from vton_models.system import Model

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
_GPU_MODE = "max-autotune-no-cudagraphs"  # graphs are ours


class Clock:
    """The seconds that compiling has taken in this process so far."""

    def __init__(self) -> None:
        self.seconds, self.began = 0.0, 0.0

    def start(self, *_: Any) -> None:
        self.began = time.perf_counter()

    def stop(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self.began


@cache
def _clock() -> Clock:
    from torch._dynamo.callback import callback_handler

    clock = Clock()
    callback_handler.register_start_callback(clock.start)
    callback_handler.register_end_callback(clock.stop)
    return clock


def compile_networks(model: Model, device: str, backend: str = "inductor") -> None:
    """Sets the networks up to be compiled at their first pass of each shape; parameters and their names stay."""
    os.environ.setdefault(_FOLDER, str(folder()))
    _clock()
    on_gpu = device == "cuda"
    for name in names(model):
        network: Any = model.networks[name]
        network.to(memory_format=torch.channels_last)
        network.compile(dynamic=False, backend=backend, mode=_GPU_MODE if on_gpu else None)
    if on_gpu:
        channels_last(model)


def names(model: Model) -> list[str]:
    """The networks to compile: those of noise and of garments, which are diffusers'."""
    often = {*model.denoisers, "garment_unet"}
    return [name for name, network in model.networks.items() if name in often and weights.is_diffusers(type(network))]


def channels_last(model: Model) -> None:
    """Lays the VAE's values out as its convolutions on a GPU may like them better; results differ by rounding."""
    vae: Any = model.networks["vae"]
    vae.to(memory_format=torch.channels_last)


def folder() -> Path:
    """Where compiled code is kept, unless the environment says otherwise."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(_FOLDER) or caches / "vton-pipelines" / "compiled")


def told() -> str:
    """For people."""
    return f"compiling took {_clock().seconds:.1f} s; {folder()} keeps what came out for the next run"
