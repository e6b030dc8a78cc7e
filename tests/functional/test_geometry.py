"""Where a pixel of a photo ends up in the stored picture, and back: drawn crosses, over sizes, fits and EXIF turns."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from annotators.functional import geometry as shapes
from schemas import codecs

SIDES = st.integers(1, 160)
SIZES = st.tuples(st.integers(8, 96), st.integers(8, 96))
EXIF_ORIENTATION = 0x0112
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def stored_centre(pixels: np.ndarray) -> np.ndarray:
    """(x, y) of the middle of everything bright, in continuous pixels."""
    weight = pixels.astype(np.float64)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def visible(geometry: shapes.Geometry, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """bool [n]: whether boxes from low to high [n 2] lie inside the stored picture, two pixels from its rim."""
    corners = np.stack([geometry.to_stored(low.astype(float)), geometry.to_stored(high.astype(float))])
    return ((corners >= 2) & (corners <= (geometry.width - 2, geometry.height - 2))).all(axis=(0, 2))


def cross(height: int, width: int, x: int, y: int, arm: int) -> np.ndarray:
    """A white cross on black whose middle pixel is (x, y)."""
    picture = np.zeros((height, width, 3), np.uint8)
    thick = max(1, arm // 3)
    picture[y - arm : y + arm + 1, x - thick : x + thick + 1] = 255
    picture[y - thick : y + thick + 1, x - arm : x + arm + 1] = 255
    return picture


@st.composite
def drawn_crosses(draw):
    height, width = draw(st.integers(12, 160)), draw(st.integers(12, 160))
    how, size = draw(st.sampled_from(shapes.FITS)), draw(SIZES)
    geometry = shapes.fit((height, width), size, how)
    arm = int(np.ceil(2 / min(geometry.scale_x, geometry.scale_y))) + 1  # so that it can be seen after shrinking
    middles = np.array([(x, y) for y in range(arm, height - arm) for x in range(arm, width - arm)]).reshape(-1, 2)
    middles = middles[visible(geometry, middles - arm, middles + arm + 1)].tolist()
    return height, width, geometry, arm, draw(st.sampled_from(middles)) if middles else None


@settings(max_examples=60)
@given(drawn_crosses(), st.integers(1, 8), st.sampled_from(FORMATS))
def test_a_drawn_cross_comes_back_to_its_pixel(drawn, orientation, file_format):
    height, width, geometry, arm, middle = drawn
    if middle is None:
        return
    upright = cross(height, width, *middle, arm)
    photo = codecs.decode_photo(turned_file(upright, orientation, file_format)).pixels
    assert photo.shape == upright.shape, "the same photo, however it is stored"
    stored = shapes.photo(photo, geometry, fill=0)[..., 0]
    found = geometry.to_source(stored_centre(np.where(stored > 64, stored, 0))[None])[0]
    pixel = max(1, 1 / min(geometry.scale_x, geometry.scale_y))  # of the source, or what one stored pixel covers of it
    assert np.abs(found - middle - 0.5).max() < pixel / 2


def turned_file(upright: np.ndarray, orientation: int, file_format: str) -> bytes:
    """A file whose pixels lie as a camera held that way stores them, and whose EXIF says how to turn them."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(upright)
    image = image.transpose(undo[orientation]) if orientation in undo else image
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[EXIF_ORIENTATION] = orientation
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}
    image.save(buffer, file_format, exif=exif, **options.get(file_format, {}))
    return buffer.getvalue()


@settings(max_examples=150)
@given(SIDES, SIDES, SIZES, st.sampled_from(shapes.FITS))
def test_points_come_back_and_frames_meet(height, width, size, how):
    geometry = shapes.fit((height, width), size, how)
    points = np.array([[0, 0], [width, height], [width / 3, height / 7]])
    np.testing.assert_allclose(geometry.to_source(geometry.to_stored(points)), points, atol=1e-9)
    corners = geometry.to_stored(points[:2])
    inside, frame = corners[1] - corners[0], np.array([size[1], size[0]])
    if how == "stretch":
        np.testing.assert_allclose(corners, [[0, 0], frame], atol=1e-9)
    elif how == "pad":
        assert (inside <= frame + 1e-9).all() and (np.abs(inside - frame) < 1e-9).any()
        np.testing.assert_allclose(corners, np.rint(corners), atol=1e-9)
    else:
        assert (inside >= frame - 1e-9).all() and geometry.scale_x == geometry.scale_y
    assert shapes.photo(np.zeros((height, width, 3), np.uint8), geometry).shape == (*size, 3)


@settings(max_examples=60)
@given(SIDES, SIDES, SIZES, st.sampled_from(shapes.FITS), st.integers(0, 99))
def test_everything_moves_alike(height, width, size, how, seed):
    geometry = shapes.fit((height, width), size, how)
    mask = np.where(np.random.default_rng(seed).random((height, width)) < 0.5, np.uint8(255), np.uint8(0))
    moved, label_map = shapes.mask(mask, geometry), shapes.label_map(mask // 255, geometry)
    assert moved.shape == label_map.shape == size
    assert set(np.unique(moved)) <= {0, 255} and set(np.unique(label_map)) <= {0, 1}
    padding = shapes.photo(np.zeros((height, width, 3), np.uint8), geometry, fill=255)[..., 0] == 255
    assert not moved[padding].any() and not label_map[padding].any()


def test_the_same_size_changes_nothing():
    for how in shapes.FITS:
        assert shapes.fit((64, 48), (64, 48), how) == shapes.identity(64, 48)


def test_keypoints_move_with_the_picture():
    geometry = shapes.fit((100, 50), (60, 60), "pad")
    moved = shapes.keypoints(np.array([[24.5, 49.5, 0.9], [0, 0, 0]], np.float32), geometry)
    np.testing.assert_allclose(moved, [[29.5, 29.5, 0.9], [0, 0, 0]], atol=1e-5)


def test_an_unknown_fit_is_refused():
    with pytest.raises(ValueError, match="'squeeze'; allowed are crop, pad, stretch"):
        shapes.fit((4, 4), (8, 8), "squeeze")
