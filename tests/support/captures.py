"""A stand-in for CUDA graphs: it shows when passes are captured and replayed, and does on a CPU what a replay does."""

from collections.abc import Callable

import torch

from vton_models.networks.graphs import Entering, Leaving, Pass


class FakeCapture:
    """A replay runs the pass over the captured tensors and writes into the captured results, as a graph would.

    `events` has "capture NUMBER" and "replay NUMBER"; `fails` says of which attempts nothing comes.
    """

    def __init__(self, fails: Callable[[int], bool] = lambda number: False) -> None:
        self.events: list[str] = []
        self.count, self.fails = 0, fails

    def able(self, entering: Entering) -> bool:
        return not torch.is_grad_enabled()

    def __call__(self, run: Pass, entering: Entering) -> Callable[[], Leaving]:
        number, self.count = self.count, self.count + 1
        if self.fails(number):
            self.events.append(f"failure {number}")
            raise RuntimeError("this pass asks for a value")
        self.events.append(f"capture {number}")
        leaving = {name: tensor.clone() for name, tensor in run(entering).items()}

        def replay() -> Leaving:
            self.events.append(f"replay {number}")
            for name, tensor in run(entering).items():
                leaving[name].copy_(tensor)
            return leaving

        return replay
