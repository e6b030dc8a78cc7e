"""Noise, targets, guidance and the denoising loop. Latents [b 4 h w]; every draw has a name and comes from a generator.

ᾱ is the scheduler's `alphas_cumprod`; z_t = √ᾱ_t z + √(1−ᾱ_t) ε, and the U-Nets predict ε.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator]
Condition = Mapping[str, Tensor | None]  # what a U-Net reads besides latents and timestep, by the caller's names
Advance = Callable[[int, Any, Tensor, Tensor], Tensor]  # (index, timestep, ε, latents) → the next latents
Predict = Callable[[Tensor, Any, Condition], Tensor]  # (latents, timestep, condition) → ε


class Noises:
    """Standard normal float32 tensors by name: those that are set, or drawn on the generator's device when asked for.

    With one generator per item, an item's noise doesn't depend on the batch that it is in.
    """

    def __init__(self, generator: Generators, fixed: Mapping[str, Tensor] | None = None) -> None:
        self.generator, self.fixed = generator, fixed or {}

    def __call__(self, name: str, shape: Sequence[int], device: torch.device) -> Tensor:
        """Raises ValueError when a fixed tensor has another shape, or generators and items differ in number."""
        if name not in self.fixed:
            return upload(draw(shape, self.generator), device)
        if self.fixed[name].shape != tuple(shape):
            raise ValueError(f"noise {name!r} is {list(self.fixed[name].shape)}; allowed is {list(shape)}")
        return upload(self.fixed[name], device)


def upload(values: Tensor, device: torch.device) -> Tensor:
    """The values on a device. The host doesn't wait for an accelerator's earlier work, as it would from other pages."""
    if device.type == "cuda" and values.device.type == "cpu" and not values.is_pinned():
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def draw(shape: Sequence[int], generator: Generators) -> Tensor:
    """Standard normal float32; a list of generators draws an item each."""
    if isinstance(generator, torch.Generator):
        return torch.randn(tuple(shape), generator=generator, device=generator.device)
    if len(generator) != shape[0]:
        raise ValueError(f"{len(generator)} generators; allowed are {shape[0]}, one per item")
    return torch.cat([draw((1, *shape[1:]), one) for one in generator])


def keep_mask(items: int, dropout: float, generator: torch.Generator) -> Tensor:
    """float32 [items] of ones and zeros; an item is 0 with probability `dropout`, by one uniform draw each."""
    return (torch.rand(items, generator=generator, device=generator.device) >= dropout).float()


def offset_noise(noise: Tensor, channels: Tensor, strength: float) -> Tensor:
    """Noise [b c h w] plus a share of a further draw per item and channel, [b c 1 1] (Guttenberg 2023)."""
    return noise + strength * channels


def uniform_timesteps(items: int, count: int, generator: torch.Generator) -> Tensor:
    """int64 [items], each of 0 … count − 1."""
    return torch.randint(0, count, (items,), generator=generator, device=generator.device)


def ddim(arguments: Mapping[str, Any]) -> Any:
    """diffusers' DDIMScheduler (arXiv:2010.02502), a new one: it carries the state of one run."""
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_config(dict(arguments))


def unipc(arguments: Mapping[str, Any], **changes: Any) -> Any:
    """UniPC (arXiv:2302.04867) of order 2 by B2(h) on diffusers' timesteps and σ; a new one."""
    from vton_models.networks.unipc import UniPC

    return UniPC.from_config({**arguments, **changes})


def alphas_cumprod(arguments: Mapping[str, Any]) -> Tensor:
    """ᾱ, float32 [num_train_timesteps]; with `rescale_betas_zero_snr` the last is 0 (arXiv:2305.08891, alg. 1)."""
    return ddim(arguments).alphas_cumprod


def scales(alphas: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """√ᾱ_t and √(1−ᾱ_t), [b 1 1 1], for int64 timesteps [b]."""
    chosen = alphas.to(timesteps.device)[timesteps].view(-1, 1, 1, 1)
    return chosen.sqrt(), (1 - chosen).sqrt()


def add_noise(alphas: Tensor, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """z_t."""
    signal, sigma = scales(alphas, timesteps)
    return signal * latents + sigma * noise


def min_snr_weights(alphas: Tensor, timesteps: Tensor, gamma: float) -> Tensor:
    """min(SNR, γ)/SNR, [b], of losses on ε (Min-SNR, arXiv:2303.09556); where ᾱ is 0 its limit, 1."""
    chosen = alphas.to(timesteps.device)[timesteps]
    return (gamma * (1 - chosen) / chosen).clamp(max=1)  # SNR = ᾱ/(1−ᾱ)


def weighted_loss(model_pred: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean over items of their mean squared errors times `weights` [b]."""
    return ((model_pred - target).square().flatten(1).mean(dim=1) * weights).mean()


def dream(model_pred: Tensor, noise: Tensor, noisy_latents: Tensor, sigma: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """DREAM (arXiv:2312.00210): (z_t, target), both corrected by d = (ε − ε̂) σ^p, where σ = √(1−ᾱ_t) [b 1 1 1].

    `model_pred` is a prediction without gradient. p = 0 corrects fully; p = ∞ would not at all.
    """
    difference = (noise - model_pred) * sigma**p
    return noisy_latents + sigma * difference, noise + difference


def guide(uncond: Tensor, cond: Tensor, guidance_scale: float) -> Tensor:
    """Classifier-free guidance (arXiv:2207.12598)."""
    return uncond + guidance_scale * (cond - uncond)


def guide_jointly(uncond: Tensor, garment: Tensor, both: Tensor, text_scale: float, garment_scale: float) -> Tensor:
    """Magic Clothing's (arXiv:2404.09512): the garment against nothing, then text and garment against the garment."""
    return uncond + text_scale * (both - garment) + garment_scale * (garment - uncond)


def guide_independently(
    uncond: Tensor, text: Tensor, garment: Tensor, text_scale: float, garment_scale: float
) -> Tensor:
    """Text and garment, each against nothing (arXiv:2404.09512, an ablation)."""
    return uncond + text_scale * (text - uncond) + garment_scale * (garment - uncond)


class Branches:
    """The U-Net's predictions under several conditions: in one batch, in their order, or one after another.

    One after another takes a fraction of the memory and is as many passes; the results differ by rounding only. Only
    neighbours that have the same names are one batch: a branch that lacks what another reads is a pass of its own.
    """

    def __init__(self, predict: Predict, conditions: Sequence[Condition], sequential: bool = False) -> None:
        self.predict = predict
        runs = [[one] for one in conditions] if sequential else _runs(conditions)
        self.joined = [(run[0] if len(run) == 1 else join(run), len(run)) for run in runs]

    def __call__(self, latents: Tensor, timestep: Any) -> tuple[Tensor, ...]:
        passes = (
            self.predict(torch.cat([latents] * count), timestep, condition).chunk(count)
            for condition, count in self.joined
        )
        return tuple(branch for branches in passes for branch in branches)


def _runs(conditions: Sequence[Condition]) -> list[list[Condition]]:
    """Neighbours with the same names together."""
    runs: list[list[Condition]] = []
    for condition in conditions:
        if runs and runs[-1][0].keys() == condition.keys():
            runs[-1].append(condition)
        else:
            runs.append([condition])
    return runs


def guided(branches: Branches, guidance_scale: float) -> Callable[[Tensor, Any], Tensor]:
    """Classifier-free guidance over [uncond, cond]; a single branch is taken as it is."""

    def predict(latents: Tensor, timestep: Any) -> Tensor:
        *uncond, cond = branches(latents, timestep)
        return guide(uncond[0], cond, guidance_scale) if uncond else cond

    return predict


def join(conditions: Sequence[Condition]) -> Condition:
    """One condition for the joined batch; a name is None in all of them or in none."""
    return {
        name: None if first is None else torch.cat([_tensor(condition[name]) for condition in conditions])
        for name, first in conditions[0].items()
    }


def denoise(
    scheduler: Any, latents: Tensor, predict: Callable[[Tensor, Any], Tensor], advance: Any, first: int = 0
) -> Iterator[Tensor]:
    """The latents after each of the scheduler's timesteps; `advance(index, timestep, model_pred, latents)` steps.

    Timesteps should lie on the CPU: reading ᾱ by them then waits for no accelerator. The prediction gets them where the
    latents are, which they reach all at once. The steps before the `first` are left out.
    """
    timesteps = upload(scheduler.timesteps, latents.device)
    if first and hasattr(scheduler, "set_begin_index"):  # DDIM's steps know by their timestep where they are
        scheduler.set_begin_index(first)
    for index, timestep in enumerate(scheduler.timesteps[first:], first):
        latents = advance(index, timestep, predict(latents, timesteps[index]), latents)
        yield latents


def ddim_step(scheduler: Any, noises: Noises, eta: float) -> Callable[[int, Any, Tensor, Tensor], Tensor]:
    """For `denoise`: DDIM's step, whose noise is called "step.INDEX"; it is drawn in every step, the last included."""

    def advance(index: int, timestep: Any, model_pred: Tensor, latents: Tensor) -> Tensor:
        noise = noises(f"step.{index}", latents.shape, latents.device) if eta > 0 else None
        return scheduler.step(model_pred, timestep, latents, eta=eta, variance_noise=noise).prev_sample

    return advance


def plain_step(scheduler: Any) -> Callable[[int, Any, Tensor, Tensor], Tensor]:
    """For `denoise`: the step of a scheduler that draws nothing."""

    def advance(index: int, timestep: Any, model_pred: Tensor, latents: Tensor) -> Tensor:
        return scheduler.step(model_pred, timestep, latents).prev_sample

    return advance


def ddpm(arguments: Mapping[str, Any]) -> Any:
    """diffusers' DDPMScheduler (arXiv:2006.11239), a new one; its variance is the smaller of the paper's two."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(dict(arguments))


def ddpm_step(scheduler: Any, noises: Noises) -> Callable[[int, Any, Tensor, Tensor], Tensor]:
    """For `denoise`: DDPM's ancestral step (eq. 7), whose noise is called "step.INDEX"; none is drawn at timestep 0."""

    def advance(index: int, timestep: Any, model_pred: Tensor, latents: Tensor) -> Tensor:
        t, before = int(timestep), int(scheduler.previous_timestep(timestep))
        alpha = float(scheduler.alphas_cumprod[t])
        alpha_before = float(scheduler.alphas_cumprod[before]) if before >= 0 else 1.0
        share = alpha / alpha_before
        clean = (latents - (1 - alpha) ** 0.5 * model_pred) / alpha**0.5
        of_clean = alpha_before**0.5 * (1 - share) / (1 - alpha)
        of_latents = share**0.5 * (1 - alpha_before) / (1 - alpha)
        mean = of_clean * clean + of_latents * latents
        if t == 0:
            return mean
        variance = (1 - alpha_before) / (1 - alpha) * (1 - share)
        return mean + variance**0.5 * noises(f"step.{index}", latents.shape, latents.device)

    return advance


@dataclass(frozen=True)
class Known:
    """What a result shows outside a mask: latents [b 4 h w], and the mask [b 1 h w], 1 where it is repainted."""

    latents: Tensor
    mask: Tensor


def repainting(advance: Advance, scheduler: Any, known: Known, noise: Tensor) -> Advance:
    """For `denoise`, of a scheduler with `sigmas`: after each step the known latents outside the mask.

    They carry the noise that sampling began with, at the level of the next step; after the last they are clean. The
    level is that of the step's place: timesteps repeat where Karras's σ lie close.
    """

    def step(index: int, timestep: Any, model_pred: Tensor, noisy: Tensor) -> Tensor:
        after = advance(index, timestep, model_pred, noisy)
        shown = known.latents
        if index + 1 < len(scheduler.timesteps):
            sigma = scheduler.sigmas[index + 1]  # a number on the CPU, which no accelerator is waited for
            shown = (shown + sigma * noise) / (1 + sigma**2).sqrt()
        return (1 - known.mask) * shown + known.mask * after

    return step


def _tensor(value: Tensor | None) -> Tensor:
    if value is None:
        raise ValueError("a condition that is None in some branches only; allowed is in all or in none")
    return value
