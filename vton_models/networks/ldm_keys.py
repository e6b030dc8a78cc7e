"""Names of parameters in the code that Stable Diffusion was published with (CompVis/latent-diffusion), by diffusers'.

Each function takes all names of a network, since some keys follow from what other blocks have.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

Renaming = Mapping[str, str]  # diffusers' name → the published one

_PLAIN = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.attentions.0": "middle_block.1",
    "controlnet_mid_block": "middle_block_out.0",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE = (
    (r"\bmid_block\.resnets\.0\b", "mid.block_1"),
    (r"\bmid_block\.resnets\.1\b", "mid.block_2"),
    (r"\bmid_block\.attentions\.0\b", "mid.attn_1"),
    (r"\bgroup_norm\b", "norm"),
    (r"\bto_([qkv])\b", r"\1"),
    (r"\bto_out\.0\b", "proj_out"),
    (r"\bconv_norm_out\b", "norm_out"),
    (r"\bconv_shortcut\b", "nin_shortcut"),
    (r"\bresnets\b", "block"),
    (r"\bdown_blocks\b", "down"),
    (r"\bdownsamplers\.0\b", "downsample"),
    (r"\bupsamplers\.0\b", "upsample"),
)


def unet(names: Iterable[str]) -> dict[str, str]:
    """Of a U-Net, or of a ControlNet, whose hint's stem and outputs have names of their own."""
    names = list(names)
    rules = list(_unet_rules(names))
    return {name: _renamed(name, rules) for name in names}


def vae(names: Iterable[str]) -> dict[str, str]:
    """Of an AutoencoderKL; weights of its attention are 1×1 convolutions there, and linear here."""
    names = list(names)
    top = max((int(match[1]) for name in names if (match := re.match(r"decoder\.up_blocks\.(\d+)", name))), default=0)
    renamed = {}
    for name in names:
        key = re.sub(r"\bup_blocks\.(\d+)", lambda match: f"up.{top - int(match[1])}", name)
        for pattern, replacement in _VAE:
            key = re.sub(pattern, replacement, key)
        renamed[name] = key
    return renamed


def _unet_rules(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(diffusers' beginning, published one) of every block."""
    yield from _PLAIN.items()
    yield from (("mid_block.resnets.0", "middle_block.0"), ("mid_block.resnets.1", "middle_block.2"))
    down, up = (_layers(names, part) for part in ("down", "up"))
    for level in range(len(down)):
        for layer in range(down[level]):
            place = f"input_blocks.{1 + sum(down[:level]) + level + layer}"
            yield f"down_blocks.{level}.resnets.{layer}", f"{place}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"{place}.1"
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{1 + sum(down[: level + 1]) + level}.0.op"
    for level in range(len(up)):
        for layer in range(up[level]):
            place = f"output_blocks.{sum(up[:level]) + layer}"
            yield f"up_blocks.{level}.resnets.{layer}", f"{place}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"{place}.1"
        before = 2 if any(name.startswith(f"up_blocks.{level}.attentions.") for name in names) else 1
        yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{sum(up[: level + 1]) - 1}.{before}.conv"
    yield from _control_rules(names)


def _control_rules(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    stem = 1 + _highest(names, r"controlnet_cond_embedding\.blocks\.(\d+)\.")
    yield "controlnet_cond_embedding.conv_in", "input_hint_block.0"
    for number in range(stem):
        yield f"controlnet_cond_embedding.blocks.{number}", f"input_hint_block.{2 * number + 2}"
    yield "controlnet_cond_embedding.conv_out", f"input_hint_block.{2 * stem + 2}"
    for number in range(1 + _highest(names, r"controlnet_down_blocks\.(\d+)\.")):
        yield f"controlnet_down_blocks.{number}", f"zero_convs.{number}.0"


def _renamed(name: str, rules: Iterable[tuple[str, str]]) -> str:
    """Raises ValueError for a name that no rule is about."""
    for ours, theirs in rules:
        if name.startswith(f"{ours}."):
            rest = name.removeprefix(f"{ours}.")
            part, _, last = rest.partition(".")
            return f"{theirs}.{_RESNET[part]}.{last}" if ".resnets." in name else f"{theirs}.{rest}"
    raise ValueError(f"{name!r} has no published name; allowed are the parameters of a U-Net or ControlNet")


def _layers(names: Sequence[str], part: str) -> list[int]:
    """How many resnets each level of the U-Net's way down, or up, has."""
    levels = 1 + _highest(names, rf"{part}_blocks\.(\d+)\.")
    return [1 + _highest(names, rf"{part}_blocks\.{level}\.resnets\.(\d+)\.") for level in range(levels)]


def _highest(names: Sequence[str], pattern: str) -> int:
    """The highest number that the expression finds at a name's beginning; −1 without any."""
    return max((int(match[1]) for name in names if (match := re.match(pattern, name))), default=-1)
