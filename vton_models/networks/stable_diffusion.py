"""Configurations of the Stable Diffusion 1.5 networks, as the hub's config.json files state them.

The scheduler is that of `stable-diffusion-v1-5/stable-diffusion-inpainting`: what training noises with, and DDIM's.
"""

from collections.abc import Mapping
from typing import Any

from vton_models.networks.components import Network

Arguments = dict[str, Any]


def differing(name: str, published: str) -> dict[str, Any]:
    """Metadata of a Config's field that holds arguments of a network unlike the published ones'. It is no flag."""
    return {"help": f"arguments of {name} that differ from {published}", "runtime": True}


UNET: Arguments = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,  # the number of heads, whatever its name says
    "norm_num_groups": 32,
}

VAE: Arguments = {
    "sample_size": 512,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}

SCHEDULER: Arguments = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
}

# Over SCHEDULER: the last ᾱ is 0 (arXiv:2305.08891); its spacing counts only where it samples.
ZERO_SNR: Arguments = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}

TEXT_ENCODER: Arguments = {  # CLIP ViT-L/14's
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "projection_dim": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
}


def unet(arguments: Mapping[str, Any], trained: tuple[str, ...] = (), published: str = "") -> Network:
    """A U-Net that differs from SD 1.5's in these arguments; `trained` and `published` are `Network`'s."""
    return Network("diffusers.UNet2DConditionModel", UNET | dict(arguments), trained, published)


def vae(arguments: Mapping[str, Any]) -> Network:
    """A VAE that differs from SD 1.5's in these arguments."""
    return Network("diffusers.AutoencoderKL", VAE | dict(arguments))


def self_attention_widths(unet: Mapping[str, Any]) -> tuple[int, ...]:
    """Channels of the self-attentions of a U-Net of these arguments, in the order of `attention.blocks`."""
    channels, layers = tuple(unet["block_out_channels"]), unet["layers_per_block"]
    levels = zip(unet["down_block_types"], channels, (layers,) * len(channels), strict=True)
    rising = zip(unet["up_block_types"], channels[::-1], (layers + 1,) * len(channels), strict=True)
    counted = [(width, count) for name, width, count in (*levels, *rising) if name.startswith("CrossAttn")]
    return tuple(width for width, count in (*counted, (channels[-1], 1)) for _ in range(count))


def text_encoder(arguments: Mapping[str, Any]) -> Network:
    """A CLIP text model that differs from ViT-L/14's in these arguments, with its tokenizer."""
    return Network("transformers.CLIPTextModel", TEXT_ENCODER | dict(arguments), tokenizer="tokenizer")


# Small enough for a CPU: latents are a quarter of the picture's size, the lowest U-Net level half of that.
# No group of a GroupNorm has a single channel: it would turn flat areas into rounding noise.
TINY_UNET: Arguments = UNET | {
    "sample_size": 16,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (32, 32),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
TINY_VAE: Arguments = VAE | {
    "sample_size": 64,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (8, 8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
TINY_TEXT_ENCODER: Arguments = TEXT_ENCODER | {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
    "bos_token_id": 62,  # `text.WordTokenizer`'s
    "eos_token_id": 63,
}
