"""Numbers of a system's own code, from a fixture folder under $VTON_PARITY (default: ../shared/parity).

The folder holds meta.json, io.safetensors and weights.safetensors. Networks, sizes, scales, steps and tolerances come
from it, so that another fixture of the same shape is compared as well.
"""

import json
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared" / "parity")


class Fixture:
    """A folder of tensors; every part is read when it is asked for, and an absent folder has no cases."""

    def __init__(self, name: str) -> None:
        self.folder = PARITY / name

    @property
    def needed(self) -> pytest.MarkDecorator:
        """For a module's `pytestmark`."""
        absent = not (self.folder / "io.safetensors").is_file()
        return pytest.mark.skipif(absent, reason=f"no fixture in {self.folder}")

    @cached_property
    def meta(self) -> dict[str, Any]:
        path = self.folder / "meta.json"
        return dict(json.loads(path.read_text())) if path.is_file() else {"cases": [], "tensors": {}, "configs": {}}

    @cached_property
    def cases(self) -> dict[str, dict[str, Any]]:
        return {case["name"]: case for case in self.meta["cases"]}

    def names(self, pattern: str) -> list[str]:
        """The cases whose name begins like this expression."""
        return [name for name in self.cases if re.match(pattern, name)]

    def arguments(self, name: str) -> dict[str, Any]:
        """What a network or scheduler is built with, lists as tuples."""
        from vton_models.networks import weights

        return dict(weights.tuples(self.meta["configs"][name]["config"]))

    @cached_property
    def io(self) -> dict[str, Tensor]:
        return load_file(self.folder / "io.safetensors")

    @cached_property
    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Component → its own keys → float32."""
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in load_file(self.folder / "weights.safetensors").items():
            component, name = key.split("/", 1)
            parts.setdefault(component, {})[name] = tensor.float()
        return parts

    @cached_property
    def share(self) -> float:
        """How far norms of gradients may differ, as a share."""
        return float(re.search(r"relative ([\d.e-]+)", self.meta["tolerance"]["grad_norms"])[1])  # type: ignore[index]

    @cached_property
    def relative(self) -> float:
        """The t of |a − b| ≤ t · max(1, max|b|)."""
        return float(re.search(r"<= ([\d.e-]+) \* max", self.meta["tolerance"]["rule"])[1])  # type: ignore[index]


class Comparison:
    """Compares with a fixture's tensors by its rule, and knows which of a case's outputs it hasn't seen."""

    def __init__(self, fixture: Fixture) -> None:
        self.fixture = fixture
        self.compared: set[str] = set()

    def __call__(self, name: str, found: Any, tolerance: float | None = None) -> None:
        wanted = self.fixture.io[name]
        found = found.detach() if torch.is_tensor(found) else torch.from_numpy(np.array(found))
        assert found.shape == wanted.shape, name
        if wanted.dtype == torch.uint8:
            assert (found.int() - wanted.int()).abs().max() <= 1, name
        elif not wanted.is_floating_point():
            assert torch.equal(found, wanted), name
        else:
            limit = tolerance or self.fixture.relative * max(1.0, float(wanted.abs().max()))
            assert float((found.double() - wanted.double()).abs().max()) <= limit, name
        self.compared.add(name)

    def left(self, case: str) -> set[str]:
        return set(self.fixture.cases[case]["outputs"]) - self.compared
