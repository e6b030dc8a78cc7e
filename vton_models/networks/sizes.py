"""Which picture sizes a network can hold without resizing its skip connections."""

from collections.abc import Mapping
from typing import Any

from schemas.cli.flags import UsageError
from vton_models.networks.components import Network


def check(name: str, height: int, width: int, units: tuple[int, int]) -> None:
    """Raises UsageError, naming the nearest legal size, unless height and width are multiples of `units`."""
    if height > 0 and width > 0 and height % units[0] == 0 and width % units[1] == 0:
        return
    best = f"{nearest(height, units[0])}x{nearest(width, units[1])}"
    raise UsageError(
        f"size {height}x{width} (height x width); {name} holds heights that are multiples of {units[0]} "
        f"and widths that are multiples of {units[1]}; the nearest is {best}"
    )


def check_whole(name: str, height: int, width: int, networks: Mapping[str, Network]) -> None:
    """As `check`, for a U-Net that sees pictures of the size, by the arguments of "vae" and "unet"."""
    _, whole = units(networks["vae"].arguments, networks["unet"].arguments)
    check(name, height, width, (whole, whole))


def nearest(side: int, unit: int) -> int:
    """The multiple of `unit`, at least one, that is closest to `side`; of two, the larger."""
    return max(1, (side + unit // 2) // unit) * unit


def units(vae: Mapping[str, Any], unet: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels along a side of one latent, and of one latent of the U-Net's lowest level, by the networks' arguments."""
    latent, levels = (2 ** (len(network["block_out_channels"]) - 1) for network in (vae, unet))
    return latent, latent * levels
