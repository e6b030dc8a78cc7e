"""Leffa's masks (Zhou 2024, arXiv:2412.08486; franciszzj/Leffa): OOTDiffusion's made larger, or Dress Code's."""

from dataclasses import replace

import cv2
import numpy as np

from annotators.functional import masks
from annotators.functional.agnostic import inputs, loaders
from annotators.functional.agnostic.recipe import MODEL_TYPES, Recipe, Record, Settings, check_choice
from annotators.functional.agnostic.recipes import ootdiffusion
from schemas.labels import Atr, Category

HEIGHT, WIDTH = ootdiffusion.HEIGHT, ootdiffusion.WIDTH

_HD = ootdiffusion.Form(arm_width=60, garment_square=10, protected_square=5)
_DC = loaders.Values(stroke_width=30, stroke_square=5, square=10)


def leffa_mask(parse: np.ndarray, keypoints: np.ndarray, category: str, model_type: str) -> np.ndarray:
    """uint8 [512 384] 0/255: what Leffa repaints of a person, for its weights "hd" (VITON-HD) or "dc" (Dress Code).

    `parse` uint8 ATR ids and 18 = neck (other sizes are resized nearest), `keypoints` float [18 2] COCO-18 in pixels of
    384 × 512. Raises ValueError for another category or model type, and for "dc" when a shoulder is needed.
    """
    check_choice("model_type", model_type, MODEL_TYPES)
    if model_type == "hd":
        return ootdiffusion.draw(parse, keypoints, category, _HD)
    check_choice("category", category, tuple(Category))
    regions = loaders.DRESSCODE[Category(category)]
    regions = replace(regions, head=(*regions.head, Atr.NECK))
    return _filled(loaders.draw(masks.resize(parse, HEIGHT, WIDTH), keypoints, regions, _DC))


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask with whatever can't be reached from its first pixel set; unchanged where that pixel is set."""
    if mask[0, 0]:
        return mask
    flooded = mask.copy()
    cv2.floodFill(flooded, None, (0, 0), 1)
    return masks.where_set(flooded ^ np.uint8(1))


def _draw(record: Record, category: str, settings: Settings) -> dict[str, np.ndarray]:
    """Brought to the photo's size by Pillow's default, bicubic, as upstream does, then ≥ 128."""
    if settings.model_type == "hd":
        parse = inputs.atr_with_neck(record, HEIGHT, WIDTH)
    else:
        parse = inputs.dresscode(record, HEIGHT, WIDTH, category)
    mask = leffa_mask(parse, inputs.coco18(record, HEIGHT, WIDTH), category, settings.model_type)
    return {"agnostic_mask": inputs.smoothly(mask, *record["parse"].shape)}


RECIPE = Recipe(_draw, may_read=("parse_atr", "parse_lip"))
