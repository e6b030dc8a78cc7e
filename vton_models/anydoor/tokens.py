"""What an extractor sees of a reference: DINOv2 (arXiv:2304.07193) a token of the whole, and one of each patch.

CLIP and VGG are the paper's comparisons; which of their layers it took isn't published: CLIP's last, through its norm,
and VGG-16's last convolution are ours.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vton_models.networks import image_encoder

Extractor = Callable[[Any, Tensor], Tensor]  # (network, uint8 RGB [b 3 h w]) → tokens [b n c]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_OFFSET = 0.1  # of patches, by which the published code asks for more than there are


def of_pictures(encoder: Any, pictures: Tensor) -> Tensor:
    """Tokens float [b 1+n c] of uint8 RGB [b 3 h w], sides multiples of the patch; the encoder is frozen."""
    with torch.no_grad():
        return encoder(_normalised(pictures).to(encoder.dtype)).last_hidden_state


def global_token(encoder: Any, pictures: Tensor) -> Tensor:
    """DINOv2's token of the whole picture alone, [b 1 c]."""
    return of_pictures(encoder, pictures)[:, :1]


def of_clip(encoder: Any, pictures: Tensor) -> Tensor:
    """All tokens of CLIP's vision tower, [b 1+n c]."""
    with torch.no_grad():
        tower = encoder.vision_model
        states = tower(image_encoder.normalized(pictures).to(encoder.dtype)).last_hidden_state
        return tower.post_layernorm(states)


def of_vgg(encoder: Any, pictures: Tensor) -> Tensor:
    """A token of each place of VGG's last convolution, [b n c]."""
    with torch.no_grad():
        normalised = _normalised(pictures).to(next(encoder.parameters()).dtype)
        return encoder(normalised).flatten(2).transpose(1, 2)


EXTRACTORS: dict[str, Extractor] = {
    "dinov2": of_pictures,
    "dinov2_global": global_token,
    "clip": of_clip,
    "vgg": of_vgg,
}


def _normalised(pictures: Tensor) -> Tensor:
    """By the mean and deviation of ImageNet."""
    mean, std = _statistics(pictures.device)
    return (pictures.float() / 255 - mean) / std


@cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation [1 3 1 1], sent to the device once."""
    mean, std = (torch.tensor(one).view(1, 3, 1, 1).to(device) for one in (_MEAN, _STD))
    return mean, std


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
