"""LaDI-VTON's masks (Morelli 2023, arXiv:2305.13501; miccunifi/ladi-vton): a form for VITON-HD, one for Dress Code."""

import numpy as np

from annotators.functional.agnostic import inputs, loaders
from annotators.functional.agnostic.recipe import MODEL_TYPES, Recipe, Record, Settings, check_choice
from schemas.labels import Category, Cihp

HEIGHT, WIDTH = 1024, 768  # VITON-HD's form scales with its frame
SMALL_HEIGHT, SMALL_WIDTH = 512, 384  # Dress Code's doesn't, and LaDI-VTON works at this size

_VITONHD = loaders.Regions(
    target=(Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT),
    protected=(Cihp.HAT, Cihp.HAIR, Cihp.PANTS, Cihp.SKIRT, Cihp.LEFT_SHOE, Cihp.RIGHT_SHOE),
    head=(Cihp.HAT, Cihp.HAIR, Cihp.SUNGLASSES, Cihp.FACE),
    arms=(Cihp.LEFT_ARM, Cihp.RIGHT_ARM),
)


def ladi_mask(parse: np.ndarray, keypoints: np.ndarray, category: str, model_type: str) -> np.ndarray:
    """Mask uint8 [h w] 0/255; `keypoints` float [18 2] COCO-18 in pixels of the parse.

    "hd": `parse` uint8 [h w] CIHP, upper_body only. "dc": ATR ids as in Dress Code, every category. Dilations, and the
    stroke of "dc", don't follow the size, as upstream. Absent joints are left out of the stroke. Raises ValueError for
    another category or model type, or when the mask needs a shoulder and there is none.
    """
    check_choice("model_type", model_type, MODEL_TYPES)
    if model_type == "dc":
        check_choice("category", category, tuple(Category))
        return loaders.draw(parse, keypoints, loaders.DRESSCODE[Category(category)], loaders.Values(stroke_width=45))
    check_choice("category", category, (Category.UPPER_BODY,))
    width = 90 * parse.shape[0] // 512
    return loaders.draw(parse, keypoints, _VITONHD, loaders.Values(stroke_width=width))


def _draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
    """VITON-HD's form has upper garments only: for others Dress Code's is drawn."""
    if settings.model_type == "hd" and category == Category.UPPER_BODY:
        parse, joints = inputs.cihp(record, HEIGHT, WIDTH), inputs.coco18(record, HEIGHT, WIDTH)
        mask = ladi_mask(parse, joints, category, "hd")
    else:
        parse = inputs.dresscode(record, SMALL_HEIGHT, SMALL_WIDTH, category)
        mask = ladi_mask(parse, inputs.coco18(record, SMALL_HEIGHT, SMALL_WIDTH), category, "dc")
    return loaders.column(mask, record["parse"].shape)


RECIPE = Recipe(_draw, may_read=("parse_atr",))
