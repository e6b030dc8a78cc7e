"""HR-VITON's recipe (Lee 2022, arXiv:2206.14180; sangyun884/HR-VITON): what VITON-HD ships as `agnostic-v3.2`."""

import numpy as np

from annotators.functional.agnostic import body as bodies
from annotators.functional.agnostic import joints as skeletons
from annotators.functional.agnostic.painting import paint
from annotators.functional.agnostic.recipe import undressing
from annotators.functional.agnostic.shapes import Canvas
from schemas.labels import Body25


def hrviton(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask) as VITON-HD ships them.

    Kept: hands beyond the arms' strokes, face, sunglasses, trousers, skirt, legs, shoes; hair and hats are not. Hips
    that are missing are placed under the neck, a missing shoulder mirrors the other about the neck. Raises ValueError
    when neither shoulder is there, and for arrays that don't fit together.
    """
    bodies.check_photo(person_image, parse)
    mask = hrviton_mask(parse, keypoints)
    return paint(person_image, mask), mask


def hrviton_mask(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """The mask of `hrviton`; needs no photo."""
    height, width, points = skeletons.on_canvas(parse, keypoints)
    joints = skeletons.complete(points)
    r = skeletons.radius(joints)
    body = Canvas(height, width)
    bodies.draw_torso(body, joints, r)
    body.rectangle(joints[Body25.NECK], (-5 * r, -9 * r), (5 * r, 0))
    body.line(joints[Body25.RIGHT_SHOULDER], joints[Body25.LEFT_SHOULDER], 12 * r)
    for shoulder in (Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER):
        body.ellipse(joints[shoulder], 5 * r, 6 * r)
    bodies.draw_arms(body, joints, r)
    strokes = {int(label): bodies.arm_stroke(joints, chain, r, height, width) for label, chain in bodies.ARMS}
    return bodies.erased(body, parse, strokes)


def hrviton_parse(parse: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Label map uint8 [h w] CIHP: garment, neck and arms up to the hands set to background, as VITON-HD ships it.

    The radius follows the shoulders. Missing joints are left out of the arms, as upstream does. Raises ValueError when
    neither shoulder is there.
    """
    height, width, points = skeletons.on_canvas(parse, keypoints)
    return bodies.parse_agnostic(parse, points, skeletons.radius(skeletons.complete(points)), height, width)


RECIPE = undressing(hrviton_mask, hrviton_parse)
