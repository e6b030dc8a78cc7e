"""Exponential moving average of the trained parameters."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Ema:
    """Averages in float32, on the parameters' devices.

    The decay of update n (from 1) is min(decay, (1 + n) / (10 + n)), as diffusers' EMAModel has it, so that early
    averages forget the start.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor], decay: float) -> None:
        self.parameters, self.decay, self.updates = parameters, decay, 0
        self.averages = {name: value.detach().float().clone() for name, value in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, average in self.averages.items():
            average.lerp_(self.parameters[name].detach().float(), 1.0 - decay)

    def load(self, averages: Mapping[str, torch.Tensor], updates: int) -> None:
        for name, average in self.averages.items():
            average.copy_(averages[name])
        self.updates = updates

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the parameters hold the averages."""
        kept = {name: value.detach().clone() for name, value in self.parameters.items()}
        self.assign()
        try:
            yield
        finally:
            _copy(kept, self.parameters)

    def assign(self) -> None:
        """The parameters become the averages."""
        _copy(self.averages, self.parameters)


@torch.no_grad()
def _copy(values: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]) -> None:
    for name, target in targets.items():
        target.copy_(values[name])
