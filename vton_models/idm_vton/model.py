"""IDM-VTON's networks: TryonNet, a stock SDXL U-Net with 13 input channels, beside a frozen one that reads the garment.

TryonNet's self-attention sees what the garment network's `norm1` gives out at the same timestep, and its
cross-attention sees text and, through keys and values of its own, the image prompt of the garment.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.cli.flags import UsageError
from vton_models.idm_vton import official
from vton_models.idm_vton.config import CHANNELS, Config
from vton_models.idm_vton.features import Following, Frozen, GarmentConditions
from vton_models.idm_vton.sampling import EVERY_STEP, Sampling
from vton_models.networks import (
    attention,
    diffusion,
    digests,
    garment_network,
    image_encoder,
    memory,
    stable_diffusion_xl,
    text,
    weights,
    widening,
)
from vton_models.networks.diffusion_model import Conditions
from vton_models.networks.garment_network import GarmentNetworkModel

_INPAINTING = 9  # channels of the base that training starts from: latents 4, mask 1, masked person 4


class IDMVTON(GarmentNetworkModel):
    """`trainable` is all of TryonNet with the image prompt, or parts of its decoder; the garment network is frozen."""

    name = "idm_vton"
    config: Config
    sampling_dtype: torch.dtype | None = torch.float16

    @property
    def has_garment_network(self) -> bool:
        return "garment_unet" in self.networks

    @property
    def ip_adapter(self) -> Any:
        return self.networks["ip_adapter"]

    @property
    def text_encoders(self) -> tuple[Any, Any]:
        return self.networks["text_encoder"], self.networks["text_encoder_2"]

    def change_networks(self) -> None:
        self.denoisers = tuple(name for name in ("unet", "ip_adapter", "garment_unet") if name in self.networks)
        widening.widen(self.unet, CHANNELS)
        if self.has_garment_network:
            super().change_networks()
        else:
            self.recalled = {}
        self.ip_adapter.attach(self.unet)

    def unused(self) -> frozenset[str]:
        return frozenset()

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws, in this order: VAE noise of person, masked person, pose and garment; timesteps; noise."""
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        clean = self.encode(seen["person"], noises, "person")
        channels, garment = self._channels(seen, noises), self._garment(seen, noises)
        drawn = diffusion.uniform_timesteps(len(clean), len(self.alphas), generator)
        noise = noises("noise", clean.shape, self.device)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        height = clean.new_full((), float(seen["person"].shape[2]))
        ids = torch.stack([height, height, 0 * height, 0 * height, height, height])  # upstream takes the height twice
        condition = self._condition(channels, seen["input_ids"], self._prompt(seen), ids)
        if garment is not None:
            states, _ = self._texts(seen["garment_input_ids"])
            condition |= garment_network.entries(self.garment_features(garment, states, chosen))
        return self.denoising_loss(clean, condition, noise, chosen)

    def denoising_loss(self, clean: Tensor, condition: diffusion.Condition, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean squared error of the predicted noise, weighted by Min-SNR where that is on."""
        noisy = diffusion.add_noise(self.alphas, clean, noise, timesteps)
        model_pred, gamma = self.predict(noisy, timesteps, condition), self.config.min_snr
        per_item = (
            diffusion.min_snr_weights(self.alphas, timesteps, gamma) if gamma else torch.ones(len(clean)).to(clean)
        )
        return diffusion.weighted_loss(model_pred, noise, per_item)

    # Sampling

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Sampling) -> GarmentConditions:
        """Draws "masked_person", "pose" and "garment" of the VAE. Guidance above 1 has the branches [uncond, cond]."""
        with memory.at_work(self, "vae"):
            channels, garment = self._channels(seen, draws), self._garment(seen, draws)
        items, (height, width) = len(channels), seen["person"].shape[2:]
        ids = torch.tensor([height, width, 0, 0, height, width], dtype=torch.float32, device=self.device)
        branches = [self._condition(channels, seen["input_ids"], self._prompt(seen), ids)]
        if settings.guidance_scale > 1:
            assert self.tokenizer is not None
            negative = torch.tensor([self.tokenizer(settings.negative_prompt)] * items, device=self.device)
            branches.insert(0, self._condition(channels, negative, self._null_prompt(items), ids))
        states = None if garment is None else self._texts(seen["garment_input_ids"])[0]
        shape = (items, self.unet.config.out_channels, *channels.shape[2:])
        return GarmentConditions(branches, shape, garment=garment, garment_states=states)

    def branches(self, conditions: Conditions, sequential: bool, settings: Sampling) -> diffusion.Branches:
        """Features of the garment at each step's timestep, or in all steps those at `garment_timestep`."""
        if not isinstance(conditions, GarmentConditions) or conditions.garment is None:
            return super().branches(conditions, sequential, settings)
        read = partial(self.garment_features, conditions.garment, conditions.garment_states)
        following = Following(self.predicted, conditions.branches, sequential, read)
        if settings.garment_timestep == EVERY_STEP:
            return following
        frozen, steps = read(settings.garment_timestep), settings.num_inference_steps
        tell = partial(self.approximate, f"--garment-timestep {settings.garment_timestep}")
        return Frozen(following, frozen, steps, settings.guidance_scale, tell)

    def scheduler(self, settings: Sampling) -> Any:
        """DDPM with the timesteps of the run."""
        scheduler = diffusion.ddpm(self.config.scheduler_arguments)
        scheduler.set_timesteps(settings.num_inference_steps)
        return scheduler

    def step(self, scheduler: Any, draws: diffusion.Noises, settings: Sampling) -> Any:
        """DDPM's, with noise "step.0" …"""
        return diffusion.ddpm_step(scheduler, draws)

    # Both

    def predict(self, noisy: Tensor, timestep: Any, condition: diffusion.Condition) -> Tensor:
        """ε float32; the condition has `channels`, states of text and image prompt, and SDXL's added conditions."""
        self.recalled.clear()
        self.recalled.update(garment_network.features_of(condition))
        channels, states = condition["channels"], condition["encoder_hidden_states"]
        assert channels is not None and states is not None
        entering = torch.cat([noisy, channels], dim=1).to(self.unet.dtype)
        added = {name: condition[name] for name in ("text_embeds", "time_ids")}
        states = states.to(self.unet.dtype)
        predicted: Tensor = self.unet(entering, timestep, encoder_hidden_states=states, added_cond_kwargs=added).sample
        return predicted.float()

    def _channels(self, seen: Mapping[str, Tensor], noises: diffusion.Noises) -> Tensor:
        """[b 9 h w]: mask, latents of the masked person and of the DensePose picture."""
        masked = self.encode(self.masked(seen["person"], seen["mask"]), noises, "masked_person")
        pose = self.encode(seen["pose"], noises, "pose")
        return torch.cat([self.latent_mask(seen["mask"]), masked, pose], dim=1)

    def _garment(self, seen: Mapping[str, Tensor], noises: diffusion.Noises) -> Tensor | None:
        """Latents without noise, what the garment network reads."""
        return self.encode(seen["garment"], noises, "garment") if self.has_garment_network else None

    def _condition(self, channels: Tensor, input_ids: Tensor, prompt: Tensor, time_ids: Tensor) -> dict[str, Any]:
        states, pooled = self._texts(input_ids)
        return {
            "channels": channels,
            "encoder_hidden_states": torch.cat([states, prompt], dim=1),
            "text_embeds": pooled,
            "time_ids": time_ids.expand(len(channels), -1),
        }

    def _texts(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        with memory.at_work(self, "text_encoder", "text_encoder_2"):
            return text.encode_twice(self.text_encoders, input_ids)

    def _prompt(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The garment's image prompt float32 [b 16 c]; uint8 pictures are normalised, floats are so already."""
        shown = seen["garment_prompt"]
        return self._prompt_of(image_encoder.normalized(shown) if shown.dtype == torch.uint8 else shown)

    def _null_prompt(self, items: int) -> Tensor:
        """The image prompt of pixels that are all zero, which is not a prompt of zeros."""
        side = self.networks["image_encoder"].config.image_size
        return self._prompt_of(torch.zeros(items, 3, side, side, device=self.device))

    def _prompt_of(self, pixels: Tensor) -> Tensor:
        encoder = self.networks["image_encoder"]
        with memory.at_work(self, "image_encoder", "ip_adapter"):
            with torch.no_grad():
                tokens = encoder(pixels.to(encoder.dtype), output_hidden_states=True).hidden_states[-2]
            prompt: Tensor = self.ip_adapter(tokens).float()
        return prompt

    # Weights

    def check_network(self, name: str, arguments: Mapping[str, Any], folder: Path) -> None:
        channels = arguments.get("in_channels", 4)
        if name == "unet" and channels not in (_INPAINTING, CHANNELS):
            allowed = f"{_INPAINTING} (an inpainting base) and {CHANNELS}"
            raise UsageError(f"{folder} has {channels} input channels; allowed are {allowed}")

    def read(self, name: str, folder: Path, dtype: torch.dtype) -> tuple[Any, str]:
        """The U-Nets without what their published files hold beside them, and the image prompt out of them."""
        if name == "ip_adapter":
            return self._read_ip_adapter(folder, dtype)
        if name not in official.PUBLISHED:
            return super().read(name, folder, dtype)
        published = official.PUBLISHED[name]
        network = weights.component(self.config.networks[name].network_class, folder, dtype, published)
        return network, digests.of_component(folder, network, published)

    def _read_ip_adapter(self, folder: Path, dtype: torch.dtype) -> tuple[Any, str]:
        """From a folder of ours, IP-Adapter's own file, or TryonNet's; random beside a U-Net that brings none."""
        stored = weights.component_config(folder)
        if "widths" in stored:
            return super().read("ip_adapter", folder, dtype)
        unet, network = stored or self.config.networks["unet"].arguments, self.config.networks["ip_adapter"]
        blocks = stable_diffusion_xl.blocks(stable_diffusion_xl.UNET | dict(unet))
        widths = {"widths": tuple(blocks.values())}
        adapter = weights.random(network.network_class, dict(network.arguments) | widths)
        files = weights.component_files(folder)
        try:
            if not stored:
                weights.assign(adapter.state_dict(), weights.read(folder), folder)
            elif stored.get("encoder_hid_dim_type") == official.PROMPT_TYPE:
                extras = {name: one for name, one in official.read(files).items() if official.is_extra(name)}
                weights.assign(adapter.in_unet(blocks), extras, folder)
        except ValueError as error:
            raise UsageError(str(error)) from None
        digest = digests.once(files, partial(digests.of_network, adapter), over="ip_adapter")
        return adapter.to(dtype), digest

    def load_official(self, path: str | Path) -> None:
        """TryonNet as IDM-VTON publishes it: a folder with `unet/`, that folder, or its file."""
        files = official.files(Path(path))
        weights.assign(self._published(), official.read(files), path)
        self.lay(files)

    def save_official(self, path: str | Path) -> None:
        """`unet/` with the image prompt among its tensors."""
        config = dict(self.unet.config) | {"encoder_hid_dim": self.ip_adapter.config["embedding_dim"]}
        plain = {key: value for key, value in config.items() if not key.startswith("_")}
        official.write(Path(path), {"_class_name": "UNet2DConditionModel", **plain}, self._published())

    def _published(self) -> dict[str, Tensor]:
        """The tensors of TryonNet's published file."""
        extras: dict[str, Tensor] = self.ip_adapter.in_unet(attention.blocks(self.unet))
        return self.unet.state_dict() | extras
