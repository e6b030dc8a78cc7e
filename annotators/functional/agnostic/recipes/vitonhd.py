"""The recipe of VITON-HD's published code (Choi 2021, arXiv:2103.16874; shadow2496/VITON-HD): fixed radii."""

import numpy as np

from annotators.functional.agnostic import body as bodies
from annotators.functional.agnostic import joints as skeletons
from annotators.functional.agnostic.painting import paint
from annotators.functional.agnostic.recipe import undressing
from annotators.functional.agnostic.shapes import Canvas
from schemas.labels import Body25


def vitonhd(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask) of the published VITON-HD code: fixed radii, hands are not kept.

    Missing joints and errors as in `hrviton`.
    """
    bodies.check_photo(person_image, parse)
    mask = vitonhd_mask(parse, keypoints)
    return paint(person_image, mask), mask


def vitonhd_mask(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """The mask of `vitonhd`; needs no photo."""
    height, width, points = skeletons.on_canvas(parse, keypoints)
    joints, r = skeletons.complete(points), 20
    body = Canvas(height, width)
    bodies.draw_torso(body, joints, r)
    body.rectangle(joints[Body25.NECK], (-7 * r, -7 * r), (7 * r, 7 * r))
    body.line(joints[Body25.RIGHT_SHOULDER], joints[Body25.LEFT_SHOULDER], 10 * r)
    for shoulder in (Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER):
        body.ellipse(joints[shoulder], 5 * r, 5 * r)
    bodies.draw_arms(body, joints, r)
    return bodies.erased(body, parse, {})


def vitonhd_parse(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """As `hrviton_parse` with the fixed radius 10 of the published code."""
    height, width, points = skeletons.on_canvas(parse, keypoints)
    skeletons.complete(points)
    return bodies.parse_agnostic(parse, points, 10, height, width)


RECIPE = undressing(vitonhd_mask, vitonhd_parse)
