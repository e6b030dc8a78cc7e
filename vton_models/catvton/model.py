"""CatVTON's networks: a stock SD 1.5 U-Net without text, whose self-attention sees person and garment side by side.

U-Net input [b 9 2h w]: noisy latents 4, mask 1 (1 = repaint, the garment's half 0), condition 4: the masked person's
latents joined with the garment's. Mask-free there are 8, the condition showing the person in other clothes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from schemas.cli.flags import UsageError
from vton_models.catvton import official
from vton_models.catvton.config import Config
from vton_models.catvton.sampling import Sampling
from vton_models.networks import attention, diffusion, latents, memory, text, weights
from vton_models.networks.diffusion_model import Conditions, DiffusionModel


class CatVTON(DiffusionModel):
    """`trainable` is the published 80 tensors of self-attention, every `*.attentions.*`, or the whole U-Net."""

    name = "catvton"
    config: Config

    def change_networks(self) -> None:
        if not self.config.text_cross_attention:
            attention.skip_cross_attention(self.unet)

    def check_network(self, name: str, arguments: Mapping[str, Any], folder: Path) -> None:
        channels = arguments.get("in_channels", 4)
        if name == "unet" and channels != self.config.in_channels:
            kind = "mask-free: InstructPix2Pix" if self.config.mask_free else "an inpainting base"
            raise UsageError(f"{folder} has {channels} input channels; allowed are {self.config.in_channels} ({kind})")

    def unused(self) -> frozenset[str]:
        if self.config.text_cross_attention:
            return frozenset()
        return frozenset(name for name in self.trainable() if ".attn2." in name)

    def encodable(self, seen: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {**seen, "shown_person": self._shown_person(seen)}

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws, in this order: VAE noise of person, condition person and garment; dropout; timesteps; noise.

        All are drawn whatever `timesteps` int64 [b] are, so that a validation's noise is the same for any of them.
        """
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        person = self.encode(seen["person"], noises, "person")
        shown = self.encode(self._shown_person(seen), noises, "shown_person")
        garment = self.encode(seen["garment"], noises, "garment")
        keep = diffusion.keep_mask(len(person), self.config.garment_dropout, generator).to(self.device)
        clean = self._join(person, garment)
        condition = self._condition(seen, shown, garment * keep.view(-1, 1, 1, 1), self._states(seen))
        drawn = diffusion.uniform_timesteps(len(person), len(self.alphas), generator)
        noise = noises("noise", clean.shape, self.device)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        return self.denoising_loss(clean, condition, noise, chosen)

    def denoising_loss(self, clean: Tensor, condition: diffusion.Condition, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean squared error of the predicted noise, DREAM's correction applied; joined latents [b 4 2h w]."""
        noisy = diffusion.add_noise(self.alphas, clean, noise, timesteps)
        noisy, target = self.rectify(noisy, condition, noise, timesteps)
        model_pred = self.predict(noisy, timesteps, condition)
        if self.config.loss_on == "person":
            model_pred, target = self._person_half(model_pred), self._person_half(target)
        return F.mse_loss(model_pred, target)

    def rectify(
        self, noisy: Tensor, condition: diffusion.Condition, noise: Tensor, timesteps: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(noisy latents, target) by DREAM; with p = inf they are what they were, and no pass is spent."""
        if self.config.dream == float("inf"):
            return noisy, noise
        with torch.no_grad():
            model_pred = self.predict(noisy, timesteps, condition)
        _, sigma = diffusion.scales(self.alphas, timesteps)
        return diffusion.dream(model_pred, noise, noisy, sigma, self.config.dream)

    # Sampling

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Sampling) -> Conditions:
        """Mask-free it reads `source_person`, not `person`. Draws "shown_person" and "garment" of the VAE.

        Guidance above 1 has the branches [uncond, cond].
        """
        with memory.at_work(self, "vae"):
            shown = self.encode(self._shown_person(seen), draws, "shown_person")
            garment = self.encode(seen["garment"], draws, "garment")
        garments = [garment] if settings.guidance_scale <= 1 else [torch.zeros_like(garment), garment]
        states = self._states(seen)
        branches = [self._condition(seen, shown, one, states) for one in garments]
        return Conditions(branches, self._join(shown, garment).shape)

    def picture(self, denoised: Tensor) -> Tensor:
        return self._person_half(denoised)

    # Both

    def predict(self, noisy: Tensor, timestep: Tensor, condition: diffusion.Condition) -> Tensor:
        """ε float32 for joined noisy latents; the condition's `channels` follow them into the U-Net."""
        channels, states = condition["channels"], condition["encoder_hidden_states"]
        assert channels is not None
        entering = torch.cat([noisy, channels], dim=1).to(self.unet.dtype)
        if states is not None:
            states = states.to(self.unet.dtype)
        return self.unet(entering, timestep, encoder_hidden_states=states).sample.float()

    def _shown_person(self, seen: Mapping[str, Tensor]) -> Tensor:
        """What the condition shows of the person, −1–1: masked, or the other clothes."""
        if "shown_person" in seen:  # encoded before
            return seen["shown_person"]
        if self.config.mask_free:
            return latents.to_pixels(seen["source_person"])
        return self.masked(seen["person"], seen["mask"])

    def _condition(
        self, seen: Mapping[str, Tensor], shown: Tensor, garment: Tensor, states: Tensor | None
    ) -> diffusion.Condition:
        """`channels` [b 5 2h w]: mask and condition latents (4 mask-free); `encoder_hidden_states`: the caption's.

        The caption is there in both branches of guidance, as it is never dropped in training.
        """
        channels = self._join(shown, garment)
        if not self.config.mask_free:
            mask = self.latent_mask(seen["mask"])
            channels = torch.cat([self._join(mask, torch.zeros_like(mask)), channels], dim=1)
        return {"channels": channels, "encoder_hidden_states": states}

    def _states(self, seen: Mapping[str, Tensor]) -> Tensor | None:
        if not self.config.text_cross_attention:
            return None
        with memory.at_work(self, "text_encoder"):
            return text.encode(self.networks["text_encoder"], seen["input_ids"])

    def _join(self, person: Tensor, garment: Tensor) -> Tensor:
        return torch.cat([person, garment], dim=self.config.dim)

    def _person_half(self, joined: Tensor) -> Tensor:
        return joined.chunk(2, dim=self.config.dim)[0]

    # Weights

    def load_official(self, path: str | Path) -> None:
        """Self-attention as CatVTON publishes it (`…/attention/model.safetensors`), or a diffusers `unet` folder."""
        file = official.attention_file(Path(path))
        if file is not None:
            weights.assign(official.numbered_attention(self.unet), official.read_attention(file), file)
            self.lay([file])
            return
        folder = official.unet_folder(Path(path))
        weights.assign(self.unet.state_dict(), weights.component(type(self.unet), folder).state_dict(), folder)
        self.lay(weights.component_files(folder))

    def save_official(self, path: str | Path) -> None:
        """As `load_official` reads: `attention/model.safetensors` or, where more than that is trained, `unet/`."""
        if self.config.trainable == "self_attention":
            file = official.attention_target(Path(path))
            weights.write(file, official.numbered_attention(self.unet))
        else:
            weights.save_folder({"unet": self.unet}, Path(path))
