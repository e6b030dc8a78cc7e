"""Agnostic pictures: the garment's region of a person photo, by the recipes of the field.

`RECIPES` has one entry per file of `recipes`. `hrviton` draws what VITON-HD ships as `agnostic-v3.2` and
`agnostic-mask`; each other recipe draws what its model was trained on or masks with. Photos uint8 [h w 3] RGB, `parse`
uint8 [h w], masks uint8 [h w] 0/255 with 255 = repaint, absent joints at (0, 0).

`hrviton` and `vitonhd` are written in pixels of 768 × 1024. For other sizes their shapes are drawn on a canvas that has
the photo's aspect and fits inside 768 × 1024, then enlarged or reduced (nearest) to the photo's size and combined there
with the parse: so whatever the parse protects is kept to the pixel at every size. The other recipes but `catvton` are
drawn whole on the frame that they are written for (384 × 512 or 768 × 1024, the photo's aspect ignored, as upstream
does) and brought to the photo's size.
"""

import importlib

from annotators.functional.agnostic.painting import (
    GARMENT,
    GREY,
    GREY_TOLERANCE,
    mask_from_agnostic,
    paint,
    uncovered_garment,
)
from annotators.functional.agnostic.recipe import MASK_TYPES, MODEL_TYPES, Recipe, Settings
from annotators.functional.agnostic.recipes.catvton import catvton_mask
from annotators.functional.agnostic.recipes.dresscode import dresscode_mask
from annotators.functional.agnostic.recipes.fitdit import fitdit_mask
from annotators.functional.agnostic.recipes.hrviton import hrviton, hrviton_mask, hrviton_parse
from annotators.functional.agnostic.recipes.idm_vton import idm_vton_mask
from annotators.functional.agnostic.recipes.ladi import ladi_mask
from annotators.functional.agnostic.recipes.leffa import leffa_mask
from annotators.functional.agnostic.recipes.ootdiffusion import ootdiffusion_mask
from annotators.functional.agnostic.recipes.vitonhd import vitonhd, vitonhd_mask, vitonhd_parse
from schemas.cli.modules import modules_of

RECIPES: dict[str, Recipe] = {
    name: importlib.import_module(f"{__name__}.recipes.{name}").RECIPE for name in modules_of(f"{__name__}.recipes")
}

__all__ = [
    "GARMENT", "GREY", "GREY_TOLERANCE", "MASK_TYPES", "MODEL_TYPES", "RECIPES", "Recipe", "Settings",
    "catvton_mask", "dresscode_mask", "fitdit_mask", "hrviton", "hrviton_mask", "hrviton_parse", "idm_vton_mask",
    "ladi_mask", "leffa_mask", "mask_from_agnostic", "ootdiffusion_mask", "paint", "uncovered_garment", "vitonhd",
    "vitonhd_mask", "vitonhd_parse",
]  # fmt: skip
