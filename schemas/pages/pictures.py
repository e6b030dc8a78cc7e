"""Arrays → data URIs, small enough for a page that holds hundreds."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from schemas.pages.parts import Figure


def jpeg(pixels: np.ndarray, size: tuple[int, int], quality: int = 80) -> tuple[bytes, int, int]:
    """uint8 [h w 3] as a JPEG no larger than `size` (width, height); its bytes, width and height."""
    image = Image.fromarray(pixels)
    image.thumbnail(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue(), image.width, image.height


def figure(
    title: str, pixels: np.ndarray, size: tuple[int, int], quality: int = 80, note: str = "", large: str = ""
) -> Figure:
    """uint8 [h w 3] as a part of a page, no larger than `size` (width, height)."""
    data, width, height = jpeg(pixels, size, quality)
    return Figure(title, data_uri(data, "jpeg"), width, height, note, large=large)


def label_png(ids: np.ndarray, palette: np.ndarray, size: tuple[int, int], clear: Sequence[int] = (0,)) -> bytes:
    """uint8 [h w] ids as a palette PNG of `size` (width, height), nearest; the `clear` ids are transparent."""
    image = Image.fromarray(np.ascontiguousarray(ids, np.uint8)).resize(size, Image.Resampling.NEAREST)
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    buffer = io.BytesIO()
    transparency = bytes(0 if number in clear else 255 for number in range(max(clear, default=-1) + 1))
    image.save(buffer, "PNG", compress_level=6, transparency=transparency)
    return buffer.getvalue()


def data_uri(data: bytes, kind: str) -> str:
    """Of a picture's bytes; `kind` is "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
