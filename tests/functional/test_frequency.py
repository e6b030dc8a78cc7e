import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional.frequency import high_frequency_map

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared" / "parity")
GOLDEN = PARITY / "anydoor" / "preprocess.npz"


@pytest.mark.parametrize("scene", range(3))
@pytest.mark.parametrize("set_value", [1, 255])
def test_equals_anydoors_own_map(scene, set_value):
    if not GOLDEN.is_file():
        pytest.skip(f"{GOLDEN} is absent; set VTON_PARITY")
    arrays = np.load(GOLDEN)
    made = high_frequency_map(arrays[f"sobel{scene}.image"], arrays[f"sobel{scene}.mask"] * np.uint8(set_value))
    np.testing.assert_array_equal(made, arrays[f"sobel{scene}.out"])
    reference = arrays[f"scene{scene}.ref_image"], arrays[f"scene{scene}.ref_mask"] * np.uint8(set_value)
    np.testing.assert_array_equal(high_frequency_map(*reference), arrays[f"sobel{scene}.native_out"])


@settings(max_examples=25)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_size_and_kind_follow_the_picture(height, width, seed):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = np.where(generator.random((height, width)) < 0.9, np.uint8(255), np.uint8(0))
    before = image.copy(), mask.copy()
    made = high_frequency_map(image, mask)
    assert made.shape == image.shape and made.dtype == np.uint8
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_only_edges_inside_the_object_show():
    image = np.full((256, 256, 3), 200, np.uint8)
    image[:, 128:] = 60
    mask = np.zeros((256, 256), np.uint8)
    mask[40:200, 40:200] = 255
    made = high_frequency_map(image, mask)
    assert made[100, 120:136].max() > 40, "the edge inside"
    assert not made[10].any() and not made[100, 50:110].any() and not made[38:44].any(), "outside, flat, and the rim"
    assert not high_frequency_map(image, np.zeros_like(mask)).any()


def test_mask_and_picture_must_agree():
    with pytest.raises(ValueError, match="mask of"):
        high_frequency_map(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8))
