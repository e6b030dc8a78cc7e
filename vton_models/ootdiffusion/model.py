"""OOTDiffusion's networks: two stock SD 1.5 U-Nets, of which one describes the garment and the other dresses.

The garment network sees the garment's latents once, without noise, at timestep 0. What enters each of its blocks joins
the tokens of the denoiser's block, under the denoiser's own `norm1`. The denoiser's input is [b 8 h w]: noisy latents 4
and the masked person's 4. Both read ψ, a text and CLIP's view of the garment. Latents of conditions are unscaled.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from schemas.cli.flags import UsageError
from vton_models.networks import diffusion, garment_network, image_encoder, memory, text, weights, widening
from vton_models.networks.diffusion import Known
from vton_models.networks.diffusion_model import Conditions
from vton_models.networks.garment_network import Features, GarmentNetworkModel
from vton_models.ootdiffusion import official
from vton_models.ootdiffusion.config import NOISY, SHOWN, Config
from vton_models.ootdiffusion.sampling import Sampling

# UniPC over the schedule of the released scheduler_config.json; σ ends where that of diffusers 0.24 did.
UNIPC = {"solver_order": 2, "solver_type": "bh2", "use_karras_sigmas": True, "final_sigmas_type": "sigma_min"}


class OOTDiffusion(GarmentNetworkModel):
    """All of both U-Nets is trained; `unused` names what lies behind the last features."""

    name = "ootdiffusion"
    config: Config
    pre_norm = True

    def change_networks(self) -> None:
        """A denoiser of 4 channels is SD 1.5's: those that it lacks begin as zeros."""
        widening.widen(self.unet, NOISY + SHOWN)
        super().change_networks()

    def check_network(self, name: str, arguments: Mapping[str, Any], folder: Path) -> None:
        count = arguments.get("in_channels", NOISY)
        allowed = {"unet": (NOISY, NOISY + SHOWN), "garment_unet": (NOISY,)}.get(name, ())
        if allowed and count not in allowed:
            numbers = " or ".join(map(str, allowed))
            raise UsageError(f"{folder} has {count} input channels; {name} takes {numbers}")

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws, in this order: VAE noise of the person; dropout; timesteps; noise.

        All are drawn whatever `timesteps` int64 [b] are, so that a validation's noise is the same for any of them.
        """
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        clean = self.encode(seen["person"], noises, "person")
        keep = diffusion.keep_mask(len(clean), self.config.garment_dropout, generator).to(self.device)
        drawn = diffusion.uniform_timesteps(len(clean), len(self.alphas), generator)
        noise = noises("noise", clean.shape, self.device)
        garment = self.garment_latents(seen) * keep.view(-1, 1, 1, 1)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        return self.denoising_loss(clean, self.shown_latents(seen), garment, self.states(seen), noise, chosen)

    def denoising_loss(
        self, clean: Tensor, shown: Tensor, garment: Tensor, states: Tensor, noise: Tensor, timesteps: Tensor
    ) -> Tensor:
        """Mean squared error of the predicted noise; a dropped garment is zeros, which pass the garment network too."""
        noisy = diffusion.add_noise(self.alphas, clean, noise, timesteps)
        condition = self.condition(shown, states, self.garment_features(garment, states))
        return F.mse_loss(self.predict(noisy, timesteps, condition), noise)

    # Sampling

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Sampling) -> Conditions:
        """Draws nothing: latents are modes. Guidance of 1 and more has the branches [cond, uncond].

        Both are one pass of the garment network, over garment and zeros; outside the mask the person is known.
        """
        with memory.at_work(self, "vae"):
            shown, garment = self.shown_latents(seen), self.garment_latents(seen)
            person = self.encode(seen["person"], None)
        states = self.states(seen)
        garments = [garment] if settings.guidance_scale < 1 else [garment, torch.zeros_like(garment)]
        features = self.garment_features(torch.cat(garments), torch.cat([states] * len(garments)))
        each = garment_network.split(features, len(garments))
        branches = [self.condition(shown, states, one) for one in each]
        return Conditions(branches, person.shape, Known(person, self.latent_mask(seen["mask"])))

    def guided(self, branches: diffusion.Branches, settings: Sampling) -> Callable[[Tensor, Any], Tensor]:
        """Classifier-free guidance over [cond, uncond]; a single branch is taken as it is."""

        def predict(noisy: Tensor, timestep: Any) -> Tensor:
            cond, *uncond = branches(noisy, timestep)
            return diffusion.guide(uncond[0], cond, settings.guidance_scale) if uncond else cond

        return predict

    def scheduler(self, settings: Sampling) -> Any:
        """UniPC of order 2 on Karras's σ."""
        scheduler = diffusion.unipc(self.config.scheduler_arguments, **UNIPC)
        scheduler.set_timesteps(settings.num_inference_steps)
        return scheduler

    def step(
        self, scheduler: Any, draws: diffusion.Noises, settings: Sampling
    ) -> Callable[[int, Any, Tensor, Tensor], Tensor]:
        return diffusion.plain_step(scheduler)

    # Both

    def shown_latents(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The mode of the masked person, unscaled."""
        return self.encode(seen["masked_person"], None, scaled=False)

    def garment_latents(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The mode of the garment, unscaled."""
        return self.encode(seen["garment"], None, scaled=False)

    def states(self, seen: Mapping[str, Tensor]) -> Tensor:
        """ψ of a batch."""
        view = seen["garment_view"]
        return self.psi(view if view.ndim == 3 else image_encoder.normalized(view), seen["input_ids"])

    @torch.no_grad()
    def psi(self, pixels: Tensor, input_ids: Tensor) -> Tensor:
        """float32 [b 2 or 4 c]: text states and the garment's CLIP vector, which takes the place of the last for "hd".

        `pixels` are CLIP's [b 3 s s], or the vector that was stored of them, `input_ids` int64 [b 2 or 3].
        """
        vector = pixels.float() if pixels.ndim == 3 else self.vector(pixels)
        with memory.at_work(self, "text_encoder"):
            states = text.encode(self.networks["text_encoder"], input_ids)
        return torch.cat([states[:, :1] if self.config.model_type == "hd" else states, vector], dim=1)

    @torch.no_grad()
    def vector(self, pixels: Tensor) -> Tensor:
        """CLIP's view of a garment, float32 [b 1 c], of its pixels [b 3 s s]."""
        with memory.at_work(self, "image_encoder"):
            vector: Tensor = self.networks["image_encoder"](pixel_values=pixels).image_embeds.float()[:, None]
        return vector

    def encoding(self, network: str, entering: Tensor) -> Tensor:
        if network == "image_encoder":
            return self.vector(image_encoder.normalized(entering))
        return super().encoding(network, entering)

    def condition(self, shown: Tensor, states: Tensor, features: Features) -> diffusion.Condition:
        """What the denoiser reads beside noisy latents."""
        return {"channels": shown, "encoder_hidden_states": states, **garment_network.entries(features)}

    # Weights

    def load_official(self, path: str | Path) -> None:
        """Both U-Nets as OOTDiffusion publishes them: a folder with `unet_vton` and `unet_garm`, or one around it."""
        for name, folder in official.folders(Path(path), self.config.model_type).items():
            network = self.networks[name]
            weights.assign(network.state_dict(), weights.component(type(network), folder).state_dict(), folder)
            self.lay(weights.component_files(folder))

    def save_official(self, path: str | Path) -> None:
        """As `load_official` reads."""
        official.write(Path(path), {name: self.networks[name] for name in official.FOLDERS})
