"""Magic Clothing's networks: a frozen SD 1.5 denoiser, and a copy of its U-Net that is trained to describe the garment.

The garment network sees the garment's latents once, without noise, at timestep 0 and with the text ""; the denoiser's
self-attentions have its tokens as further keys and values. Zeros are the null garment. On an inpainting base the
denoiser's input [b 9 h w] also has the mask and the masked person's latents, and there is no text.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from schemas.cli.flags import UsageError
from vton_models.magic_clothing import official
from vton_models.magic_clothing.config import Config
from vton_models.magic_clothing.sampling import Sampling
from vton_models.networks import attention, diffusion, garment_network, latents, memory, text
from vton_models.networks.diffusion_model import Conditions
from vton_models.networks.garment_network import Features, GarmentNetworkModel

# Over the training schedule: what UniPC takes of the base's DEIS settings. σ ends where that of diffusers 0.25 did.
UNIPC = {"timestep_spacing": "linspace", "steps_offset": 0, "final_sigmas_type": "sigma_min"}


class MagicClothing(GarmentNetworkModel):
    """The garment network is trained and, where fusion is hybrid, its keys and values."""

    name = "magic_clothing"
    config: Config

    def change_networks(self) -> None:
        super().change_networks()
        if self.config.fusion == "hybrid":
            attention.recall_beside(self.unet, self.recalled, self.networks["key_values"])

    def derive(self, name: str) -> None:
        """Keys and values of the garment begin as the denoiser's own."""
        self.networks[name].begin_as(self.unet)

    def check_network(self, name: str, arguments: Mapping[str, Any], folder: Path) -> None:
        channels, allowed = arguments.get("in_channels", 4), {"unet": self.config.in_channels, "garment_unet": 4}
        if name in allowed and channels != allowed[name]:
            raise UsageError(f"{folder} has {channels} input channels; {name} takes {allowed[name]}")

    def encodable(self, seen: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        shown = {"shown_garment": self._shown_garment(seen)}
        if self.config.inpainting:
            shown["shown_person"] = self._shown_person(seen)
        return {**seen, **shown}

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws, in this order: VAE noise of the person and, if masked, of that; dropout; timesteps; noise.

        All are drawn whatever `timesteps` int64 [b] are, so that a validation's noise is the same for any of them.
        """
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        clean = self.encode(seen["person"], noises, "person")
        channels = self._channels(seen, noises)
        keep_garment, keep_text = self._kept(len(clean), generator)
        drawn = diffusion.uniform_timesteps(len(clean), len(self.alphas), generator)
        noise = noises("noise", clean.shape, self.device)
        states = torch.where(keep_text.view(-1, 1, 1) > 0, self._states(seen), self._null_states(len(clean)))
        garment = self.garment_latents(seen)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        return self.denoising_loss(clean, garment, keep_garment, states, noise, chosen, channels)

    def denoising_loss(
        self,
        clean: Tensor,
        garment: Tensor,
        keep_garment: Tensor,
        states: Tensor,
        noise: Tensor,
        timesteps: Tensor,
        channels: Tensor | None = None,
    ) -> Tensor:
        """Mean squared error of the predicted noise, of latents [b 4 h w] of person and garment."""
        features = garment_network.scaled(self.features(garment), keep_garment)
        noisy = diffusion.add_noise(self.alphas, clean, noise, timesteps)
        return F.mse_loss(self.predict(noisy, timesteps, _condition(channels, states, features)), noise)

    def _kept(self, items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Ones and zeros [items], whether garment and text are kept: one draw of each item says what is dropped."""
        config, drawn = self.config, torch.rand(items, generator=generator, device=generator.device).to(self.device)
        garment_only, either = config.garment_dropout, config.garment_dropout + config.text_dropout
        both = (drawn >= either) & (drawn < either + config.both_dropout)
        no_garment = (drawn < garment_only) | both
        no_text = ((drawn >= garment_only) & (drawn < either)) | both
        return (~no_garment).float(), (~no_text).float()

    # Sampling

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Sampling) -> Conditions:
        """The branches of `guided`; with an inpainting base it draws nothing either, as it takes the mode."""
        garment, channels = self.garment_latents(seen), self._channels(seen, None)
        features = self.features(garment)
        null, states = garment_network.null(features), self._states(seen)
        if self.config.inpainting:
            branches = [(states, null), (states, features)][settings.garment_guidance_scale <= 1 :]
        elif settings.scale <= 1:
            branches = [(states, features)]
        else:
            negative = self._text(settings.negative_prompt, len(garment))
            branches = {
                "joint": [(negative, null), (negative, features), (states, features)],
                "independent": [(negative, null), (states, null), (negative, features)],
                "single": [(negative, null), (states, features)],
            }[settings.guidance]
        return Conditions([_condition(channels, *branch) for branch in branches], garment.shape)

    def guided(self, branches: diffusion.Branches, settings: Sampling) -> Callable[[Tensor, Any], Tensor]:
        """By [nothing, garment, both], [nothing, text, garment] or [nothing, both]; a single branch as it is."""
        scales = settings.scale, settings.garment_guidance_scale
        guide = diffusion.guide_jointly if settings.guidance == "joint" else diffusion.guide_independently

        def predict(latents: Tensor, timestep: Any) -> Tensor:
            each = branches(latents, timestep)
            if len(each) == 3:
                return guide(each[0], each[1], each[2], *scales)
            return diffusion.guide(each[0], each[1], scales[self.config.inpainting]) if len(each) == 2 else each[0]

        return predict

    def scheduler(self, settings: Sampling) -> Any:
        """UniPC of order 2, evenly spaced."""
        scheduler = diffusion.unipc(self.config.scheduler_arguments, **UNIPC)
        scheduler.set_timesteps(settings.num_inference_steps)
        return scheduler

    def step(
        self, scheduler: Any, draws: diffusion.Noises, settings: Sampling
    ) -> Callable[[int, Any, Tensor, Tensor], Tensor]:
        return diffusion.plain_step(scheduler)

    # Both

    def garment_latents(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The mode of the garment on mid-grey, which is 0 of −1–1."""
        with memory.at_work(self, "vae"):
            return self.encode(self._shown_garment(seen), None)

    def features(self, garment: Tensor) -> Mapping[str, Tensor]:
        """One pass of the garment network: timestep 0, and the text "" whatever the prompts are."""
        return self.garment_features(garment, self._null_states(len(garment)))

    def _channels(self, seen: Mapping[str, Tensor], noises: diffusion.Noises | None) -> Tensor | None:
        """Of an inpainting base [b 5 h w]: mask, and latents of the masked person."""
        if not self.config.inpainting:
            return None
        with memory.at_work(self, "vae"):
            shown = self.encode(self._shown_person(seen), noises, "shown_person")
        return torch.cat([self.latent_mask(seen["mask"]), shown], dim=1)

    def _shown_garment(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The garment on mid-grey, −1–1, or what it was encoded to before."""
        if "shown_garment" in seen:
            return seen["shown_garment"]
        return latents.to_pixels(seen["garment"]) * latents.to_binary(seen["garment_mask"])

    def _shown_person(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The masked person, −1–1, or what it was encoded to before."""
        return seen["shown_person"] if "shown_person" in seen else self.masked(seen["person"], seen["mask"])

    def _states(self, seen: Mapping[str, Tensor]) -> Tensor:
        """Of the text; an inpainting base has none."""
        if self.config.inpainting:
            return self._null_states(len(self._shown_garment(seen)))
        with memory.at_work(self, "text_encoder"):
            return text.encode(self.networks["text_encoder"], seen["input_ids"])

    def _null_states(self, items: int) -> Tensor:
        return self._text("", items)

    def _text(self, words: str, items: int) -> Tensor:
        """States [items n c] of one text."""
        assert self.tokenizer is not None
        ids = diffusion.upload(torch.tensor([self.tokenizer(words)]), self.device)
        with memory.at_work(self, "text_encoder"):
            return text.encode(self.networks["text_encoder"], ids).expand(items, -1, -1)

    # Weights

    def load_official(self, path: str | Path) -> None:
        """The garment network as it is published and, where fusion is hybrid, its keys and values."""
        self.lay(official.load(self.networks, Path(path)))

    def save_official(self, path: str | Path) -> None:
        """As `load_official` reads."""
        official.save(self.networks, Path(path))


def _condition(channels: Tensor | None, states: Tensor, features: Features) -> diffusion.Condition:
    return {"channels": channels, "encoder_hidden_states": states, **garment_network.entries(features)}
