"""The annotators of a process: each is built once, and from the weights that the build was planned with."""

import socket
import threading
from typing import Any

from annotators.common import batching, registry
from pipelines.runners import _granted as granted
from pipelines.sources.outcomes import Unusable

_building = threading.Lock()
_built: dict[Any, batching.Annotator | Unusable] = {}


def shared(name: str, config: Any, digest: str | None = None) -> batching.Annotator:
    """The annotator of a Config, built once per process; `digest` is what its weights must have. Raises Unusable."""
    with _building:
        if (config, digest) not in _built:
            _built[config, digest] = _build(name, config, digest)
        built = _built[config, digest]
    if isinstance(built, Unusable):
        raise built
    return built


def _build(name: str, config: Any, digest: str | None) -> batching.Annotator | Unusable:
    try:
        if registry.needs_weights(config):
            _check_weights(config, digest)
            granted.claim(config.device if hasattr(config, "device") else "cpu")
            import torch

            torch.set_num_threads(1)  # workers are the parallelism; sums must not depend on how many cores there are
        return config.build()
    except ValueError as error:
        return Unusable(f"annotator {name}: {error}")
    except ImportError as error:
        return Unusable(f"annotator {name}: {error}; `pip install 'vton-pipelines[annotators]'` brings what it needs")


def _check_weights(config: Any, digest: str | None) -> None:
    """Raises ValueError where the weights of this machine aren't those that the build was planned with."""
    present = registry.digest(config)
    if digest not in (None, present):
        names = ", ".join(registry.needs_weights(config))
        raise ValueError(
            f"weights {names} on {socket.gethostname()} aren't those that the build was planned with:"
            f" sha256 is {present}, planned was {digest}"
        )
