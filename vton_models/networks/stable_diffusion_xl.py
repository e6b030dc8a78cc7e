"""Configurations of the Stable Diffusion XL networks, as the hub's config.json files state them."""

from collections.abc import Mapping
from typing import Any

from vton_models.networks import stable_diffusion
from vton_models.networks.components import Network
from vton_models.networks.stable_diffusion import Arguments

UNET: Arguments = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 2, 10),  # the first level has no attention
    "attention_head_dim": (5, 10, 20),  # the numbers of heads, whatever the name says
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "norm_num_groups": 32,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}

# madebyollin/sdxl-vae-fp16-fix's
VAE: Arguments = stable_diffusion.VAE | {"sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": False}

SCHEDULER: Arguments = stable_diffusion.SCHEDULER

TEXT_ENCODER: Arguments = stable_diffusion.TEXT_ENCODER
TEXT_ENCODER_2: Arguments = {  # OpenCLIP ViT-bigG/14's
    "vocab_size": 49408,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "projection_dim": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "max_position_embeddings": 77,
    "hidden_act": "gelu",
}

# Small enough for a CPU, as `stable_diffusion`'s: the lowest U-Net level is half the latents' size.
TINY_UNET: Arguments = UNET | {
    "sample_size": 16,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 2),
    "attention_head_dim": (1, 2),
    "cross_attention_dim": 40,
    "norm_num_groups": 8,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 24,
}
TINY_VAE: Arguments = stable_diffusion.TINY_VAE | {"scaling_factor": 0.13025, "force_upcast": False}
TINY_TEXT_ENCODER: Arguments = stable_diffusion.TINY_TEXT_ENCODER
TINY_TEXT_ENCODER_2: Arguments = TINY_TEXT_ENCODER | {"hidden_size": 24, "projection_dim": 24, "hidden_act": "gelu"}


def unet(
    arguments: Mapping[str, Any], trained: tuple[str, ...] = (), published: str = "", in_bases: tuple[str, ...] = ()
) -> Network:
    """A U-Net that differs from SDXL's in these arguments; the others are `Network`'s."""
    return Network("diffusers.UNet2DConditionModel", UNET | dict(arguments), trained, published, in_bases=in_bases)


def vae(arguments: Mapping[str, Any]) -> Network:
    """A VAE that differs from SDXL's in these arguments; the one of SDXL's own base overflows in float16."""
    return Network("diffusers.AutoencoderKL", VAE | dict(arguments), may_be_half=False)


def text_encoders(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Network]:
    """CLIP ViT-L's text model and ViT-bigG's with projection, each with its tokenizer and differing in arguments."""
    one = Network("transformers.CLIPTextModel", TEXT_ENCODER | dict(first), tokenizer="tokenizer")
    other = TEXT_ENCODER_2 | dict(second)
    return {
        "text_encoder": one,
        "text_encoder_2": Network("transformers.CLIPTextModelWithProjection", other, tokenizer="tokenizer_2"),
    }


def blocks(arguments: Mapping[str, Any]) -> dict[str, int]:
    """Transformer block → its channels, of a U-Net of these arguments, in the order of `attention.blocks`."""
    channels, depths = arguments["block_out_channels"], arguments["transformer_layers_per_block"]
    layers = arguments["layers_per_block"]
    levels = list(zip(channels, depths, strict=True))
    found: dict[str, int] = {}
    for side, types, sides, count in (
        ("down", arguments["down_block_types"], levels, layers),
        ("up", arguments["up_block_types"], levels[::-1], layers + 1),
    ):
        for level, (kind, (width, depth)) in enumerate(zip(types, sides, strict=True)):
            places = [(layer, block) for layer in range(count) for block in range(depth)] if "CrossAttn" in kind else []
            for layer, block in places:
                found[f"{side}_blocks.{level}.attentions.{layer}.transformer_blocks.{block}"] = width
    return found | {f"mid_block.attentions.0.transformer_blocks.{block}": channels[-1] for block in range(depths[-1])}
