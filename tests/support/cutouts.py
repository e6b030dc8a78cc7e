"""Pictures of garments whose background is transparent, in each form in which files keep transparency."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

HEIGHT, WIDTH = 160, 120
KEY = (1, 2, 3)  # the colour that counts as see-through where a file names one


def shirt() -> np.ndarray:
    """bool [h w]: a body with two sleeves, a gap between sleeve and body."""
    image = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 30, 80, 130), fill=255)
    draw.polygon([(40, 30), (15, 70), (25, 80), (40, 55)], fill=255)
    draw.polygon([(80, 30), (105, 70), (95, 80), (80, 55)], fill=255)
    return np.asarray(image) > 0


def room() -> np.ndarray:
    """uint8 [h w 3]: a scene that transparency hides; the shirt before it is white, as hard to see as can be."""
    pixels = np.random.default_rng(0).integers(4, 250, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[shirt()] = 255
    return pixels


def with_alpha(alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([room(), alpha]))


def _grey_with_alpha() -> Image.Image:
    image = Image.fromarray(room()).convert("LA")
    image.putalpha(Image.fromarray(_alpha()))
    return image


def _alpha() -> np.ndarray:
    return np.where(shirt(), np.uint8(255), np.uint8(0))


def _saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _palette() -> bytes:
    image = Image.fromarray(np.where(shirt(), np.uint8(1), np.uint8(0)))
    image.putpalette([9, 9, 9, 255, 255, 255])
    return _saved(image, "PNG", transparency=0)


def _palette_with_alphas() -> bytes:
    image = Image.fromarray(np.where(shirt(), np.uint8(1), np.uint8(0)))
    image.putpalette([9, 9, 9, 255, 255, 255])
    return _saved(image, "PNG", transparency=bytes([40, 255]))


def _key_colour() -> bytes:
    pixels = room()
    pixels[~shirt()] = KEY
    return _saved(Image.fromarray(pixels), "PNG", transparency=KEY)


def _key_grey() -> bytes:
    return _saved(Image.fromarray(np.where(shirt(), np.uint8(255), np.uint8(7))), "PNG", transparency=7)


def png(colour_type: int, samples: np.ndarray, see_through: bytes = b"") -> bytes:
    """A 16-bit PNG of samples uint16 [h w c]; Pillow writes none with alpha."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    chunks += [(b"tRNS", see_through)] if see_through else []
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _wide(*channels: np.ndarray) -> np.ndarray:
    return np.dstack([channel.astype(np.uint16) * 257 for channel in channels])


def _key_grey_16() -> bytes:
    return png(0, np.where(shirt(), np.uint16(65535), np.uint16(1000))[..., None], struct.pack(">H", 1000))


def _key_colour_16() -> bytes:
    samples = _wide(room())
    samples[~shirt()] = (1000, 2000, 3000)
    return png(2, samples, struct.pack(">HHH", 1000, 2000, 3000))


FORMS: dict[str, Callable[[], bytes]] = {
    "rgba.png": lambda: _saved(with_alpha(_alpha()), "PNG"),
    "grey_alpha.png": lambda: _saved(_grey_with_alpha(), "PNG"),
    "palette.png": _palette,
    "palette_alphas.png": _palette_with_alphas,
    "key_colour.png": _key_colour,
    "key_grey.png": _key_grey,
    "rgba_16.png": lambda: png(6, _wide(room(), _alpha())),
    "grey_alpha_16.png": lambda: png(4, _wide(room()[..., 0], _alpha())),
    "key_colour_16.png": _key_colour_16,
    "key_grey_16.png": _key_grey_16,
    "lossless.webp": lambda: _saved(with_alpha(_alpha()), "WEBP", lossless=True),
    "lossy.webp": lambda: _saved(with_alpha(_alpha()), "WEBP", quality=80),
    "rgba.tiff": lambda: _saved(with_alpha(_alpha()), "TIFF"),
    "palette.gif": lambda: _saved(
        Image.fromarray(np.where(shirt(), np.uint8(255), np.uint8(7))), "GIF", transparency=7
    ),
}
