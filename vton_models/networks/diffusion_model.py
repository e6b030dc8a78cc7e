"""What diffusion systems share beside their networks: latents of a VAE, the schedule, and the frame of sampling.

A system says what its U-Net reads (`conditions`) and predicts (`predict`); where it differs from classifier-free
guidance by DDIM it replaces `guided`, `scheduler` or `step`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vton_models.networks import diffusion, graphs, latents, memory, text
from vton_models.networks.model import Model
from vton_models.system import Encodes

OnStep = Callable[[int, Tensor], None]


@dataclass(frozen=True)
class Conditions:
    """What a batch is sampled under: a condition for each branch of guidance, and the shape of what is denoised.

    What is `known` of the result is laid over the latents after each step.
    """

    branches: Sequence[diffusion.Condition]
    shape: Sequence[int]
    known: diffusion.Known | None = None


class DiffusionModel(Model, ABC):
    """A model whose Config also has `scheduler_arguments`, and whose networks have a "vae"."""

    denoisers: tuple[str, ...] = ("unet",)  # the networks that are at work in every step

    @property
    def unet(self) -> Any:
        return self.networks["unet"]

    @property
    def vae(self) -> Any:
        return self.networks["vae"]

    @property
    def schedule(self) -> Mapping[str, Any]:
        """Arguments of the scheduler that training adds noise by."""
        arguments: Mapping[str, Any] = self.config.scheduler_arguments
        return arguments

    @property
    def alphas(self) -> Tensor:
        """ᾱ of the training schedule, on the model's device."""
        if self._alphas.device != self.device:
            self._alphas = self._alphas.to(self.device)
        return self._alphas

    @cached_property
    def _alphas(self) -> Tensor:
        return diffusion.alphas_cumprod(self.schedule)

    def encode(self, images: Tensor, noises: diffusion.Noises | None, name: str = "", *, scaled: bool = True) -> Tensor:
        """Latents of pictures, or of the posterior that stands in their place.

        A sample of the posterior by the noise of this name, or without noises its mode.
        """
        noise = None if noises is None else noises(name, latents.latent_shape(self.vae, images), self.device)
        return latents.encode(self.vae, latents.to_pixels(images), noise, scaled)

    def encodable(self, seen: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What frozen networks read of a batch, by name: its tensors, and those that a system makes of several."""
        return seen

    @torch.no_grad()
    def encoded(self, batch: Mapping[str, Any], encodes: Mapping[str, Encodes]) -> dict[str, Tensor]:
        """Column → float32 [b …] on the CPU, of prepared records: of a VAE posteriors, else what `encoding` gives."""
        seen = self.encodable(self.on_device(batch))
        results: dict[str, Tensor] = {}
        for network, of_network in encodes.items():
            with memory.at_work(self, network):
                for column, one in of_network.columns.items():
                    results[column] = self.encoding(network, seen[one.tensor]).float().cpu()
        return results

    def encoding(self, network: str, entering: Tensor) -> Tensor:
        """What `loss` takes of a frozen network's result: [b 2 c h w] of the VAE, [b n c] of a text encoder."""
        if network == "vae":
            return latents.posterior(self.vae, latents.to_pixels(entering))
        return text.encode(self.networks[network], entering)

    @staticmethod
    def masked(person: Tensor, mask: Tensor) -> Tensor:
        """The person, −1–1, with 0 (mid-grey) where the mask is set."""
        return latents.to_pixels(person) * (1 - latents.to_binary(mask))

    def latent_mask(self, mask: Tensor) -> Tensor:
        """Ones and zeros at latent size."""
        return latents.mask_to_latent(latents.to_binary(mask), latents.downscale(self.vae))

    @abstractmethod
    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar, of collated prepared records. The draws are the same whatever `timesteps` int64 [b] are."""

    @abstractmethod
    def load_official(self, path: str | Path) -> None:
        """Reads published weights of the system."""

    @abstractmethod
    def save_official(self, path: str | Path) -> None:
        """Writes what `load_official` reads."""

    @torch.no_grad()
    def sample(
        self,
        batch: Mapping[str, Any],
        settings: Any,
        generator: diffusion.Generators,
        *,
        sequential_guidance: bool | None = None,
        noises: Mapping[str, Tensor] | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Pictures float32 [b 3 h w] in [0, 1] of prepared records.

        Draws, from one generator or one per item: what `conditions` draws, "init", "init_image" where a picture is what
        sampling begins with, and what steps draw; `noises` replaces any of them. Branches of guidance are one pass, or
        one each if sequential. `on_step` sees the latents after each step.
        """
        self.graphs.check(self.parameters())
        draws, seen = diffusion.Noises(generator, noises), self.on_device(batch)
        conditions = self.conditions(seen, draws, settings)
        scheduler = self.scheduler(settings)
        sequential = self.sequential_guidance if sequential_guidance is None else sequential_guidance
        predict = self.guided(self.branches(conditions, sequential, settings), settings)
        noise = draws("init", conditions.shape, self.device)
        noisy, first = self.begin(seen, noise, scheduler, draws, settings)
        step = self.step(scheduler, draws, settings)
        if conditions.known is not None:
            step = diffusion.repainting(step, scheduler, conditions.known, noise)
        with memory.at_work(self, *self.denoisers):
            for index, after in enumerate(diffusion.denoise(scheduler, noisy, predict, step, first), first):
                noisy = after
                if on_step is not None:
                    on_step(index, noisy)
        with memory.at_work(self, "vae"):
            return latents.decode(self.vae, self.picture(noisy))

    def begin(
        self, seen: Mapping[str, Tensor], noise: Tensor, scheduler: Any, draws: diffusion.Noises, settings: Any
    ) -> tuple[Tensor, int]:
        """What denoising begins with, and at which step: with noise at the first.

        Where the system prepares an `init_image`, its settings have `first_step`, and from any but the first on it is
        this picture, noised; its VAE noise is drawn after the noise. With the first it isn't even encoded.
        """
        first = settings.first_step if "init_image" in seen else 0
        if not first:
            return noise * scheduler.init_noise_sigma, 0
        with memory.at_work(self, "vae"):
            clean = self.encode(seen["init_image"], draws, "init_image")
        timesteps = scheduler.timesteps[first].long().expand(len(clean)).to(self.device)
        return diffusion.add_noise(scheduler.alphas_cumprod, clean, noise, timesteps), first

    @abstractmethod
    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Any) -> Conditions:
        """What the denoiser reads of a batch that lies on the device, for each branch of guidance."""

    @abstractmethod
    def predict(self, noisy: Tensor, timestep: Tensor, condition: diffusion.Condition) -> Tensor:
        """ε float32 for noisy latents under one condition. It reads nothing else, and no value of a tensor."""

    def predicted(self, noisy: Tensor, timestep: Tensor, condition: diffusion.Condition) -> Tensor:
        """`predict` by its CUDA graph, where one can be made."""

        def run(entering: graphs.Entering) -> graphs.Leaving:
            noisy, timestep = entering["noisy"], entering["timestep"]
            assert noisy is not None and timestep is not None
            return {"model_pred": self.predict(noisy, timestep, {name: entering[name] for name in condition})}

        return self.graphs("predict", run, {"noisy": noisy, "timestep": timestep, **condition})["model_pred"]

    def branches(self, conditions: Conditions, sequential: bool, settings: Any) -> diffusion.Branches:
        """The predictions under each condition, which hold for all steps."""
        return diffusion.Branches(self.predicted, conditions.branches, sequential)

    def guided(self, branches: diffusion.Branches, settings: Any) -> Callable[[Tensor, Any], Tensor]:
        """The prediction that steps take: classifier-free guidance over [uncond, cond]."""
        return diffusion.guided(branches, settings.guidance_scale)

    def scheduler(self, settings: Any) -> Any:
        """DDIM with the timesteps of the run."""
        scheduler = diffusion.ddim(self.config.scheduler_arguments)
        scheduler.set_timesteps(settings.num_inference_steps)
        # With an offset of 1, as many steps as there are timesteps would begin at one that there isn't.
        scheduler.timesteps = scheduler.timesteps.clamp(max=len(self.alphas) - 1)
        return scheduler

    def step(
        self, scheduler: Any, draws: diffusion.Noises, settings: Any
    ) -> Callable[[int, Any, Tensor, Tensor], Tensor]:
        """How latents advance by a prediction: DDIM with noise "step.0" … where eta is above 0."""
        return diffusion.ddim_step(scheduler, draws, settings.eta)

    def picture(self, denoised: Tensor) -> Tensor:
        """The part of the denoised latents that is the result."""
        return denoised
