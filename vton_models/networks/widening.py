"""U-Nets that read more channels than their base does."""

from typing import Any

import torch
from torch import nn


def widen(unet: Any, channels: int) -> None:
    """Gives `conv_in` further input channels, which bring nothing until it is learnt: their weights are zeros.

    A U-Net that has as many stays as it is.
    """
    narrow = unet.conv_in
    missing = channels - narrow.in_channels
    if missing <= 0:
        return
    with torch.device("meta"):
        wide = nn.Conv2d(channels, narrow.out_channels, narrow.kernel_size, padding=narrow.padding)
    zeros = narrow.weight.new_zeros(len(narrow.weight), missing, *narrow.weight.shape[2:])
    wide.weight, wide.bias = nn.Parameter(torch.cat([narrow.weight.detach(), zeros], dim=1)), narrow.bias
    unet.conv_in = wide
    unet.register_to_config(in_channels=channels)
