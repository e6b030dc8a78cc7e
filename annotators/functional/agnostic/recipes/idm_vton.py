"""IDM-VTON's mask for Dress Code (Choi 2024, arXiv:2403.05139; yisol/IDM-VTON, `inference_dc.py`).

On VITON-HD it reads `agnostic-mask`, which is `hrviton`; its demo draws `ootdiffusion`.
"""

import numpy as np

from annotators.functional import masks
from annotators.functional.agnostic import loaders
from annotators.functional.agnostic.recipe import Recipe
from annotators.functional.agnostic.recipes import dresscode

HEIGHT, WIDTH = 1024, 768


def idm_vton_mask(parse: np.ndarray, keypoints: np.ndarray, category: str) -> np.ndarray:
    """Mask uint8 [1024 768] 0/255: Dress Code's at that size.

    `parse` uint8 ATR ids (other sizes are resized nearest), `keypoints` float [18 2] COCO-18 in pixels of 384 × 512, as
    Dress Code's files have them. Raises ValueError as `dresscode_mask`.
    """
    scale = HEIGHT / loaders.DRESSCODE_HEIGHT
    return dresscode.dresscode_mask(masks.resize(parse, HEIGHT, WIDTH), keypoints[:, :2] * scale, category)


RECIPE = Recipe(dresscode.RECIPE.draw, may_read=dresscode.RECIPE.may_read)
