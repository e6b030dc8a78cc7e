"""The mask of Dress Code's reference loader (Morelli 2022, arXiv:2204.08532; aimagelab/dress-code)."""

import numpy as np

from annotators.functional.agnostic import inputs, loaders
from annotators.functional.agnostic.recipe import Recipe, Record, Settings, check_choice
from schemas.labels import Category

HEIGHT, WIDTH = 1024, 768
_VALUES = loaders.Values(stroke_width=30)
_LARGE = loaders.Values(stroke_width=30, stroke_square=10, square=20)  # for more than 512 rows


def dresscode_mask(parse: np.ndarray, keypoints: np.ndarray, category: str) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of a Dress Code label map uint8 [h w] (ATR ids).

    `keypoints` float [18 2] COCO-18 in pixels of the parse. Above 512 rows dilations are larger, as upstream. Absent
    joints are left out of the stroke. Raises ValueError for another category, or when the mask needs a shoulder and
    there is none.
    """
    check_choice("category", category, tuple(Category))
    values = _LARGE if parse.shape[0] > loaders.DRESSCODE_HEIGHT else _VALUES
    return loaders.draw(parse, keypoints, loaders.DRESSCODE[Category(category)], values)


def _draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
    parse, joints = inputs.dresscode(record, HEIGHT, WIDTH, category), inputs.coco18(record, HEIGHT, WIDTH)
    return loaders.column(dresscode_mask(parse, joints, category), record["parse"].shape)


RECIPE = Recipe(_draw, may_read=("parse_atr",))
