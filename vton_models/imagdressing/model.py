"""IMAGDressing's networks: a stock SD 1.5 U-Net that stays as it is, and a second one that is trained for the garment.

The garment network sees the garment's latents without noise at t = 0 and, in place of text, what CLIP's tower makes of
the garment, projected to 16 tokens. The denoiser attends to its features beside its own tokens, through keys and values
that are trained; text reaches it as ever.
"""

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.cli.flags import UsageError
from vton_models.imagdressing import official
from vton_models.imagdressing.config import Config
from vton_models.imagdressing.sampling import Sampling
from vton_models.networks import attention, diffusion, digests, image_encoder, memory, stable_diffusion, text, weights
from vton_models.networks.diffusion_model import Conditions
from vton_models.networks.garment_network import GarmentNetworkModel, entries


class IMAGDressing(GarmentNetworkModel):
    """Trained are the garment network, the projection and the denoiser's keys and values of the garment."""

    name = "imagdressing"
    config: Config

    def derive(self, name: str) -> None:
        """Keys and values begin as the denoiser's own; the projection begins at random unless it has a base."""
        if name == "garment_attention":
            self.networks[name].begin_as(self.unet)

    def change_networks(self) -> None:
        super().change_networks()
        self.__dict__.pop("_empty_states", None)  # of the tower that was there before
        if self.config.hybrid_attention:
            attention.recall_beside(self.unet, self.recalled, self.networks["garment_attention"])
            self.denoisers = ("unet", "garment_attention")

    @property
    def schedule(self) -> Mapping[str, Any]:
        """That of training; sampling is on plain betas whatever it is."""
        published = stable_diffusion.ZERO_SNR if self.config.zero_terminal_snr else {}
        return {**self.config.scheduler_arguments, **published}

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws: VAE noise of person and garment; dropout; timesteps; noise, and one value per channel of it.

        All are drawn whatever `timesteps` int64 [b] are, so that a validation's noise is the same for any of them.
        """
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        person = self.encode(seen["person"], noises, "person")
        garment = self.encode(seen["garment"], noises, "garment")
        without_image, without_text = self.dropped(len(person), generator)
        drawn = diffusion.uniform_timesteps(len(person), len(self.alphas), generator)
        noise = noises("noise", person.shape, self.device)
        channels = noises("channels", (*person.shape[:2], 1, 1), self.device)
        noise = diffusion.offset_noise(noise, channels, self.config.noise_offset)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        features = self.features(garment, self.clip_states(seen, without_image))
        states = self.states(seen["input_ids"], without_text)
        return self.denoising_loss(person, self.condition(states, features), noise, chosen)

    def denoising_loss(self, clean: Tensor, condition: diffusion.Condition, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean squared error of the predicted noise, each item's weighted where Min-SNR is on."""
        noisy = diffusion.add_noise(self.alphas, clean, noise, timesteps)
        item_weights = torch.ones(len(clean), device=clean.device)
        if self.config.min_snr:
            item_weights = diffusion.min_snr_weights(self.alphas, timesteps, self.config.min_snr)
        return diffusion.weighted_loss(self.predict(noisy, timesteps, condition), noise, item_weights)

    def dropped(self, items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(items without CLIP's picture, items without text), bool [b], by one uniform draw each."""
        drawn = torch.rand(items, generator=generator, device=generator.device).to(self.device)
        image = self.config.image_dropout
        text_too = image + self.config.text_dropout
        both = (drawn >= text_too) & (drawn < text_too + self.config.both_dropout)
        return (drawn < image) | both, ((drawn >= image) & (drawn < text_too)) | both

    # Sampling

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Sampling) -> Conditions:
        """Nothing is drawn. Guidance has the branches [negative text and no garment at all, text and garment]."""
        if not self.config.hybrid_attention and settings.image_scale != 1:
            raise UsageError(f"--image-scale {settings.image_scale} without hybrid attention; allowed is 1")
        with memory.at_work(self, "vae"):
            garment = self.encode(seen["garment"], None)
        features = self.features(garment, self.clip_states(seen))
        both = self.condition(self.states(seen["input_ids"]), features, settings.image_scale)
        if settings.guidance_scale == 1:
            return Conditions([both], garment.shape)
        negative = self.ids_of(settings.negative_prompt, len(garment))
        return Conditions([self.condition(self.states(negative)), both], garment.shape)

    # Both

    def clip_states(self, seen: Mapping[str, Tensor], without: Tensor | None = None) -> Tensor | None:
        """[b n c] of CLIP's tower, or None without the image branch.

        Where an item is to be `without`, those of zeros in the place of normalised pixels.
        """
        if not self.config.image_branch:
            return None
        shown = seen["clip_garment"]
        if not shown.is_floating_point():
            pixels = image_encoder.normalized(shown)
            return self.hidden(pixels if without is None else pixels * (~without).float().view(-1, 1, 1, 1))
        if without is None:
            return shown.float()  # stored
        return torch.where(without.view(-1, 1, 1), self._empty_states.to(self.device), shown.float())

    @cached_property
    def _empty_states(self) -> Tensor:
        """Of zeros in the place of normalised pixels; the tower is frozen."""
        side = self.networks["image_encoder"].config.image_size
        return self.hidden(torch.zeros(1, 3, side, side, device=self.device))

    @torch.no_grad()
    def hidden(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [b 3 s s] → what enters the last layer of CLIP's tower, float32 [b n c]."""
        tower = self.networks["image_encoder"]
        with memory.at_work(self, "image_encoder"):
            states: Tensor = tower(pixel_values=pixels.to(tower.dtype), output_hidden_states=True).hidden_states[-2]
        return states.float()

    def tokens(self, states: Tensor) -> Tensor:
        """States of CLIP's tower → projected tokens [b 16 c]."""
        with memory.at_work(self, "projection"):
            projected: Tensor = self.networks["projection"](states)
        return projected

    def encoding(self, network: str, entering: Tensor) -> Tensor:
        if network == "image_encoder":
            return self.hidden(image_encoder.normalized(entering))
        return super().encoding(network, entering)

    def features(self, garment: Tensor, clip_states: Tensor | None) -> Mapping[str, Tensor]:
        """Of garment latents [b 4 h w] and what CLIP's tower makes of the garment; without it, of an empty text."""
        if clip_states is None:
            return self.garment_features(garment, self.states(self.ids_of("", len(garment))))
        return self.garment_features(garment, self.tokens(clip_states))

    def states(self, input_ids: Tensor, without: Tensor | None = None) -> Tensor:
        """Text states float32 [b n c]; where an item is to be `without`, those of an empty text."""
        if without is not None and not input_ids.is_floating_point():
            input_ids = torch.where(without.view(-1, 1), self.ids_of("", 1), input_ids)
        with memory.at_work(self, "text_encoder"):
            states = text.encode(self.networks["text_encoder"], input_ids)
            if without is None or not input_ids.is_floating_point():
                return states
            empty = text.encode(self.networks["text_encoder"], self.ids_of("", 1))
            return torch.where(without.view(-1, 1, 1), empty, states)

    def condition(
        self, states: Tensor, features: Mapping[str, Tensor] | None = None, image_scale: float = 1.0
    ) -> diffusion.Condition:
        """Text states, and features with their λ; without features the denoiser is the base's."""
        condition: dict[str, Tensor | None] = {"encoder_hidden_states": states}
        if features is None:
            return condition
        if self.config.hybrid_attention:
            features = {**features, attention.SCALE: torch.full((len(states),), image_scale, device=states.device)}
        return condition | entries(features)

    def ids_of(self, words: str, items: int) -> Tensor:
        """int64 [items n] of one text."""
        assert self.tokenizer is not None
        return diffusion.upload(torch.tensor([self.tokenizer(words)] * items), self.device)

    # Weights

    def read(self, name: str, folder: Path, dtype: torch.dtype) -> tuple[Any, str]:
        """The projection may also be that of an IP-Adapter's file, from which the published one began."""
        if name != "projection" or not folder.is_file():
            return super().read(name, folder, dtype)
        network = self.config.networks[name]
        projection = weights.random(network.network_class, network.arguments)
        weights.assign(projection.state_dict(), official.image_projection(weights.read(folder)), folder)
        digest = digests.once([folder], partial(digests.of_network, projection), over="projection")
        return projection.to(dtype), digest

    def load_official(self, path: str | Path) -> None:
        """IMAGDressing's file, in any dtype; what it holds beside the trained parts is left."""
        file = official.source(Path(path))
        weights.assign(self._published(), official.of(weights.read(file), self._trained()), file)
        self.lay([file])

    def save_official(self, path: str | Path) -> None:
        """As `load_official` reads, in float32."""
        weights.write_module(official.target(Path(path)), self._published())

    def _published(self) -> dict[str, Tensor]:
        """What is trained, by its published names."""
        named = {name: dict(self.networks[name].state_dict()) for name in self._trained()}
        if self.config.hybrid_attention:
            named["garment_attention"] = self.networks["garment_attention"].numbered("ref")
        return {f"{official.PREFIXES[name]}{key}": tensor for name, own in named.items() for key, tensor in own.items()}

    def _trained(self) -> list[str]:
        return [name for name in official.PREFIXES if name in self.networks]
