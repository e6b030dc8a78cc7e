"""Prepared tensors and results as one picture to look at: a row per record, a named column per tensor."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

_LABEL = 16  # pixels above a row for the names
_GAP = 4


def as_picture(tensor: torch.Tensor) -> np.ndarray | None:
    """uint8 [c h w] (0–255, or 0/1 for a mask) or float [c h w] in [0, 1], c 1 or 3 → uint8 [h w 3]; else None."""
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or tensor.dtype not in (torch.uint8, torch.float32):
        return None
    planes = tensor.detach().cpu()
    if tensor.dtype == torch.float32:
        planes = (planes.clamp(0, 1) * 255).round().byte()
    elif planes.shape[0] == 1 and planes.max() <= 1:
        planes = planes * 255
    return planes.expand(3, -1, -1).permute(1, 2, 0).numpy().copy()


def pictures(prepared: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Those of a record's tensors that are pictures, by name."""
    seen = {name: as_picture(value) for name, value in prepared.items() if isinstance(value, torch.Tensor)}
    return {name: picture for name, picture in seen.items() if picture is not None}


def item(batch: Mapping[str, Any], index: int) -> dict[str, torch.Tensor]:
    """One record's tensors of a batch."""
    return {name: value[index] for name, value in batch.items() if isinstance(value, torch.Tensor)}


def sheet(rows: Sequence[Mapping[str, np.ndarray]]) -> Image.Image:
    """Rows under each other; pictures uint8 [h w 3] of any size stand on their row's top edge under their names.

    What is narrower than its name is enlarged, pixel by pixel.
    """
    drawn = [_row(row) for row in rows]
    width = max((row.width for row in drawn), default=1)
    canvas = Image.new("RGB", (width, max(1, sum(row.height for row in drawn))), "white")
    top = 0
    for row in drawn:
        canvas.paste(row, (0, top))
        top += row.height
    return canvas


def png(picture: Image.Image, note: str = "") -> bytes:
    """`note` goes into the file as its description."""
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    if note:
        info.add_text("Description", note)
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _row(named: Mapping[str, np.ndarray]) -> Image.Image:
    named = {name: _legible(name, picture) for name, picture in named.items()}
    width = sum(picture.shape[1] + _GAP for picture in named.values())
    height = _LABEL + max((picture.shape[0] for picture in named.values()), default=0) + _GAP
    canvas = Image.new("RGB", (max(1, width), height), "white")
    draw, left = ImageDraw.Draw(canvas), 0
    for name, picture in named.items():
        draw.text((left + 1, 2), name, fill="black")
        canvas.paste(Image.fromarray(picture), (left, _LABEL))
        left += picture.shape[1] + _GAP
    return canvas


def _legible(name: str, picture: np.ndarray) -> np.ndarray:
    factor = max(1, math.ceil(ImageFont.load_default().getlength(name) / picture.shape[1]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
