"""The classical garment mask before backgrounds of all kinds: any colour, light, paper, shadow, frame, compression."""

import numpy as np
import pytest
from support import backdrops, garments
from support.backdrops import GROUNDS

from annotators.functional import masks
from annotators.functional.garment_mask import doubt, find

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


WHITE = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
FAINT = patterned((238, 238, 238), (228, 228, 232))
HARD = {
    "spots": backdrops.paper(230, 5, 14),
    "vignette": GROUNDS["vignette"],
    "rim of two levels": backdrops.plain(248, 248, 248),
    "rim of four levels": backdrops.plain(246, 246, 246),
}


@pytest.mark.parametrize("quality", [None, 75])
@pytest.mark.parametrize("ground", HARD)
@pytest.mark.parametrize("cloth", [WHITE, FAINT], ids=["white", "faint"])
def test_a_wrong_mask_is_doubted_where_nothing_shows_its_outline(
    cloth: np.ndarray, ground: str, quality: int | None
) -> None:
    photo = backdrops.scene(cloth, MASK, HARD[ground], quality=quality)
    mask = find(photo)
    assert masks.iou(mask, MASK) > 0.85 or doubt(mask, photo)


@pytest.mark.parametrize("cloth", CLOTH)
@pytest.mark.parametrize("ground", GROUNDS)
def test_a_right_mask_is_not_doubted(cloth: str, ground: str) -> None:
    photo = backdrops.scene(CLOTH[cloth], MASK, GROUNDS[ground])
    assert not doubt(MASK, photo) and not doubt(find(photo), photo)


def test_a_mask_that_lies_beside_its_garment_is_doubted() -> None:
    photo = backdrops.scene(CLOTH["navy"], MASK, GROUNDS["white"])
    beside = np.roll(MASK, 40, axis=1)
    assert "of its outline can't be seen" in doubt(beside, photo)
    assert "of its outline can't be seen" in doubt(
        np.kron(beside, np.ones((4, 4), np.uint8)), np.kron(photo, np.ones((4, 4, 1), np.uint8))
    )
    speck = np.zeros_like(MASK)
    speck[100:110, 100:110] = 255
    assert "only 0.05% of the photo" in doubt(speck, photo)
