"""Pictures to latents and back; masks to latent size. Pictures [b 3 h w], latents [b 4 h/8 w/8] (8: the VAE's own).

A posterior is [b 2 4 h/8 w/8], mean and std. Where pictures are to be encoded, the posterior that they gave before may
stand in their place.
"""

from typing import Any

import torch
from torch import Tensor


def to_pixels(images: Tensor) -> Tensor:
    """uint8 0–255 → float32 −1–1; floats are taken to be −1–1 already."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images


def to_binary(masks: Tensor) -> Tensor:
    """uint8 [b 1 h w] (255 = repaint) or float in 0–1 → float32 of zeros and ones; half counts as one."""
    half = 128 if masks.dtype == torch.uint8 else 0.5
    return (masks >= half).float()


def downscale(vae: Any) -> int:
    """How many pixels a latent covers along each axis."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def latent_shape(vae: Any, images: Tensor) -> tuple[int, ...]:
    """Of the latents of [b 3 h w], or of a posterior."""
    if is_posterior(images):
        return (images.shape[0], *images.shape[2:])
    factor = downscale(vae)
    return (images.shape[0], vae.config.latent_channels, images.shape[2] // factor, images.shape[3] // factor)


def is_posterior(images: Tensor) -> bool:
    """Whether these were encoded before."""
    return images.ndim == 5


@torch.no_grad()
def posterior(vae: Any, pixels: Tensor) -> Tensor:
    """float32 [b 2 c h/8 w/8] of −1–1 pixels, or of the posterior that stands in their place."""
    if is_posterior(pixels):
        return pixels.float()
    encoded = vae.encode(pixels.to(vae.dtype)).latent_dist
    return torch.stack([encoded.mean.float(), encoded.std.float()], dim=1)


@torch.no_grad()
def encode(vae: Any, pixels: Tensor, noise: Tensor | None = None, scaled: bool = True) -> Tensor:
    """Latents float32 of −1–1 pixels or a posterior: a sample of it by standard normal `noise`, or its mode.

    They are scaled as the U-Net's noisy latents are; OOTDiffusion takes its conditions unscaled.
    """
    mean, std = posterior(vae, pixels).unbind(dim=1)
    sample = mean if noise is None else mean + std * noise
    return sample * vae.config.scaling_factor if scaled else sample


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> Tensor:
    """Scaled latents → pictures float32 [b 3 h w] in [0, 1]."""
    pixels = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype)).sample
    return (pixels.float() / 2 + 0.5).clamp(0, 1)


def mask_to_latent(masks: Tensor, factor: int) -> Tensor:
    """[b 1 h w] at latent size by nearest: the top-left pixel of each cell of `factor` by `factor`."""
    return masks[:, :, ::factor, ::factor].contiguous()
