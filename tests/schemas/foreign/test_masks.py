"""Masks in values, colours and alpha: what was meant is set, or one clear error."""

import io

import numpy as np
import pytest
from PIL import Image

from schemas import codecs
from schemas.foreign import masks

SET = np.zeros((40, 30), bool)
SET[10:30, 8:20] = True
PHOTO = np.random.default_rng(2).integers(0, 255, (40, 30, 3)).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    return saved(Image.fromarray(pixels))


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def palette(colours: list[int]) -> bytes:
    image = Image.fromarray(SET.astype(np.uint8))
    image.putpalette(colours)
    return saved(image)


def rgba(colours: np.ndarray, opaque: np.ndarray) -> bytes:
    return png(np.dstack([colours, np.where(opaque, 255, 0).astype(np.uint8)]))


WHITE, BLACK = np.full((40, 30, 3), 255, np.uint8), np.zeros((40, 30, 3), np.uint8)
GREY = (SET * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        png(GREY),
        png(np.dstack([GREY] * 3)),
        saved(Image.fromarray(SET)),
        saved(Image.fromarray(GREY), "JPEG", quality=75),
        png((SET * 65535).astype(np.uint16)),
        codecs.encode_mask(GREY),
        rgba(np.dstack([GREY] * 3), np.ones_like(SET)),
    ],
)
def test_customary_masks_have_no_note(data: bytes) -> None:
    found = masks.read(data)
    assert ((found.value > 0) == SET).all() and set(np.unique(found.value)) == {0, 255} and found.note == ""


@pytest.mark.parametrize(
    "data",
    [
        png(SET.astype(np.uint8)),
        png(np.dstack([SET.astype(np.uint8)] * 3)),
        png(SET.astype(np.uint16)),
        palette([0, 0, 0, 1, 1, 1]),
        palette([0, 0, 0, 0, 128, 0]),
        palette([0, 0, 0, 128, 0, 0]),
        png(SET[..., None] * np.array([0, 200, 30], np.uint8)),
    ],
)
def test_two_values_or_a_colour_on_black(data: bytes) -> None:
    found = masks.read(data)
    assert ((found.value > 0) == SET).all() and "read as" in found.note


@pytest.mark.parametrize(("level", "note"), [(1, True), (100, True), (127, True), (128, False), (254, False)])
def test_one_other_level_beside_black_is_set_and_said_where_it_is_dark(level: int, note: bool) -> None:
    found = masks.read(png(SET.astype(np.uint8) * np.uint8(level)))
    assert ((found.value > 0) == SET).all()
    assert found.note == (f"values 0 and {level} read as unset and set" if note else "")


def test_of_two_colours_without_black_the_first_channel_counts() -> None:
    found = masks.read(png(np.where(SET[..., None], np.uint8([255, 0, 0]), np.uint8([0, 0, 255]))))
    assert ((found.value > 0) == SET).all()


@pytest.mark.parametrize("colours", [WHITE, BLACK])
def test_a_speck_that_is_transparent_makes_no_mask_of_alpha(colours: np.ndarray) -> None:
    """Up to two thousandths of the picture; from there on alpha is the mask."""
    wide = np.tile(colours, (5, 5, 1))[:100, :100]
    for count, by_alpha in ((0, False), (19, False), (20, True)):
        opaque = np.ones((100, 100), bool)
        opaque.flat[:count] = False
        found = masks.read(rgba(wide, opaque))
        assert (found.value > 0).mean() == (opaque.mean() if by_alpha else colours.mean() / 255)
        assert ("alpha" in found.note) is by_alpha


def test_half_transparent_counts_as_transparent_below_128() -> None:
    for alpha, kept in ((0, False), (100, False), (127, False), (128, True)):
        levels = np.broadcast_to(np.where(np.arange(30) < 15, np.uint8(alpha), np.uint8(255)), SET.shape)
        found = masks.read(png(np.dstack([GREY] * 3 + [levels]))).value > 0
        assert (found[:, 15:] == SET[:, 15:]).all() and (found[:, :15] == (SET & kept)[:, :15]).all()


@pytest.mark.parametrize("colours", [WHITE, BLACK, WHITE // 2, PHOTO])
def test_what_is_opaque_is_set_in_a_cut_out(colours: np.ndarray) -> None:
    found = masks.read(rgba(colours, SET))
    assert ((found.value > 0) == SET).all() and "alpha" in found.note


def test_editors_for_inpainting_make_transparent_what_is_painted() -> None:
    found = masks.read(rgba(PHOTO, ~SET), painted_is_transparent=True)
    assert ((found.value > 0) == SET).all() and "transparent = set" in found.note


def test_white_strokes_on_nothing_are_set_for_inpainting_too() -> None:
    found = masks.read(rgba(WHITE, SET), painted_is_transparent=True)
    assert ((found.value > 0) == SET).all()


def test_a_transparent_palette_entry_is_alpha() -> None:
    image = Image.fromarray(SET.astype(np.uint8))
    image.putpalette([255, 255, 255, 255, 255, 255])
    found = masks.read(saved(image, transparency=0))
    assert ((found.value > 0) == SET).all() and "alpha" in found.note


def test_a_photo_is_no_mask() -> None:
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    for data in (png(grey), png(PHOTO), rgba(PHOTO, np.ones_like(SET))):
        with pytest.raises(codecs.CodecError, match="not a mask"):
            masks.read(data)
