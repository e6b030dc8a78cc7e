"""Sleeve length of a worn garment, from how much of the arms shows as skin (specs/annotations.md section 7)."""

from itertools import pairwise

import numpy as np

from schemas.labels import Body25, Cihp

SKIN = (Cihp.LEFT_ARM, Cihp.RIGHT_ARM)  # both, since arms cross
SLEEVE = (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT)
ARMS = (
    (Body25.RIGHT_SHOULDER, Body25.RIGHT_ELBOW, Body25.RIGHT_WRIST),
    (Body25.LEFT_SHOULDER, Body25.LEFT_ELBOW, Body25.LEFT_WRIST),
)

# More bare arm than this for each word, in IDM-VTON's words ("Cropped Sleeve": three-quarter sleeves). The spec's
# heuristic says 0.70 for bare arms, but a plain T-shirt ends halfway down the upper arm, which leaves 0.6 to 0.75 of
# the chain bare (VITON-HD 00891: 0.72, 07573: 0.58), while without sleeves only straps cover it (10549: 1.00).
SLEEVE_LENGTHS = ((0.80, "Sleeveless"), (0.45, "Short Sleeve"), (0.15, "Cropped Sleeve"))
LONGEST = "Long Sleeve"
LEAST_SEEN = 0.5  # of an arm's chain; below it the arm says nothing


def arm_coverage(parse: np.ndarray, keypoints: np.ndarray) -> float | None:
    """Share (0–1) of the shoulder–elbow–wrist chains that is bare skin: 1 = bare arms, 0 = covered to the wrist.

    `parse` is uint8 [h w] CIHP ids, `keypoints` float [25 2+] BODY_25 in pixels of it, absent = 0, 0. Points where
    neither skin nor upper garment is labelled (hair, bag, a parse narrower than the limb) don't count. An arm with
    an absent joint, or with less than half of its chain on skin or garment, is left out; None when both are.
    Raises ValueError for other shapes.
    """
    if parse.ndim != 2 or keypoints.ndim != 2 or keypoints.shape[0] != len(Body25) or keypoints.shape[1] < 2:
        raise ValueError(f"parse {parse.shape}, keypoints {keypoints.shape}; allowed are [h w] and [25 2 or more]")
    skin = seen = 0
    for joints in ARMS:
        chain = keypoints[list(joints), :2].astype(np.float64)
        if not chain.any(axis=1).all():
            continue
        points = chain_points(chain)
        labels = labels_at(parse, points)
        bare, covered = int(np.isin(labels, SKIN).sum()), int(np.isin(labels, SLEEVE).sum())
        if bare + covered >= LEAST_SEEN * len(points):
            skin, seen = skin + bare, seen + bare + covered
    return skin / seen if seen else None


def sleeve_length(coverage: float | None) -> str | None:
    """IDM-VTON's sleeveLength value for `arm_coverage`'s share of bare arm; None for None.

    Raises ValueError outside 0–1.
    """
    if coverage is None:
        return None
    if not 0 <= coverage <= 1:
        raise ValueError(f"arm coverage {coverage}; allowed is 0 to 1")
    return next((word for least, word in SLEEVE_LENGTHS if coverage > least), LONGEST)


def chain_points(chain: np.ndarray) -> np.ndarray:
    """Points one pixel apart along a polyline float [n 2] (x, y): float [m 2], m ≥ 1."""
    pieces = [chain[:1]]
    for start, end in pairwise(chain):
        steps = max(1, round(float(np.linalg.norm(end - start))))
        pieces.append(start + (end - start) * (np.arange(1, steps + 1) / steps)[:, None])
    return np.concatenate(pieces)


def labels_at(parse: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Ids [m] of the pixels that points float [m 2] (x, y) fall on; background outside the picture."""
    x, y = np.floor(points).astype(np.int64).T
    height, width = parse.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    labels = np.zeros(len(points), parse.dtype)
    labels[inside] = parse[y[inside], x[inside]]
    return labels
