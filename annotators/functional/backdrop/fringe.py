"""The fringe of a garment that isn't garment: its drop shadow, and what JPEG leaves in the background beside it."""

import cv2
import numpy as np

from annotators.functional import boxes
from annotators.functional.backdrop import flood, gradients
from annotators.functional.backdrop.background import Background

STRONG = 80  # Lab units: contrast beside which compression can be measured
PIXELS = 200  # that a measurement takes at least
TYPICAL = 0.03  # of the contrast within a block's reach: ringing of JPEG at quality 90
LEAST, MOST = 0.02, 0.07  # of it: qualities 95 and 60
QUARTER = 25  # percentile of what is beside the background: white stripes' rims take up to half of it
TAIL = 6.0  # the strongest ringing (98th percentile) against its quarter, in photos of quality 60 to 95
STEEPNESS = 2.0  # ringing's share of the steepest edge against its share of the contrast
MOST_RINGING = 12  # Lab units
DEPTH = 14  # pixels from the bare background: ringing stays in the blocks that an edge crosses
EVEN, UNEVEN = 1.5, 6.0  # Lab units: ringing swings around the background's colour, cloth lies to one side of it
TINT, TINT_SHARE = 3.0, 0.1  # a shadow keeps the background's chroma, but for a little of its own darkness
DARKEST = 0.7  # of the background's lightness that a shadow takes away
CASTER = 40  # Lab units: contrast near any fringe that is deeper than DEPTH; it has a cause, white cloth needn't
SHADOW_REACH = 81 / 1024  # of the longer side: how far what throws a shadow may be, on either side
GAP = 6 / 1024  # of the longer side: half of the gaps that the rim of white cloth has


def reached(background: Background, steep: np.ndarray) -> np.ndarray:
    """bool [h w]: the bare background and the fringe, up to the first edge."""
    side = max(steep.shape)
    radius = max(2, round(GAP * side))
    casters = (background.distance > CASTER).view(np.uint8)
    near_caster = gradients.largest(casters, round(SHADOW_REACH * side) | 1).view(bool)
    free = background.bare.copy()
    box = boxes.of_mask((~background.bare).view(np.uint8))
    if box is not None:
        box = boxes.clip(boxes.grow(box, max(radius, gradients.COLOUR_REACH // 2) + 1), *free.shape)
        part = background.crop(box), boxes.crop(steep, box), boxes.crop(near_caster, box)
        boxes.crop(free, box)[:] = _reached(*part, radius)
    return free


def _reached(background: Background, steep: np.ndarray, near_caster: np.ndarray, radius: int) -> np.ndarray:
    """As `reached`, of the part of the photo outside which all is bare, and as wide a rim as any pixel looks."""
    contrast = gradients.largest(background.distance, gradients.BLOCK_REACH)
    depth = cv2.distanceTransform((~background.bare).view(np.uint8), cv2.DIST_L2, 3)
    ringing = _ringing_share(background, contrast)
    edges = gradients.ridges(steep, background.grain, STEEPNESS * ringing) & ~background.bare
    free = _is_ringing(background, ringing, contrast, depth) | _is_shadow(background)
    has_cause = (depth <= DEPTH) | near_caster  # only what is of much contrast throws shadows, or rings
    return flood.reached_by_ball(background.bare, background.bare | (free & has_cause), edges, radius)


def _ringing_share(background: Background, contrast: np.ndarray) -> float:
    """How strong this photo's ringing is, as a share of its contrast; measured beside bare background."""
    beside = flood.grown(background.bare, 3) & ~background.bare & (contrast > STRONG)
    if np.count_nonzero(beside) <= PIXELS:
        return TYPICAL
    share = float(np.percentile(background.distance[beside] / contrast[beside], QUARTER))
    return min(max(TAIL * share, LEAST), MOST)


def _is_ringing(background: Background, ringing: float, contrast: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Close to the background's colour beside an edge, or anywhere on average."""
    limit = np.maximum(background.noise, np.minimum(1.2 * ringing * contrast, MOST_RINGING))
    beside = (background.distance < limit) & (depth <= DEPTH)
    even = background.average < EVEN
    return np.asarray(beside | (even & (background.distance < np.maximum(UNEVEN, limit))))


def _is_shadow(background: Background) -> np.ndarray:
    """Darker than the background, of nearly its chroma."""
    lightness, a, b = (cv2.extractChannel(background.difference, channel) for channel in range(3))
    darkness, tint = -lightness, cv2.magnitude(a, b)
    dark = (darkness > 0) & (darkness < DARKEST * background.lightness)
    return np.asarray(dark & (tint < TINT + TINT_SHARE * darkness))
