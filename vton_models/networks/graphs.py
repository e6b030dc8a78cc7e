"""A network's passes as CUDA graphs: the same kernels on the same memory, sent to the device as one.

A pass is a function of tensors that reads nothing else and asks for no values. The first of a kind, which is its name
and the shapes and dtypes of what enters, runs as it is; so does everything where no graph can be made: with gradients,
under autocast, on a CPU. The second is captured, and from then on replayed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

KEPT = 8  # graphs of a model: each holds what enters and leaves its pass, and they share the memory between

Entering = Mapping[str, Tensor | None]
Leaving = Mapping[str, Tensor]
Pass = Callable[[Entering], Leaving]
Kind = tuple[Any, ...]


class Capture(Protocol):
    """What makes graphs."""

    def able(self, entering: Entering) -> bool:
        """Whether a pass over these tensors can be captured now."""
        ...

    def __call__(self, run: Pass, entering: Entering) -> Callable[[], Leaving]:
        """A replay of the pass over the memory of these tensors; what it gives is overwritten by the next replay.

        Raises RuntimeError where the pass can't be captured.
        """
        ...


class CudaCapture:
    """CUDA graphs, whose intermediate results lie in one pool: they never run at the same time."""

    def __init__(self) -> None:
        self.pool: Any = None

    def able(self, entering: Entering) -> bool:
        return (
            not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cuda")  # whose cast weights don't outlive its block
            and all(tensor is None or tensor.device.type == "cuda" for tensor in entering.values())
            and not torch.cuda.is_current_stream_capturing()
        )

    def __call__(self, run: Pass, entering: Entering) -> Callable[[], Leaving]:
        if self.pool is None:
            self.pool = torch.cuda.graph_pool_handle()
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):  # libraries take their workspaces for a stream at its first pass
            run(entering)
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            leaving = run(entering)

        def replay() -> Leaving:
            graph.replay()
            return leaving

        return replay


@dataclass
class _Graph:
    """A captured pass, and the tensors that it reads."""

    buffers: Mapping[str, Tensor]
    replay: Callable[[], Leaving]

    def __call__(self, entering: Entering) -> Leaving:
        for name, buffer in self.buffers.items():
            value = entering[name]
            assert value is not None, "what is None is part of the pass's kind"
            buffer.copy_(value, non_blocking=True)
        return {name: tensor.clone() for name, tensor in self.replay().items()}


@dataclass
class Graphs:
    """The graphs of one model, the newest `KEPT`; they are dropped when its weights move."""

    capture: Capture = field(default_factory=CudaCapture)
    _known: dict[Kind, _Graph | None] = field(default_factory=dict)  # None: seen once
    _unable: set[Kind] = field(default_factory=set)
    _places: tuple[int, ...] = ()

    def __call__(self, name: str, run: Pass, entering: Entering) -> Leaving:
        """What the pass gives: by its graph if there is one, or as it is."""
        if not self.capture.able(entering):
            return run(entering)
        kind = (name, *((key, None if one is None else (one.shape, one.dtype)) for key, one in entering.items()))
        if kind in self._unable:
            return run(entering)
        if kind not in self._known:
            self._keep(kind, None)
            return run(entering)
        graph = self._known[kind]
        if graph is None:
            graph = self._captured(run, entering)
            if graph is None:
                self._unable.add(kind)
                del self._known[kind]
                return run(entering)
        self._keep(kind, graph)
        return graph(entering)

    def _captured(self, run: Pass, entering: Entering) -> _Graph | None:
        """None where the pass asks for what no graph can have, or memory lacks."""
        try:
            buffers = {name: tensor.clone() for name, tensor in entering.items() if tensor is not None}
            return _Graph(buffers, self.capture(run, {name: buffers.get(name) for name in entering}))
        except RuntimeError:
            return None

    def _keep(self, kind: Kind, graph: _Graph | None) -> None:
        """As the newest; the oldest goes where there are too many."""
        self._known.pop(kind, None)
        self._known[kind] = graph
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]

    def drop(self) -> None:
        """The weights have moved, or are others: graphs would read where they were."""
        self._known.clear()
        self._unable.clear()

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Drops the graphs where these lie elsewhere than at the last call."""
        places = tuple(tensor.data_ptr() for tensor in weights.values())
        if places != self._places:
            self.drop()
        self._places = places
