"""The classical garment mask before backgrounds of all kinds: any colour, light, paper, shadow, frame, compression."""

import numpy as np
import pytest
from support import backdrops, garments
from support.backdrops import GROUNDS

from annotators.functional import masks
from annotators.functional.garment_mask import find

HEIGHT, WIDTH = 512, 384
MASK = garments.shirt(HEIGHT, WIDTH)


def patterned(first: tuple[int, int, int], second: tuple[int, int, int]) -> np.ndarray:
    """Cloth uint8 [h w 3] in stripes, with folds."""
    stripes = (np.arange(HEIGHT) // 14 % 2)[:, None, None]
    folds = 6 * np.sin(np.arange(WIDTH) / 17)[None, :, None]
    return np.clip(np.where(stripes, np.float32(first), np.float32(second)) + folds, 0, 255).astype(np.uint8)


CLOTH = {"navy": patterned((25, 35, 80), (30, 40, 95)), "stripes": patterned((180, 40, 50), (120, 20, 90))}
SHADOWS = {"right": (7, 9, 6, 0.35), "left": (-8, 4, 5, 0.3), "above": (0, -8, 6, 0.3), "around": (0, 0, 8, 0.3)}


def overlap(photo: np.ndarray) -> float:
    return masks.iou(find(photo), MASK)


@pytest.mark.parametrize("cloth", CLOTH)
@pytest.mark.parametrize("ground", GROUNDS)
def test_grounds_of_any_colour_light_and_grain(ground: str, cloth: str) -> None:
    assert overlap(backdrops.scene(CLOTH[cloth], MASK, GROUNDS[ground])) > 0.97


@pytest.mark.parametrize("ground", ["vitonhd", "grey", "steep", "lamp"])
def test_compression(ground: str) -> None:
    assert overlap(backdrops.scene(CLOTH["stripes"], MASK, GROUNDS[ground], quality=75)) > 0.97


@pytest.mark.parametrize("shadow", SHADOWS)
@pytest.mark.parametrize("ground", ["white", "grey", "down"])
def test_shadows_of_any_direction(ground: str, shadow: str) -> None:
    assert overlap(backdrops.scene(CLOTH["stripes"], MASK, GROUNDS[ground], SHADOWS[shadow])) > 0.95


@pytest.mark.parametrize(("ground", "frame"), [("grey", (8, 255)), ("lamp", (10, 255)), ("steep", (5, 0))])
def test_frames_around_the_photo(ground: str, frame: tuple[int, int]) -> None:
    assert overlap(backdrops.scene(CLOTH["navy"], MASK, GROUNDS[ground], frame=frame)) > 0.97
