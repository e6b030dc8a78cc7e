import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional import quality


def picture(seed, height=320, width=240):
    """Smooth shapes on white, different for every seed."""
    generator = np.random.default_rng(seed)
    image = np.full((height, width, 3), 246, np.uint8)
    for _ in range(6):
        centre = (int(generator.integers(40, width - 40)), int(generator.integers(40, height - 40)))
        axes = tuple(int(v) for v in generator.integers(15, 70, 2))
        cv2.ellipse(image, centre, axes, 30, 0, 360, tuple(int(v) for v in generator.integers(0, 255, 3)), -1)
    return image


def distance(a, b):
    bits = quality.hash_bits([quality.perceptual_hash(a), quality.perceptual_hash(b)])
    return int(quality.hamming_distance(bits[0], bits[1]))


def test_blur_lowers_sharpness_whatever_the_size():
    image = picture(1)
    values = [quality.sharpness(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4)]
    assert values == sorted(values, reverse=True) and values[0] > 10 * values[-1]
    assert quality.sharpness(np.full((64, 64, 3), 90, np.uint8)) == 0
    large = cv2.resize(image, (960, 1280), interpolation=cv2.INTER_CUBIC)
    assert quality.sharpness(large) == pytest.approx(quality.sharpness(image), rel=0.5)


def test_the_background_is_the_median_of_the_border():
    image = picture(2)
    image[:8], image[-8:], image[:, :8], image[:, -8:] = (240, 236, 230), (240, 236, 230), (240, 236, 230), 0
    luma, tint = quality.background(image)
    assert luma == pytest.approx(236, abs=1) and tint == 10, "one black side isn't the background"
    image[8:-8, 8:-8] = 7
    assert quality.background(image) == (luma, tint), "what lies inside doesn't count"
    for height, width in ((1, 1), (8, 30), (12, 9), (16, 16)):
        assert quality.background(np.full((height, width, 3), 90, np.uint8)) == (90, 0)
    assert quality.background(np.uint8([[[0, 0, 0]] * 9 + [[200, 200, 200]]] * 10)) == (0, 0)


def test_label_areas_add_up():
    parse = np.random.default_rng(0).integers(0, 20, (50, 40), dtype=np.uint8)
    shares = quality.label_areas(parse, [(5, 7), (9, 12), (6,), ()])
    assert shares == pytest.approx([np.isin(parse, ids).mean() for ids in ((5, 7), (9, 12), (6,), ())])


def test_exposure_runs_from_black_to_white():
    levels = [quality.exposure(np.full((30, 20, 3), level, np.uint8)) for level in (0, 51, 255)]
    assert levels == pytest.approx([0, 0.2, 1])
    image = np.full((10, 10, 3), 100, np.uint8)
    image[:2], image[2:5] = 0, 255
    assert quality.clipped(image) == pytest.approx((0.2, 0.3))


@pytest.mark.parametrize("seed", range(5))
def test_hash_survives_saving_and_resizing(seed):
    image = picture(seed)
    for level in (95, 75, 50):
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, level])
        assert distance(image, cv2.imdecode(data, cv2.IMREAD_COLOR)) <= 22
    for size in ((120, 160), (480, 640), (360, 480)):
        assert distance(image, cv2.resize(image, size, interpolation=cv2.INTER_AREA)) <= 22


def test_hash_tells_pictures_apart():
    bits = quality.hash_bits([quality.perceptual_hash(picture(seed)) for seed in range(20)])
    distances = quality.hamming_distance(bits[:, None], bits)
    assert (np.diag(distances) == 0).all() and (distances == distances.T).all()
    assert distances[~np.eye(20, dtype=bool)].min() > 60


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=5))
def test_distance_counts_bits(blocks):
    bits = quality.hash_bits([block.hex() for block in blocks])
    expected = (int.from_bytes(blocks[0]) ^ int.from_bytes(blocks[1])).bit_count()
    assert bits.shape == (len(blocks), 4) and quality.hamming_distance(bits[0], bits[1]) == expected


def test_hash_is_64_hex_digits():
    digits = quality.perceptual_hash(picture(3))
    assert len(digits) == 64 and set(digits) <= set("0123456789abcdef")
    assert len(quality.perceptual_hash(np.zeros((1, 1, 3), np.uint8))) == 64
    with pytest.raises(ValueError, match="64"):
        quality.hash_bits(["abc"])
