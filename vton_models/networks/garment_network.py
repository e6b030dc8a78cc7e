"""Systems whose denoiser attends to what a second U-Net, the garment network, makes of the garment.

The features of one pass are tokens [b n c] per transformer block. They travel as entries of a condition, so that the
branches of guidance are joined like everything else that a denoiser reads; a null garment is `null` features.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vton_models.networks import attention, diffusion, graphs, memory
from vton_models.networks.diffusion_model import DiffusionModel

Features = Mapping[str, Tensor]  # transformer block → tokens [b n c]

_ENTRY = "garment:"  # marks a condition's entries that are features


class GarmentNetworkModel(DiffusionModel):
    """A DiffusionModel whose networks also have a "garment_unet"; "unet" recalls its features in self-attention.

    With `pre_norm` features are what enters `norm1`, and the denoiser's own `norm1` normalises them; else they are what
    leaves it. Two stores lie between the networks: a pass of the garment network fills `captured`, and `recalled` holds
    what the denoiser's latest pass read. Both keep their tensors until the next pass, since gradient checkpointing runs
    blocks of either network again in the backward pass.
    """

    pre_norm: ClassVar[bool] = False

    @property
    def garment_unet(self) -> Any:
        return self.networks["garment_unet"]

    def change_networks(self) -> None:
        self.captured: attention.Store = {}
        self.recalled: attention.Store = {}
        if self.pre_norm:
            attention.remember_before_norm(self.garment_unet, self.captured)
        else:
            attention.remember(self.garment_unet, self.captured)
        attention.recall(self.unet, self.recalled, own_norm=self.pre_norm)

    def unused(self) -> frozenset[str]:
        """The trained parameters of the garment network behind its last features."""
        behind = {f"garment_unet.{name}" for name in attention.behind_features(self.garment_unet, self.pre_norm)}
        return frozenset(behind & self.trainable().keys())

    def garment_features(
        self, latents: Tensor, states: Tensor | None, timestep: int | Tensor = 0
    ) -> Mapping[str, Tensor]:
        """One pass over latents [b c h w] and text states; the noise that it predicts is thrown away."""
        if not isinstance(timestep, Tensor):
            timestep = diffusion.upload(torch.tensor(timestep), latents.device)
        entering = {"latents": latents, "timestep": timestep, "encoder_hidden_states": states}
        with memory.at_work(self, "garment_unet"):
            return self.graphs("garment_features", self._pass_garment, entering)

    def _pass_garment(self, entering: graphs.Entering) -> graphs.Leaving:
        unet, latents, states = self.garment_unet, entering["latents"], entering["encoder_hidden_states"]
        assert latents is not None
        self.captured.clear()
        states = None if states is None else states.to(unet.dtype)
        unet(latents.to(unet.dtype), entering["timestep"], encoder_hidden_states=states)
        return dict(self.captured)

    def predict(self, noisy: Tensor, timestep: Any, condition: diffusion.Condition) -> Tensor:
        """ε float32; the condition has `encoder_hidden_states`, features, and `channels` that follow the latents."""
        channels, states = condition.get("channels"), condition.get("encoder_hidden_states")
        self.recalled.clear()
        self.recalled.update(features_of(condition))
        entering = noisy if channels is None else torch.cat([noisy, channels], dim=1)
        states = None if states is None else states.to(self.unet.dtype)
        return self.unet(entering.to(self.unet.dtype), timestep, encoder_hidden_states=states).sample.float()


def entries(features: Features) -> dict[str, Tensor | None]:
    """Features as entries of a condition, beside its others."""
    return {f"{_ENTRY}{block}": tokens for block, tokens in features.items()}


def features_of(condition: diffusion.Condition) -> dict[str, Tensor]:
    """The features that `entries` put into a condition."""
    found = ((name.removeprefix(_ENTRY), value) for name, value in condition.items() if name.startswith(_ENTRY))
    return {block: tokens for block, tokens in found if tokens is not None}


def split(features: Features, count: int) -> list[dict[str, Tensor]]:
    """Those of each of `count` batches that passed the garment network as one."""
    parts = {block: tokens.chunk(count) for block, tokens in features.items()}
    return [{block: each[number] for block, each in parts.items()} for number in range(count)]


def null(features: Features) -> dict[str, Tensor]:
    """Zeros in the place of features: they stay in the softmax, so that this isn't the denoiser by itself."""
    return {block: torch.zeros_like(tokens) for block, tokens in features.items()}


def scaled(features: Features, keep: Tensor) -> dict[str, Tensor]:
    """Features times `keep` [b], item by item: where it is 0 they are null, and in the graph without a gradient."""
    return {block: tokens * keep.to(tokens).view(-1, 1, 1) for block, tokens in features.items()}
