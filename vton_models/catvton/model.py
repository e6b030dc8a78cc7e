"""CatVTON's networks: a stock SD 1.5 U-Net without text, whose self-attention sees person and garment side by side.

U-Net input [b 9 2h w]: noisy latents 4, mask 1 (1 = repaint, the garment's half 0), condition 4: the masked person's
latents joined with the garment's. Mask-free there are 8, the condition showing the person in other clothes.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from schemas.cli.flags import UsageError
from vton_models.catvton import official
from vton_models.catvton.config import Config
from vton_models.catvton.sampling import Sampling
from vton_models.networks import attention, diffusion, digests, latents, memory, text, weights
from vton_models.networks.model import Model


class CatVTON(Model):
    """`trainable` is the published 80 tensors of self-attention, every `*.attentions.*`, or the whole U-Net."""

    name = "catvton"
    config: Config

    def __init__(self, config: Config) -> None:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel

        networks: dict[str, Any] = {
            "unet": weights.random(UNet2DConditionModel, config.unet_arguments),
            "vae": weights.random(AutoencoderKL, config.vae_arguments),
        }
        if config.text_cross_attention:
            networks["text_encoder"] = weights.random(CLIPTextModel, config.text_arguments)
        super().__init__(config, networks)
        self.tokenizer = text.random_tokenizer(config.text_arguments)
        self._set_up()

    def _set_up(self) -> None:
        if not self.config.text_cross_attention:
            attention.skip_cross_attention(self.unet)
        part = {"self_attention": ".attn1.", "transformer": ".attentions.", "unet": "."}[self.config.trainable]
        self.train_only(name for name in self.parameters() if name.startswith("unet.") and part in name)

    @property
    def unet(self) -> Any:
        return self.networks["unet"]

    @property
    def vae(self) -> Any:
        return self.networks["vae"]

    def unused(self) -> frozenset[str]:
        if self.config.text_cross_attention:
            return frozenset()
        return frozenset(name for name in self.trainable() if ".attn2." in name)

    def check_size(self, height: int, width: int) -> None:
        """Raises UsageError, naming the nearest legal size."""
        replace(self.config, height=height, width=width).check_size()

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws, in this order: VAE noise of person, condition person and garment; dropout; timesteps; noise.

        All are drawn whatever `timesteps` int64 [b] gives, so that a validation's noise is the same for any of them.
        """
        given, noises = self.on_device(batch), diffusion.Noises(generator)
        person = self._encode(given["person"], noises, "person")
        shown = self._encode(self._shown_person(given), noises, "shown_person")
        garment = self._encode(given["garment"], noises, "garment")
        keep = diffusion.keep_mask(len(person), self.config.garment_dropout, generator).to(self.device)
        clean = self._join(person, garment)
        condition = self._condition(given, shown, garment * keep.view(-1, 1, 1, 1), self._states(given))
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

    @torch.no_grad()
    def sample(
        self,
        batch: Mapping[str, Any],
        settings: Sampling,
        generator: diffusion.Generators,
        *,
        sequential_guidance: bool | None = None,
        noises: Mapping[str, Tensor] | None = None,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Pictures float32 [b 3 h w] in [0, 1] of prepared records; mask-free it reads `source_person`, not `person`.

        Draws, from one generator or one per item: "shown_person", "garment" (VAE), "init", and "step.0" … when eta > 0;
        `noises` replaces any of them. Guidance above 1 takes [uncond, cond] in one pass, or in two if sequential.
        `on_step` sees each step's joined latents.
        """
        given, draws = self.on_device(batch), diffusion.Noises(generator, noises)
        with memory.at_work(self, "vae"):
            shown = self._encode(self._shown_person(given), draws, "shown_person")
            garment = self._encode(given["garment"], draws, "garment")
        garments = [garment] if settings.guidance_scale <= 1 else [torch.zeros_like(garment), garment]
        states = self._states(given)
        conditions = [self._condition(given, shown, one, states) for one in garments]
        scheduler = diffusion.ddim(self.config.scheduler_arguments)
        scheduler.set_timesteps(settings.num_inference_steps)
        sequential = self.sequential_guidance if sequential_guidance is None else sequential_guidance
        predict = diffusion.guided(diffusion.Branches(self.predict, conditions, sequential), settings.guidance_scale)
        joined = draws("init", self._join(shown, garment).shape, self.device) * scheduler.init_noise_sigma
        step = diffusion.ddim_step(scheduler, draws, settings.eta)
        with memory.at_work(self, "unet"):
            for index, after in enumerate(diffusion.denoise(scheduler, joined, predict, step)):
                joined = after
                if on_step is not None:
                    on_step(index, joined)
        with memory.at_work(self, "vae") as vae:
            return latents.decode(vae, self._person_half(joined))

    # Both

    def predict(self, noisy: Tensor, timestep: Tensor, condition: diffusion.Condition) -> Tensor:
        """ε float32 for joined noisy latents; the condition's `channels` follow them into the U-Net."""
        channels, states = condition["channels"], condition["encoder_hidden_states"]
        assert channels is not None
        entering = torch.cat([noisy, channels], dim=1).to(self.unet.dtype)
        if states is not None:
            states = states.to(self.unet.dtype)
        return self.unet(entering, timestep, encoder_hidden_states=states).sample.float()

    @cached_property
    def alphas(self) -> Tensor:
        """ᾱ of the training schedule."""
        return diffusion.alphas_cumprod(self.config.scheduler_arguments)

    def _shown_person(self, given: Mapping[str, Tensor]) -> Tensor:
        """What the condition shows of the person, −1–1: with a mask, 0 (mid-grey) where it is set."""
        if self.config.mask_free:
            return latents.to_pixels(given["source_person"])
        return latents.to_pixels(given["person"]) * (1 - latents.to_binary(given["mask"]))

    def _encode(self, images: Tensor, noises: diffusion.Noises, name: str) -> Tensor:
        noise = noises(name, latents.latent_shape(self.vae, images), self.device)
        return latents.encode(self.vae, latents.to_pixels(images), noise)

    def _condition(
        self, given: Mapping[str, Tensor], shown: Tensor, garment: Tensor, states: Tensor | None
    ) -> diffusion.Condition:
        """`channels` [b 5 2h w]: mask and condition latents (4 mask-free); `encoder_hidden_states`: the caption's.

        The caption is there in both branches of guidance, as it is never dropped in training.
        """
        channels = self._join(shown, garment)
        if not self.config.mask_free:
            mask = latents.mask_to_latent(latents.to_binary(given["mask"]), latents.downscale(self.vae))
            channels = torch.cat([self._join(mask, torch.zeros_like(mask)), channels], dim=1)
        return {"channels": channels, "encoder_hidden_states": states}

    def _states(self, given: Mapping[str, Tensor]) -> Tensor | None:
        if not self.config.text_cross_attention:
            return None
        with memory.at_work(self, "text_encoder") as encoder:
            return text.encode(encoder, given["input_ids"])

    def _join(self, person: Tensor, garment: Tensor) -> Tensor:
        return torch.cat([person, garment], dim=self.config.dim)

    def _person_half(self, joined: Tensor) -> Tensor:
        return joined.chunk(2, dim=self.config.dim)[0]

    # Weights

    def load_base(self, path: str | Path) -> None:
        """Networks of any size from a folder in diffusers' layout: unet, vae; with text also text_encoder, tokenizer.

        Raises UsageError when one is missing, has keys too few or too many, or has another number of input channels.
        """
        path = Path(path)
        networks = {name: weights.component(type(network), path / name) for name, network in self.networks.items()}
        channels = networks["unet"].config.in_channels
        if channels != self.config.in_channels:
            kind = "mask-free: InstructPix2Pix" if self.config.mask_free else "an inpainting base"
            raise UsageError(
                f"{path}/unet has {channels} input channels; allowed are {self.config.in_channels} ({kind})"
            )
        found: dict[str, Any] = {name: weights.arguments(network) for name, network in networks.items()}
        config = replace(self.config, **found)
        config.check_size()
        if config.text_cross_attention:
            self.tokenizer = text.load_tokenizer(path / "tokenizer", config.text_arguments["max_position_embeddings"])
        self.config, self.networks = config, networks
        self._set_up()
        self.note_base(
            str(path), {name: digests.of_component(path / name, network) for name, network in networks.items()}
        )

    def save_base(self, path: str | Path) -> None:
        words = {"tokenizer": self.tokenizer} if self.config.text_cross_attention else {}
        weights.save_folder(self.networks | words, path)

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
