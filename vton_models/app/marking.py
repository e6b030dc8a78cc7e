"""A small mark in the corner of a picture, which tells people that a model made it."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TEXT = "AI-generated"
_INSET = 2


def marked(picture: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] with the mark in the lower right corner: light on dark, so that it shows on anything."""
    image = Image.fromarray(picture.copy())
    size = max(6, round(image.width / 45))
    text = TEXT if image.width >= 120 else "AI"
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    width, height = right - left + 2 * _INSET, bottom - top + 2 * _INSET
    x, y = image.width - width - _INSET, image.height - height - _INSET
    draw = ImageDraw.Draw(image)
    draw.rectangle((x, y, x + width, y + height), fill=(0, 0, 0))
    draw.text((x + _INSET - left, y + _INSET - top), text, font=font, fill=(255, 255, 255))
    return np.asarray(image)
