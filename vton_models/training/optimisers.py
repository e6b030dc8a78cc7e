"""The optimisers that a run may choose: one table, a row each; a package that one needs waits until it is built."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.cli.flags import UsageError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    Build = Callable[[Iterable[nn.Parameter], float, float, bool], Optimizer]


@dataclass(frozen=True)
class Row:
    """How an optimiser is built of (parameters, learning rate, weight decay, fused), and the package that it lies in.

    Fused, all parameters take their step in one kernel, where the optimiser has such; on a CPU its last bits differ.
    """

    build: "Build"
    package: str = "torch"
    states: float = 2.0  # float32 numbers that it keeps for each trained one, about


def _adamw(parameters: "Iterable[nn.Parameter]", learning_rate: float, weight_decay: float, fused: bool) -> "Optimizer":
    from torch.optim import AdamW

    return AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=fused or None)


def _adam(parameters: "Iterable[nn.Parameter]", learning_rate: float, weight_decay: float, fused: bool) -> "Optimizer":
    """Weight decay is part of the gradient (arXiv:1412.6980)."""
    from torch.optim import Adam

    return Adam(parameters, lr=learning_rate, weight_decay=weight_decay, fused=fused or None)


def _adamw_8bit(
    parameters: "Iterable[nn.Parameter]", learning_rate: float, weight_decay: float, fused: bool
) -> "Optimizer":
    """Two bytes of state per parameter instead of eight (arXiv:2110.02861)."""
    from bitsandbytes.optim import AdamW8bit

    optimizer: Optimizer = AdamW8bit(parameters, lr=learning_rate, weight_decay=weight_decay)
    return optimizer


def _adafactor(
    parameters: "Iterable[nn.Parameter]", learning_rate: float, weight_decay: float, fused: bool
) -> "Optimizer":
    """Second moments by rows and columns, no first ones (arXiv:1804.04235)."""
    from torch.optim import Adafactor

    return Adafactor(parameters, lr=learning_rate, weight_decay=weight_decay)


TABLE = {
    "adamw": Row(_adamw),
    "adamw_8bit": Row(_adamw_8bit, "bitsandbytes", 0.5),
    "adam": Row(_adam),
    "adafactor": Row(_adafactor, states=0.0),
}


def check(name: str) -> None:
    """Raises UsageError for an unknown optimiser, and for one whose package isn't installed."""
    if name not in TABLE:
        raise UsageError(f"--optimizer {name!r}; allowed are {', '.join(TABLE)}")
    package = TABLE[name].package
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"--optimizer {name} needs the package {package}, which isn't installed")


def build(
    name: str, parameters: "Iterable[nn.Parameter]", learning_rate: float, weight_decay: float, fused: bool = False
) -> "Optimizer":
    """The optimiser of that name. Raises UsageError as `check` does."""
    check(name)
    return TABLE[name].build(parameters, learning_rate, weight_decay, fused)
