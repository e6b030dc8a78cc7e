"""Which timesteps AnyDoor trains on, by where a pair comes from, and which it samples with."""

import torch
from torch import Tensor

from schemas.kinds.object_pair import DYNAMICS

UNIFORM = 0.3  # share of draws that any timestep may be, whatever the pair
STILL, VIDEO, HIGH_QUALITY = range(len(DYNAMICS))


def adaptive(dynamics: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """int64 [b] of 0 … count − 1, by places in DYNAMICS int64 [b].

    In seven of ten draws a still has one of the lower half, where pictures get their details, and video one of the
    upper half, where they get their layout; views of high quality have any. Three draws each, whatever they are.
    """
    items, device = len(dynamics), generator.device
    is_any = torch.rand(items, generator=generator, device=device) < UNIFORM
    anywhere = torch.randint(0, count, (items,), generator=generator, device=device)
    within_half = torch.randint(0, count // 2, (items,), generator=generator, device=device)
    is_any, anywhere, within_half = (drawn.to(dynamics.device) for drawn in (is_any, anywhere, within_half))
    chosen = torch.where(dynamics == STILL, within_half, anywhere)
    chosen = torch.where(dynamics == VIDEO, within_half + count // 2, chosen)
    return torch.where(is_any, anywhere, chosen)


def of_sampling(steps: int, count: int) -> list[int]:
    """Every (count // steps)th timestep from 1 on, the latest first: one more than `steps` where they don't divide.

    Where a multiple of the stride is the last timestep, upstream, which adds 1 to it, runs out of its schedule; it is
    the last one here.
    """
    return [min(start + 1, count - 1) for start in range(0, count, count // steps)][::-1]
