"""What surrounds a garment isn't garment, and white cloth on white is: drawn photos whose mask is known."""

import cv2
import numpy as np
import pytest
from support.garments import WHITE, photo, recompressed, shirt, straps, trousers, with_shadow

from annotators.functional import masks
from annotators.functional.garment_mask import garment_mask


@pytest.mark.parametrize("colour", [(20, 20, 25), (120, 120, 120), (40, 140, 110), (90, 30, 140)], ids=str)
@pytest.mark.parametrize("ground", [WHITE, (248, 248, 248), (234, 232, 228)], ids=str)
def test_a_drop_shadow_is_outside(colour, ground):
    picture = with_shadow(shirt(), colour, ground)
    assert masks.iou(garment_mask(picture), shirt()) > 0.98


def test_a_shadow_between_trouser_legs_is_outside():
    mask = garment_mask(with_shadow(trousers(), (30, 60, 120)))
    assert masks.iou(mask, trousers()) > 0.98
    assert not mask[700:900, 383:388].any()


@pytest.mark.parametrize(("rim", "least"), [(250, 0.98), (251, 0.93), (253, 0.93)])  # fainter rims leak up to DEPTH
def test_white_cloth_on_white_is_inside_when_only_its_rim_differs(rim, least):
    mask = shirt()
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None] / np.float32(255)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)[..., None]
    cloth = rim + (255 - rim) * np.minimum(inside / 40, 1)  # as bright as the background further in
    picture = np.rint(255 * (1 - soft) + cloth * soft).astype(np.uint8).repeat(3, axis=2)
    assert masks.iou(garment_mask(picture), mask) > least


@pytest.mark.parametrize(("ground", "white"), [(255, 242), (255, 236), (246, 253)])
@pytest.mark.parametrize("quality", [92, 98])
@pytest.mark.parametrize("dark", [30, 120])
def test_white_stripes_on_white_are_inside(ground, white, quality, dark):
    mask, rows = shirt(), np.arange(1024)[:, None]
    thread = np.random.default_rng(0).normal(0, 1.5, mask.shape)
    cloth = np.where(rows % 48 < 24, dark, white) + thread
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7) / np.float32(255)
    picture = np.rint(ground * (1 - soft) + cloth * soft).clip(0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert masks.iou(garment_mask(recompressed(picture, quality)), mask) > 0.97


@pytest.mark.parametrize("quality", [60, 75, 92])
def test_ringing_of_jpeg_is_outside(quality):
    picture = photo(shirt(), (170, 20, 30), (246,) * 3, jpeg=quality)
    assert masks.iou(garment_mask(picture), shirt()) > 0.98


def test_straps_are_inside_and_small_holes_are_filled():
    bow = straps()
    cv2.circle(bow, (384, 600), 20, 0, -1)  # 0.16 % of the photo: filled, as VITON-HD's masks are
    assert masks.iou(garment_mask(photo(bow, (30, 30, 30), (246,) * 3)), straps()) > 0.98


def test_large_enclosed_background_stays_open():
    ring = straps()
    cv2.rectangle(ring, (300, 420), (460, 780), 0, -1)
    assert masks.iou(garment_mask(photo(ring, (30, 30, 30), (246,) * 3)), ring) > 0.98


def test_white_cloth_on_a_shaded_background():
    y, x = np.mgrid[-1:1:1024j, -1:1:768j].astype(np.float32)
    ground = 222 - 9 * (x * x + y * y) + 4 * y + np.random.default_rng(0).normal(0, 0.8, y.shape)
    soft = cv2.GaussianBlur(shirt(), (0, 0), 0.7) / np.float32(255)
    picture = np.rint(ground * (1 - soft) + 250 * soft).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert masks.iou(garment_mask(recompressed(picture, 92)), shirt()) > 0.98


def test_a_margin_around_the_photo_is_no_garment():
    picture = photo(shirt(), (60, 90, 200), (240,) * 3)
    padded = cv2.copyMakeBorder(picture, 60, 60, 90, 90, cv2.BORDER_CONSTANT, value=WHITE)
    expected = np.pad(shirt(), ((60, 60), (90, 90)))
    assert masks.iou(garment_mask(padded), expected) > 0.98


@pytest.mark.parametrize("scale", [0.5, 1.5, 2.0])
def test_every_size_gives_the_same_outline(scale):
    picture = with_shadow(shirt(), (90, 30, 140))
    size = (round(768 * scale), round(1024 * scale))
    mask = garment_mask(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
    assert masks.iou(mask, cv2.resize(shirt(), size, interpolation=cv2.INTER_NEAREST)) > 0.97


def test_a_mirrored_photo_has_the_mirrored_mask():
    picture = with_shadow(trousers(), (30, 60, 120))
    mirrored = garment_mask(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1]
    assert masks.iou(garment_mask(picture), mirrored) > 0.995
