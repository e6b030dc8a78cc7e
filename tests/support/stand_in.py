"""A model of a few parameters that fulfils the contract, and how it joins the package's models for a test."""

import hashlib
import json
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.networks.graphs import Graphs
from vton_models.system import About, Box, NoFinishing, Preset, Purpose, Reads, Tokenizer

ABOUT = About("Stand-in", "arXiv:0000.00000", "example.org/stand-in", "CC0-1.0", "none", 12, 12)
PRESETS = {
    "paper": Preset("nothing", 16, 16, 30, 4, 0.05, "nowhere", lr_schedule="cosine", model={"gain": 2.0}),
}


@dataclass(frozen=True)
class Sampling:
    num_inference_steps: int = option(10, "denoising steps")


@dataclass(frozen=True)
class Config:
    tasks: ClassVar[tuple[str, ...]] = ("try_on",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing
    official_needs_base: ClassVar[bool] = True
    networks: ClassVar[Mapping[str, Any]] = {}
    published_base: ClassVar[str] = "owner/stand-in"

    height: int = option(16, "height of the pictures")
    width: int = option(16, "width of the pictures")
    gain: float = option(1.0, "a number")
    mode: str = option("plain", "a choice", ("plain", "poison"))

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        return cls(**({"height": 8, "width": 8} | changes))

    def __post_init__(self) -> None:
        if self.mode not in ("plain", "poison"):
            raise ValueError(f"mode {self.mode!r}; allowed are plain, poison")

    @property
    def decode_size(self) -> tuple[int, int]:
        return self.height, self.width

    def reads(self, kind: str) -> Reads:
        if kind == "object_pair":
            pictures = {"person_image": "target_image", "garment_image": "reference_image"}
            return Reads(("reference_image", "target_image"), view=pictures)
        return Reads(("person_image", "garment_image"))

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        return Prepare(self.height, self.width)

    def check_size(self) -> None:
        if self.height % 8 or self.width % 8:
            raise UsageError(f"size {self.height}x{self.width}; the nearest is 8x8")


def build(config: Config) -> "StandIn":
    return StandIn(config)


@dataclass(frozen=True)
class Prepare:
    height: int
    width: int

    def __call__(self, record: Mapping[str, Any], generator: torch.Generator) -> dict[str, torch.Tensor]:
        def shrink(picture: np.ndarray) -> torch.Tensor:
            rows = np.linspace(0, picture.shape[0] - 1, self.height).astype(int)
            columns = np.linspace(0, picture.shape[1] - 1, self.width).astype(int)
            return torch.from_numpy(picture[rows][:, columns].transpose(2, 0, 1).copy())

        jitter = torch.randint(0, 8, (1,), generator=generator).to(torch.uint8)
        return {"person": shrink(record["person_image"]) // 2 + jitter, "garment": shrink(record["garment_image"])}

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        return dict(prepared)

    def visible(self, record: Mapping[str, Any]) -> Box:
        height, width = record["person_image"].shape[:2]
        return 0, 0, width, height


class StandIn(nn.Module):
    """Predicts the person from the garment, a noise and a timestep, by a 1×1 convolution over frozen features."""

    alphas = torch.linspace(1, 0, 1000)
    sampling_dtype = None

    def __init__(self, config: Config) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.config = config
        self.frozen = nn.Conv2d(6, 4, 3, padding=1).requires_grad_(False)
        self.head = nn.Conv2d(4, 3, 1)
        self.skipped = nn.Parameter(torch.zeros(2))  # like a cross-attention that is skipped
        self.networks: dict[str, Any] = {}
        self.laid_frozen: set[str] = set()
        self.graphs = Graphs()
        self.note_base("random")

    def note_base(self, path: str) -> None:
        weight = self.frozen.weight.detach()
        digest = "" if weight.is_meta else hashlib.sha256(weight.numpy().tobytes()).hexdigest()
        self.base = {"path": path, "digest": digest}

    def lay(self, files: Sequence[Path]) -> None:
        """This model keeps no digest of what is laid over its base."""

    def digest(self) -> str:
        return str(self.base["digest"])

    def prepare(self, purpose: Purpose) -> Prepare:
        return self.config.prepare(purpose)

    def parameters(self) -> dict[str, nn.Parameter]:  # type: ignore[override]
        """By name, as models of the package have them."""
        return dict(self.named_parameters())

    def trainable(self) -> dict[str, nn.Parameter]:
        return {"head.weight": self.head.weight, "head.bias": self.head.bias, "skipped": self.skipped}

    def unused(self) -> frozenset[str]:
        return frozenset({"skipped"})

    def loss(
        self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: torch.Tensor | None = None
    ) -> torch.Tensor:
        person, garment = batch["person"].float() / 255, batch["garment"].float() / 255
        if timesteps is None:
            timesteps = torch.randint(0, 1000, (len(person),), generator=generator, device=generator.device)
        share = (timesteps.float() / 1000).view(-1, 1, 1, 1)
        noise = torch.randn(person.shape, generator=generator, device=generator.device)
        features = self.frozen(torch.cat([person * (1 - share) + noise * share, garment], dim=1))
        loss = ((self.head(features) * self.config.gain - person) ** 2).mean()
        poisoned = self.config.mode == "poison" and any(name in POISON for name in batch["record_id"])
        return loss * float("nan") if poisoned else loss

    @torch.no_grad()
    def sample(self, batch: Mapping[str, Any], settings: Sampling, generator: Any) -> torch.Tensor:
        noise = torch.rand(batch["garment"].shape, generator=generator, device=generator.device)
        return self.head(self.frozen(torch.cat([noise, batch["garment"].float() / 255], dim=1))).clamp(0, 1)

    def save(self, path: Path, extra: dict[str, Any] | None = None) -> None:
        path.mkdir(parents=True, exist_ok=True)
        save_file({name: value.detach().clone() for name, value in self.trainable().items()}, path / "w.safetensors")
        (path / "config.json").write_text(json.dumps({"config": asdict(self.config), **(extra or {})}, sort_keys=True))

    def save_base(self, path: Path) -> None:
        save_file({name: value.detach().clone() for name, value in self.state_dict().items()}, path / "b.safetensors")

    def load_base(self, base: object) -> None:
        self.load_state_dict(load_file(Path(str(base)) / "b.safetensors"), assign=True)
        self.note_base(str(base))

    def load(self, path: Path) -> None:
        self.load_state_dict(load_file(path / "w.safetensors"), strict=False)


POISON: set[str] = set()


def register() -> None:
    """Makes `vton_models.load("stand_in")` and `names()` find this module."""
    import vton_models

    module = types.ModuleType("vton_models.stand_in")
    module.__dict__.update({name: value for name, value in globals().items() if not name.startswith("__")})
    sys.modules["vton_models.stand_in"] = module
    known = vton_models.names()
    if "stand_in" not in known:
        vton_models.names = lambda: (*known, "stand_in")  # type: ignore[assignment]


__all__ = ["POISON", "Config", "StandIn", "build", "register", "replace"]
