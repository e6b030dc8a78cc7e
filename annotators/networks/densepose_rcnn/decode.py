"""Network outputs to part labels and surface coordinates per pixel (Güler 2018; detectron2's chart results)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from annotators.functional.densepose import paste
from annotators.networks import devices
from annotators.networks.densepose_rcnn.network import Detections
from schemas.labels import DENSEPOSE_COLOURS

CHUNK = 1 << 16  # pixels resampled at a time: 77 maps of a large box would fill gigabytes
CHUNK_OF_ACCELERATOR = 1 << 20  # a third of a gigabyte


@torch.inference_mode()
def labels(detections: Detections, index: int, height: int, width: int) -> np.ndarray:
    """uint8 [height width 3]: I 0-24, U and V 0-255 of one person, 0 outside its box.

    height and width are those of the photo given to the network. Raises IndexError without that person.
    """
    window, x, y = _window(detections, index)
    return paste(window.cpu().numpy(), x, y, height, width)


@torch.inference_mode()
def drawn(detections: Detections, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The same of the first person, still on the device, and its `dp_segm` picture: both uint8 [height width 3]."""
    window, x, y = _window(detections, 0)
    canvas = window.new_zeros(height, width, 3)
    left, top = max(x, 0), max(y, 0)
    part = window[top - y : max(height - y, 0), left - x : max(width - x, 0)]
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    palette = torch.from_numpy(DENSEPOSE_COLOURS).to(canvas.device)
    return canvas, palette[canvas[..., 0].long()]


def _window(detections: Detections, index: int) -> tuple[Tensor, int, int]:
    """One person's I, U, V uint8 [h w 3] in its box, and the photo's column and row of its corner."""
    if not 0 <= index < len(detections):
        raise IndexError(f"detection {index} of {len(detections)}")
    x0, y0, x1, y1 = detections.boxes[index].cpu()
    maps = (detections.coarse[index], detections.fine[index], detections.u[index], detections.v[index])
    parts, uv = resample(*maps, int(y1 - y0), int(x1 - x0))
    quantised = (uv * 255).clamp_(0, 255).byte()
    return torch.cat([parts[None], quantised]).permute(1, 2, 0), int(x0), int(y0)


@torch.inference_mode()
def resample(coarse: Tensor, fine: Tensor, u: Tensor, v: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """One person's maps [c 112 112] at the size of its box: parts uint8 [h w], uv float32 [2 h w].

    A pixel is its best part where body beats background, else 0. U and V come from that part's own maps and are 0
    on the background. A box side below 1 counts as 1.
    """
    height, width = max(height, 1), max(width, 1)
    maps = torch.cat([coarse, fine, u, v])[None].contiguous(memory_format=torch.channels_last)
    tall = F.interpolate(maps, (height, maps.shape[3]), mode="bilinear", align_corners=False)
    chunk = CHUNK_OF_ACCELERATOR if devices.accelerated(maps.device) else CHUNK
    chunks = [_widen(rows, width) for rows in torch.split(tall, max(chunk // width, 1), dim=2)]
    parts, uv = (torch.cat(pieces) for pieces in zip(*chunks, strict=True))
    return parts, uv.permute(2, 0, 1)


def _widen(rows: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Maps [1 77 n 112] of some rows -> parts uint8 [n width], uv float32 [n width 2]."""
    scores = F.interpolate(rows, (rows.shape[2], width), mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    coarse, fine, u, v = torch.split(scores, [2, 25, 25, 25], dim=2)
    best = fine.argmax(dim=2, keepdim=True)
    body = (coarse[:, :, 1:] > coarse[:, :, :1]) & (best > 0)
    uv = torch.cat([u.gather(2, best), v.gather(2, best)], dim=2) * body
    return (best * body)[:, :, 0].byte(), uv
