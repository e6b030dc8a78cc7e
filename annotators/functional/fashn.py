"""Around FASHN's human parser: what its network sees, and its classes as ATR's, with sides.

The cross-walk is specs/annotations.md §2.2's.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from schemas.labels import Atr, Body25, Fashn

HEIGHT, WIDTH = 576, 384  # photos are stretched to this
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's, RGB
_STD = np.array([0.229, 0.224, 0.225], np.float32)

_SAME = {
    Fashn.HAT: Atr.HAT,
    Fashn.HAIR: Atr.HAIR,
    Fashn.GLASSES: Atr.SUNGLASSES,
    Fashn.TOP: Atr.UPPER_CLOTHES,
    Fashn.SKIRT: Atr.SKIRT,
    Fashn.PANTS: Atr.PANTS,
    Fashn.DRESS: Atr.DRESS,
    Fashn.BELT: Atr.BELT,
    Fashn.FACE: Atr.FACE,
    Fashn.SCARF: Atr.SCARF,
    Fashn.BAG: Atr.BAG,
}
_Chain = tuple[Body25, ...]
_ARMS: tuple[_Chain, _Chain] = (
    (Body25.LEFT_SHOULDER, Body25.LEFT_ELBOW, Body25.LEFT_WRIST),
    (Body25.RIGHT_SHOULDER, Body25.RIGHT_ELBOW, Body25.RIGHT_WRIST),
)
_LEGS: tuple[_Chain, _Chain] = (
    (Body25.LEFT_HIP, Body25.LEFT_KNEE, Body25.LEFT_ANKLE, Body25.LEFT_BIG_TOE),
    (Body25.RIGHT_HIP, Body25.RIGHT_KNEE, Body25.RIGHT_ANKLE, Body25.RIGHT_BIG_TOE),
)
# Classes, the chains of joints that they follow, and what ATR calls them on the left and on the right.
_SIDED: tuple[tuple[tuple[Fashn, ...], tuple[_Chain, _Chain], Atr, Atr], ...] = (
    ((Fashn.ARMS, Fashn.HANDS), _ARMS, Atr.LEFT_ARM, Atr.RIGHT_ARM),
    ((Fashn.LEGS,), _LEGS, Atr.LEFT_LEG, Atr.RIGHT_LEG),
    ((Fashn.FEET,), _LEGS, Atr.LEFT_SHOE, Atr.RIGHT_SHOE),
)


def stretched(photo: np.ndarray) -> np.ndarray:
    """uint8 [576 384 3] of a photo uint8 [h w 3]: the network's size, by area averages."""
    return cv2.resize(photo, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def normalised(pixels: np.ndarray) -> np.ndarray:
    """float32 [3 h w] of uint8 [h w 3] RGB, by ImageNet's statistics."""
    levels = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(((levels - _MEAN) / _STD).transpose(2, 0, 1))


def network_input(photo: np.ndarray) -> np.ndarray:
    """float32 [3 576 384]: what the parser sees of a photo uint8 [h w 3] RGB."""
    return normalised(stretched(photo))


def class_table(names: Sequence[str]) -> np.ndarray | None:
    """A parser's class names → lookup table uint8 [classes] to `Fashn`; None for another vocabulary."""
    words = [name.strip().upper() for name in names]
    if len(set(words)) != len(words) or set(words) != set(Fashn.__members__):
        return None
    return np.array([Fashn[word] for word in words], np.uint8)


def to_atr(parse: np.ndarray, keypoints: np.ndarray | None) -> np.ndarray:
    """ATR ids with 18 = neck uint8 [h w], of a map uint8 [h w] of `Fashn`; `keypoints` [25 3] tell left from right.

    An arm, leg or foot goes to the nearer chain of joints; without joints, to the side of the person's middle as in a
    front view. Skin of the torso is neck above the upper garment's middle, and lost below. Jewelry is lost.
    """
    atr = np.zeros_like(parse)
    for label, same in _SAME.items():
        atr[parse == label] = same
    for classes, chains, left, right in _SIDED:
        region = np.isin(parse, classes)
        if region.any():
            ys, xs = np.nonzero(region)
            atr[ys, xs] = np.where(_is_left(xs, ys, chains, keypoints, parse), np.uint8(left), np.uint8(right))
    atr[_neck(parse)] = Atr.NECK
    return atr


def _is_left(
    xs: np.ndarray, ys: np.ndarray, chains: tuple[_Chain, _Chain], keypoints: np.ndarray | None, parse: np.ndarray
) -> np.ndarray:
    """bool [n]: which of the pixels are the person's left."""
    if keypoints is not None:
        left, right = (_distance(xs, ys, chain, keypoints) for chain in chains)
        if np.isfinite(left).any() or np.isfinite(right).any():
            return np.asarray(left < right)
    columns = np.nonzero(parse)[1]
    return np.asarray(xs > (columns.min() + columns.max()) / 2)


def _distance(xs: np.ndarray, ys: np.ndarray, chain: _Chain, keypoints: np.ndarray) -> np.ndarray:
    """float [n]: pixels from each point to the nearest limb of the chain; infinite without any joint of it."""
    joints = [keypoints[joint, :2] for joint in chain if keypoints[joint, :2].any()]
    points = np.stack([xs, ys], axis=1).astype(np.float64)
    nearest = np.full(len(points), np.inf)
    for start, end in zip(joints, joints[1:] or joints, strict=False):
        limb = end - start
        along = np.clip((points - start) @ limb / max(float(limb @ limb), 1e-9), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(points - start - along[:, None] * limb, axis=1))
    return nearest


def _neck(parse: np.ndarray) -> np.ndarray:
    """bool [h w]: pieces of the torso's skin that begin above the middle of the upper garment, cleavage included."""
    torso = (parse == Fashn.TORSO).astype(np.uint8)
    rows = np.flatnonzero(np.isin(parse, (Fashn.TOP, Fashn.DRESS)).any(axis=1))
    collar = (rows[0] + rows[-1]) / 2 if len(rows) else np.inf
    _, pieces, boxes, _ = cv2.connectedComponentsWithStats(torso, connectivity=8)
    above = boxes[:, cv2.CC_STAT_TOP] < collar
    above[0] = False
    return np.asarray(above[pieces])
