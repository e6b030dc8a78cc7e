"""AnyDoor's networks. The U-Net and a control branch both attend to DINOv2's tokens of the reference.

The branch sees a hint [b 4 s s] of the collage, −1–1, and the mask (−1 padding, 0 kept, 1 generated), and never the
noisy latents: its `conv_in` is zero.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from schemas.cli.flags import UsageError
from vton_models.anydoor import official, schedule, tokens
from vton_models.anydoor.config import Config
from vton_models.anydoor.sampling import Sampling
from vton_models.networks import diffusion, latents, memory
from vton_models.networks.diffusion_model import Conditions, DiffusionModel

_SAMPLE_SIZE_OF_768 = 96  # Stable Diffusion 2.1's of 768 pixels, which predicts v


class AnyDoor(DiffusionModel):
    """Trained are the control branch, the U-Net's decoder and output, and unless told otherwise the projector."""

    name = "anydoor"
    config: Config
    denoisers: tuple[str, ...] = ("unet", "controlnet")

    @property
    def controlnet(self) -> Any:
        return self.networks["controlnet"]

    def derive(self, name: str) -> None:
        """The control branch begins as the U-Net's encoder; its outputs are zero convolutions."""
        if name != "controlnet":
            return
        for part in ("time_embedding", "down_blocks", "mid_block"):
            getattr(self.controlnet, part).load_state_dict(getattr(self.unet, part).state_dict())

    def change_networks(self) -> None:
        if self.config.id_extractor.startswith("dinov2"):
            tokens.keep_published_positions(self.networks["image_encoder"])
        with torch.no_grad():
            for parameter in self.controlnet.conv_in.parameters():
                parameter.zero_()

    def check_network(self, name: str, arguments: Mapping[str, Any], folder: Path) -> None:
        if name == "unet" and arguments.get("sample_size") == _SAMPLE_SIZE_OF_768:
            raise UsageError(
                f"{folder} is the Stable Diffusion 2.1 of 768 pixels, which predicts v;"
                " allowed is that of 512, stable-diffusion-2-1-base"
            )

    # Training

    def loss(self, batch: Mapping[str, Any], generator: torch.Generator, timesteps: Tensor | None = None) -> Tensor:
        """Scalar. Draws, in this order: VAE noise of the scene; dropout; timesteps; noise.

        All are drawn whatever `timesteps` int64 [b] are, so that a validation's noise is the same for any of them.
        """
        seen, noises = self.on_device(batch), diffusion.Noises(generator)
        clean = self.encode(seen["scene"], noises, "scene")
        keep = diffusion.keep_mask(len(clean), self.config.reference_dropout, generator).to(self.device)
        drawn = self.draw_timesteps(seen["dynamics"], generator)
        noise = noises("noise", clean.shape, self.device)
        chosen = (drawn if timesteps is None else timesteps).to(self.device)
        reference = seen["reference"] * keep.to(torch.uint8).view(-1, 1, 1, 1)
        condition = self.condition(self.tokens(reference), hint(seen["collage"], seen["mask"]))
        return self.denoising_loss(clean, condition, noise, chosen)

    def draw_timesteps(self, dynamics: Tensor, generator: torch.Generator) -> Tensor:
        """int64 [b], by the pairs' places in DYNAMICS."""
        count = len(self.alphas)
        if self.config.timesteps == "uniform":
            return diffusion.uniform_timesteps(len(dynamics), count, generator)
        return schedule.adaptive(dynamics, count, generator)

    def denoising_loss(self, clean: Tensor, condition: diffusion.Condition, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean squared error of the predicted noise over all latents, those of the padding included."""
        noisy = diffusion.add_noise(self.alphas, clean, noise, timesteps)
        return F.mse_loss(self.predict(noisy, timesteps, condition), noise)

    # Sampling

    def conditions(self, seen: Mapping[str, Tensor], draws: diffusion.Noises, settings: Sampling) -> Conditions:
        """Draws nothing. Guidance other than 1 has the branches [uncond, cond]: the former's reference is black."""
        references = [seen["reference"]]
        if settings.guidance_scale != 1:
            references = [torch.zeros_like(seen["reference"]), seen["reference"]]
        shown = hint(seen["collage"], seen["mask"])
        branches = [self.condition(self.tokens(one), shown, settings.control_strength) for one in references]
        factor = latents.downscale(self.vae)
        side = shown.shape[-2] // factor, shown.shape[-1] // factor
        return Conditions(branches, (len(shown), self.vae.config.latent_channels, *side))

    def scheduler(self, settings: Sampling) -> Any:
        """DDIM on upstream's list of timesteps, which has 31 of them for 30."""
        scheduler = super().scheduler(settings)
        steps = schedule.of_sampling(settings.num_inference_steps, len(self.alphas))
        scheduler.timesteps = torch.tensor(steps)
        return scheduler

    def step(self, scheduler: Any, draws: diffusion.Noises, settings: Sampling) -> Any:
        return diffusion.ddim_step(scheduler, draws, eta=0)

    # Both

    def tokens(self, reference: Tensor) -> Tensor:
        """What the denoiser attends to, [b 257 c], of uint8 references [b 3 224 224]."""
        encoder, projector = self.networks["image_encoder"], self.networks["projector"]
        with memory.at_work(self, "image_encoder", "projector"):
            seen = tokens.EXTRACTORS[self.config.id_extractor](encoder, reference)
            return projector(seen.to(projector.weight.dtype))

    def condition(self, states: Tensor, hint: Tensor, strength: float = 1.0) -> diffusion.Condition:
        """`control_scales` [b 13] are factors of the branch's residuals, the middle block's last."""
        scales = torch.full((len(hint), len(self.controlnet.controlnet_down_blocks) + 1), strength, device=hint.device)
        return {"encoder_hidden_states": states, "hint": hint, "control_scales": scales}

    def residuals(self, noisy: Tensor, timestep: Any, condition: diffusion.Condition) -> list[Tensor]:
        """The control branch's outputs, scaled: one per skip connection, and the middle block's."""
        states, shown, scales = (condition[name] for name in ("encoder_hidden_states", "hint", "control_scales"))
        assert states is not None and shown is not None and scales is not None
        dtype = self.controlnet.dtype
        given = {"encoder_hidden_states": states.to(dtype), "controlnet_cond": shown.to(dtype)}
        skips, middle = self.controlnet(noisy.to(dtype), timestep, **given, return_dict=False)
        outputs = [*skips, middle]
        return [output * scales[:, place].to(output).view(-1, 1, 1, 1) for place, output in enumerate(outputs)]

    def predict(self, noisy: Tensor, timestep: Any, condition: diffusion.Condition) -> Tensor:
        """ε float32 of noisy latents [b 4 h w]."""
        states, dtype = condition["encoder_hidden_states"], self.unet.dtype
        assert states is not None
        *skips, middle = (one.to(dtype) for one in self.residuals(noisy, timestep, condition))
        return self.unet(
            noisy.to(dtype),
            timestep,
            encoder_hidden_states=states.to(dtype),
            down_block_additional_residuals=tuple(skips),
            mid_block_additional_residual=middle,
        ).sample.float()

    # Weights

    def load_official(self, path: str | Path) -> None:
        """All that is trained, the projector too, of a published file; what is frozen stays the base's.

        Raises UsageError where the projector isn't trained: a run, which keeps what is trained, would lose the file's.
        """
        self._check_published()
        if not self.config.train_projector:
            allowed = "allowed is `convert anydoor --from FILE --to RUN`, and then --init base:RUN/base"
            raise UsageError(f"--no-train-projector beside published weights would lose their projector; {allowed}")
        file = official.file_of(Path(path))
        official.assign(self, file)
        self.lay([file])

    def load_whole(self, path: str | Path) -> bool:
        """Every network of a published file, so that no base is needed beside it."""
        self._check_published()
        file = official.file_of(Path(path))
        official.assign_all(self, file)
        self.change_networks()
        self.note_base(file.name)
        return True

    def save_official(self, path: str | Path) -> None:
        """The published file: every network, and the schedule."""
        self._check_published()
        official.write(self, official.target(Path(path)))

    def _check_published(self) -> None:
        if not self.config.id_extractor.startswith("dinov2"):
            raise UsageError(f"published files hold DINOv2; --id-extractor {self.config.id_extractor} has none")


def hint(collage: Tensor, mask: Tensor) -> Tensor:
    """float32 [b 4 s s] of prepared tensors uint8 [b 3 s s] and [b 1 s s]."""
    return torch.cat([latents.to_pixels(collage), latents.to_pixels(mask).round()], dim=1)
