"""Predictions whose garment features follow the timestep, or are those of one timestep and only nearly right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vton_models.networks import diffusion, garment_network
from vton_models.networks.diffusion_model import Conditions
from vton_models.networks.garment_network import Features

_LOOKS = 3  # steps in which an approximation is compared


@dataclass(frozen=True)
class GarmentConditions(Conditions):
    """Also the garment's latents and the states of its sentence, of which features are made in every step."""

    garment: Tensor | None = None
    garment_states: Tensor | None = None


class Following(diffusion.Branches):
    """Branches [uncond, cond] or [cond], of which the garment network runs for the last: the first one's are zeros.

    `read` gives the features at a timestep; it is called once per step.
    """

    def __init__(
        self,
        predict: diffusion.Predict,
        conditions: Sequence[diffusion.Condition],
        sequential: bool,
        read: Callable[[Any], Features],
    ) -> None:
        self.predict, self.each, self.sequential, self.read = predict, conditions, sequential, read

    def __call__(self, latents: Tensor, timestep: Any) -> tuple[Tensor, ...]:
        return self.by(self.read(timestep), latents, timestep)

    def by(self, features: Features, latents: Tensor, timestep: Any) -> tuple[Tensor, ...]:
        """The predictions with these features."""
        *uncond, cond = self.each
        zeros = garment_network.entries(garment_network.null(features)) if uncond else {}
        conditions = [*({**one, **zeros} for one in uncond), {**cond, **garment_network.entries(features)}]
        return diffusion.Branches(self.predict, conditions, self.sequential)(latents, timestep)


class Frozen(diffusion.Branches):
    """Predictions with the features of one timestep in every step.

    In the first, the middle and the last step `tell` hears how far the guided prediction is from the one with the
    step's own features, as a share of that one's root mean square.
    """

    def __init__(
        self,
        following: Following,
        features: Features,
        steps: int,
        guidance_scale: float,
        tell: Callable[[Tensor], None],
    ) -> None:
        self.following, self.features, self.guidance_scale, self.tell = following, features, guidance_scale, tell
        self.looks = {place * (steps - 1) // (_LOOKS - 1) for place in range(_LOOKS)}
        self.index = 0

    def __call__(self, latents: Tensor, timestep: Any) -> tuple[Tensor, ...]:
        approximate = self.following.by(self.features, latents, timestep)
        if self.index in self.looks:
            near, exact = self._guided(approximate), self._guided(self.following(latents, timestep))
            self.tell((near - exact).square().mean().sqrt() / exact.square().mean().sqrt())
        self.index += 1
        return approximate

    def _guided(self, predictions: tuple[Tensor, ...]) -> Tensor:
        *uncond, cond = predictions
        return diffusion.guide(uncond[0], cond, self.guidance_scale) if uncond else cond
