"""A seventh system that differs where systems do: it crops by itself, has its own mask recipe, two guidance scales and
networks of two bases.

It is a package's content in one file: `register` makes it one of `vton_models.names()`, and no shared file knows it.
"""

import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from annotators.functional import boxes
from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.networks import weights
from vton_models.networks.components import Network
from vton_models.networks.model import Model
from vton_models.system import About, Box, NoFinishing, Preset, Purpose, Reads, Record, Tokenizer, check_between

NAME = "toy_system"
ABOUT = About("Toy: crops by itself", "arXiv:0000.00001", "example.org/toy", "CC0-1.0", "none", 400, 200)
PRESETS = {"paper": Preset("nothing", 32, 32, 40, 4, 0.01, "nowhere", model={"margin": 6})}
CONVOLUTION = {"kernel_size": 3, "padding": 1}


@dataclass(frozen=True)
class Sampling:
    """Two scales, and no eta."""

    num_inference_steps: int = option(7, "denoising steps")
    garment_scale: float = option(3.0, "how much the garment guides")
    scene_scale: float = option(1.5, "how much the scene guides")

    def __post_init__(self) -> None:
        check_between("num_inference_steps", self.num_inference_steps, 1, 100)
        for name in ("garment_scale", "scene_scale"):
            check_between(name, getattr(self, name), 0, 10)


@dataclass(frozen=True)
class Config:
    """What a user sets of the toy."""

    tasks: ClassVar[tuple[str, ...]] = ("try_on",)
    sampling: ClassVar[type[Sampling]] = Sampling
    finishing: ClassVar[type[NoFinishing]] = NoFinishing

    height: int = option(32, "height of the crop that the network sees")
    width: int = option(32, "width of the crop that the network sees")
    margin: int = option(4, "pixels of the photo around the mask that are seen too")

    @classmethod
    def tiny(cls, **changes: Any) -> "Config":
        return cls(**({"height": 16, "width": 16} | changes))

    @property
    def published_base(self) -> str:
        return "denoiser=owner/denoisers,garment_encoder=owner/encoders"

    @property
    def networks(self) -> dict[str, Network]:
        return {
            "denoiser": Network("torch.nn.Conv2d", CONVOLUTION | {"in_channels": 11, "out_channels": 3}, (".",)),
            "garment_encoder": Network("torch.nn.Conv2d", CONVOLUTION | {"in_channels": 3, "out_channels": 4}),
        }

    @property
    def decode_size(self) -> None:
        """None: the crop is enlarged, so no picture may be reduced before."""

    @property
    def official_needs_base(self) -> bool:
        return False

    def check_size(self) -> None:
        if self.height % 4 or self.width % 4:
            raise UsageError(f"size {self.height}x{self.width}; allowed are multiples of 4")

    def reads(self, kind: str) -> Reads:
        if kind != "tryon":
            raise UsageError(f"the toy can't read records of kind {kind!r}; allowed is 'tryon'")
        needed = ("person_image", "agnostic_mask", "garment_image")
        return Reads(needed, mask_recipe="ootdiffusion", mask_options={"model_type": "dc"})

    def prepare(self, purpose: Purpose, tokenizer: Tokenizer | None = None) -> "Prepare":
        return Prepare((self.height, self.width), self.margin, mirrors=purpose is Purpose.TRAINING)


@dataclass(frozen=True)
class Prepare:
    """The surroundings of the mask, enlarged to the network's size; in training half of them are mirrored."""

    size: tuple[int, int]
    margin: int
    mirrors: bool

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        crop = [boxes.crop(record[name], self.visible(record)) for name in ("person_image", "agnostic_mask")]
        scene, mask, garment = (self._fitted(one) for one in (*crop, record["garment_image"]))
        mirrored = self.mirrors and generator is not None and bool(torch.rand(1, generator=generator) < 0.5)
        pictures = {"scene": scene, "mask": np.where(mask >= 128, np.uint8(255), np.uint8(0)), "garment": garment}
        return {name: _tensor(np.fliplr(one) if mirrored else one) for name, one in pictures.items()}

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        return {"masked_scene": prepared["scene"] * (prepared["mask"] < 128), **prepared}

    def visible(self, record: Record) -> Box:
        mask = record["agnostic_mask"]
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        top, left = max(0, int(rows[0]) - self.margin), max(0, int(columns[0]) - self.margin)
        bottom, right = int(rows[-1]) + 1 + self.margin, int(columns[-1]) + 1 + self.margin
        return left, top, min(right, mask.shape[1]), min(bottom, mask.shape[0])

    def _fitted(self, picture: np.ndarray) -> np.ndarray:
        return cv2.resize(np.ascontiguousarray(picture), self.size[::-1], interpolation=cv2.INTER_LINEAR)


def _tensor(picture: np.ndarray) -> Tensor:
    planes = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
    return torch.from_numpy(planes.copy(order="C"))


class Toy(Model):
    """Predicts clean pixels from noisy ones, the masked scene and the garment; only the denoiser is trained."""

    name = NAME

    @cached_property
    def alphas(self) -> Tensor:
        return torch.linspace(1, 0.01, 1000)

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        seen = self.on_device(batch)
        clean = seen["scene"].float() / 255
        drawn = torch.randint(0, 1000, (len(clean),), generator=generator, device=generator.device)
        noise = torch.randn(clean.shape, generator=generator, device=generator.device).to(self.device)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        share = self.alphas.to(self.device)[chosen].view(-1, 1, 1, 1)
        noisy = clean * share + noise * (1 - share)
        return F.mse_loss(self._predict(noisy, self._scene(seen), self._garment(seen)), clean)

    @torch.no_grad()
    def sample(self, batch: Mapping[str, Any], settings: Sampling, generator: Any, *, on_step: Any = None) -> Tensor:
        seen = self.on_device(batch)
        scene, garment = self._scene(seen), self._garment(seen)
        each = generator if isinstance(generator, list) else [generator] * len(scene)
        pixels = torch.stack([torch.randn(scene.shape[1:], generator=one) for one in each]).to(self.device)
        for step in range(settings.num_inference_steps):
            nothing, with_scene, with_both = (
                self._predict(pixels, *shown)
                for shown in ((scene * 0, garment * 0), (scene, garment * 0), (scene, garment))
            )
            guided = nothing + settings.scene_scale * (with_scene - nothing)
            guided = guided + settings.garment_scale * (with_both - with_scene)
            pixels = pixels + (guided - pixels) / (settings.num_inference_steps - step)
            if on_step is not None:
                on_step(step, pixels)
        return pixels.clamp(0, 1).float()

    def _predict(self, noisy: Tensor, scene: Tensor, garment: Tensor) -> Tensor:
        mask = (scene == 0).all(dim=1, keepdim=True).float()
        return self.networks["denoiser"](torch.cat([noisy, scene, mask, garment], dim=1))

    def _scene(self, seen: Mapping[str, Tensor]) -> Tensor:
        return seen["scene"].float() / 255 * (seen["mask"] < 128)

    def _garment(self, seen: Mapping[str, Tensor]) -> Tensor:
        return self.networks["garment_encoder"](seen["garment"].float() / 255)

    def save_official(self, path: str | Path) -> None:
        weights.write(path, self.trainable())

    def load_official(self, path: str | Path) -> None:
        weights.assign(self.trainable(), weights.read(path), path)
        self.lay([Path(path)])


def build(config: Config) -> Toy:
    return Toy(config)


def register(patch: pytest.MonkeyPatch) -> None:
    """Makes `vton_models.load` and `names` know the toy, until the patch is undone."""
    import vton_models

    package = types.ModuleType(f"vton_models.{NAME}", __doc__)
    package.__dict__.update({name: globals()[name] for name in ("ABOUT", "PRESETS", "Config", "build")})
    known = vton_models.names()
    patch.setitem(sys.modules, package.__name__, package)
    patch.setattr(vton_models, "names", lambda: (*known, NAME))
