"""Which part of a user's photo a network sees: the demo's middle, moved to where the mask is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("diffusers")

from vton_models.networks import crops, pictures

SIZES = st.sampled_from([(64, 48), (32, 64), (48, 48), (1024, 768)])
PHOTOS = st.tuples(st.integers(1, 400), st.integers(1, 400))
Box = tuple[int, int, int, int]


@st.composite
def boxes_in(draw: st.DrawFn, photo: tuple[int, int]) -> Box:
    (x0, x1), (y0, y1) = (
        sorted((draw(st.integers(0, length - 1)), draw(st.integers(0, length - 1)))) for length in reversed(photo)
    )
    return x0, y0, x1 + 1, y1 + 1


@given(st.data(), PHOTOS, SIZES)
def test_the_whole_region_is_seen_at_the_sizes_aspect(
    data: st.DataObject, photo: tuple[int, int], size: tuple[int, int]
) -> None:
    region = data.draw(boxes_in(photo))
    x0, y0, x1, y1 = crops.around(photo, size, region)
    assert x0 <= region[0] and y0 <= region[1] and region[2] <= x1 and region[3] <= y1
    middle = pictures.centre(photo, size)
    assert x1 - x0 >= middle[2] - middle[0] and y1 - y0 >= middle[3] - middle[1], "never less than the demo shows"
    height, width = y1 - y0, x1 - x0
    assert abs(height * size[1] - width * size[0]) <= max(size), "at most a pixel off the aspect"
    assert (y0 <= 0 and y1 >= photo[0]) or 0 <= y0 < y1 <= photo[0], "padded on both sides or not at all"
    assert (x0 <= 0 and x1 >= photo[1]) or 0 <= x0 < x1 <= photo[1]


@pytest.mark.parametrize(
    ("photo", "region", "box"),
    [
        ((100, 300), None, (112, 0, 187, 100)),
        ((100, 300), (140, 40, 160, 60), (112, 0, 187, 100)),  # as the demo: what is in the middle stays there
        ((100, 300), (20, 40, 40, 60), (10, 0, 85, 100)),  # moved no further than the surroundings ask
        ((100, 300), (0, 40, 20, 60), (0, 0, 75, 100)),
        ((100, 300), (280, 40, 300, 60), (225, 0, 300, 100)),
        ((300, 75), (20, 0, 40, 20), (0, 0, 75, 100)),
        ((300, 75), (20, 280, 40, 300), (0, 200, 75, 300)),
        ((100, 300), (0, 0, 300, 100), (0, -150, 300, 250)),  # larger than the crop: padded
        ((3, 4), (0, 0, 4, 3), (0, -2, 4, 4)),  # whole pixels, never fewer than the region has
    ],
)
def test_where_it_lies(photo: tuple[int, int], region: Box | None, box: Box) -> None:
    assert crops.around(photo, (64, 48), region) == box


def test_as_much_of_the_person_as_fits() -> None:
    assert crops.around((100, 300), (64, 48), (20, 40, 40, 60), (15, 0, 80, 100)) == (15, 0, 90, 100)
    # Wider than the crop: its middle, but never without the whole region.
    assert crops.around((100, 300), (64, 48), (200, 40, 240, 60), (20, 0, 240, 100)) == (165, 0, 240, 100)


def test_a_photos_border_goes_on_and_nothing_is_masked_there() -> None:
    photo = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    padded, mask = (crops.cut(one, (-1, -2, 3, 3)) for one in (photo, np.full((2, 3), 255, np.uint8)))
    assert padded.shape == (5, 4, 3) and np.array_equal(padded[2:4, 1:], photo)
    assert np.array_equal(padded[0, 0], photo[0, 0]) and np.array_equal(padded[4, 3], photo[1, 2])
    assert mask[2:4, 1:].all() and np.count_nonzero(mask) == 6
    assert np.array_equal(crops.cut(photo, (1, 0, 3, 1)), photo[:1, 1:])
