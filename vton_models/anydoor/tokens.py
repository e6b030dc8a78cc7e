"""What DINOv2 (arXiv:2304.07193) sees of a reference: a token of the whole picture, and one of each patch."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_OFFSET = 0.1  # of patches, by which the published code asks for more than there are


def of_pictures(encoder: Any, pictures: Tensor) -> Tensor:
    """Tokens float [b 1+n c] of uint8 RGB [b 3 h w], sides multiples of the patch; the encoder is frozen."""
    mean, std = (torch.tensor(one, device=pictures.device).view(1, 3, 1, 1) for one in (_MEAN, _STD))
    with torch.no_grad():
        normalised = ((pictures.float() / 255 - mean) / std).to(encoder.dtype)
        return encoder(normalised).last_hidden_state


def keep_published_positions(encoder: Any) -> None:
    """Gives an encoder of transformers the position embeddings that facebookresearch/dinov2 computes."""
    embeddings = encoder.embeddings
    embeddings.interpolate_pos_encoding = partial(_positions, embeddings)


def _positions(embeddings: Any, tokens: Tensor, height: int, width: int) -> Tensor:
    """[1 1+n c] for pictures of this size.

    The stored square grid is resized bicubically by a factor that is a tenth of a patch too large, as the weights were
    trained; transformers resizes to the size itself, which moves features by some two per cent.
    """
    stored = embeddings.position_embeddings
    side, channels = int((stored.shape[1] - 1) ** 0.5), stored.shape[2]
    rows, columns = height // embeddings.patch_size, width // embeddings.patch_size
    if rows == columns == side:
        return stored
    grid = stored[:, 1:].float().reshape(1, side, side, channels).permute(0, 3, 1, 2)
    factors = ((rows + _OFFSET) / side, (columns + _OFFSET) / side)
    resized = F.interpolate(grid, scale_factor=factors, mode="bicubic")
    patches = resized.permute(0, 2, 3, 1).reshape(1, rows * columns, channels)
    return torch.cat([stored[:, :1], patches.to(stored.dtype)], dim=1)
