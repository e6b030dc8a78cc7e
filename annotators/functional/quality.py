"""Numbers by which bad, equal and nearly equal pictures are found."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from annotators.functional import masks
from annotators.functional.coverage import chain_points
from annotators.functional.keypoints import present
from schemas.labels import Body25

SIDE = 512  # pictures are brought to this longer side before sharpness is measured
HASH_BITS = 256
LARGE_PART = 0.2
FRAME = 8  # px: how wide a frame of border pixels tells the background (specs/annotations.md section 6)
_TORSO = (Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER, Body25.LEFT_HIP, Body25.RIGHT_HIP)
_FOREARMS = ((Body25.RIGHT_ELBOW, Body25.RIGHT_WRIST), (Body25.LEFT_ELBOW, Body25.LEFT_WRIST))


class Looks(NamedTuple):
    """What is measured of the luma of a picture; see the functions of these names."""

    sharpness: float
    exposure: float
    perceptual_hash: str


def looks(image: np.ndarray) -> Looks:
    """Of a picture uint8 [h w 3] RGB, whose luma is computed once."""
    grey = _luma(image)
    small = _reduced(grey)
    return Looks(_sharpness(small), _exposure(small), _hash(grey))


def sharpness(image: np.ndarray) -> float:
    """Variance of the Laplacian of the luma of a picture uint8 [h w 3] RGB, brought to 512 px on its longer side.

    300 to 550 on VITON-HD's persons, about 30 when they are blurred by 2 px, 40 for a plain blouse on white.
    """
    return _sharpness(_reduced(_luma(image)))


def exposure(image: np.ndarray) -> float:
    """Mean luma, 0 (black) to 1 (white)."""
    return _exposure(_reduced(_luma(image)))


def background(image: np.ndarray) -> tuple[float, float]:
    """(luma, tint) of a picture's background, 0–255: the median of an 8-px frame of its border pixels.

    The tint is the largest less the smallest channel's median, 0 for greys. 246 and 0 on VITON-HD's garments.
    """
    sides = image[:FRAME], image[FRAME:][-FRAME:], image[FRAME:-FRAME, :FRAME], image[FRAME:-FRAME, FRAME:][:, -FRAME:]
    frame = np.concatenate([side.reshape(-1, 3) for side in sides])
    channels = np.median(frame, axis=0)
    luma = np.median(cv2.cvtColor(frame[None], cv2.COLOR_RGB2GRAY))
    return float(luma), float(channels.max() - channels.min())


def label_areas(parse: np.ndarray, groups: Sequence[tuple[int, ...]]) -> list[float]:
    """Share (0–1) of the frame of a label map uint8 [h w] that each group of ids covers; groups don't overlap."""
    numbers = np.zeros(256, np.uint8)
    for number, ids in enumerate(groups, start=1):
        numbers[list(ids)] = number
    grouped = cv2.LUT(np.ascontiguousarray(parse), numbers)
    return [masks.share(cv2.inRange(grouped, number, number)) for number in range(1, len(groups) + 1)]


def clipped(image: np.ndarray) -> tuple[float, float]:
    """Shares of the pixels that are black (all channels 0) and white (all channels 255)."""
    return float((image.max(axis=2) == 0).mean()), float((image.min(axis=2) == 255).mean())


def perceptual_hash(image: np.ndarray) -> str:
    """256-bit pHash of a picture uint8 [h w 3] RGB as 64 hex digits: two looks alike differ in few bits.

    Signs of the 16 × 16 lowest frequencies of the cosine transform of its luma at 64 × 64, against their median
    (Zauner 2010). The aspect is not part of it.
    """
    return _hash(_luma(image))


def at_side(mask: np.ndarray, sides: Sequence[str] = ("left", "right", "top", "bottom")) -> float:
    """Largest share (0–1) of one of these sides of the frame that a mask uint8 [h w] covers."""
    edges = {"left": mask[:, 0], "right": mask[:, -1], "top": mask[0], "bottom": mask[-1]}
    return max(float(np.count_nonzero(edges[side]) / edges[side].size) for side in sides)


def large_parts(mask: np.ndarray) -> int:
    """How many parts a mask uint8 [h w] has that don't touch and are at least 20 % of the largest; 0 when empty."""
    count, ids = cv2.connectedComponents(mask, connectivity=8)
    if count <= 2:
        return count - 1
    areas = np.bincount(ids.ravel(), minlength=count)[1:]
    return int(np.count_nonzero(areas >= LARGE_PART * areas.max()))


def head_room(keypoints: np.ndarray, height: int) -> float:
    """The neck's distance from the top as a share of the height; 0 when BODY_25 [25 3] has no neck, or above it."""
    return max(float(keypoints[Body25.NECK, 1]) / height, 0.0)


def arm_over_torso(keypoints: np.ndarray) -> float | None:
    """Largest share (0–1) of a forearm, elbow to wrist, that lies in front of (or behind) the torso.

    `keypoints` are BODY_25 [25 3]; the torso is the quadrangle of shoulders and hips, a tenth smaller, so that an arm
    that hangs beside it doesn't count. None where it, or both forearms, aren't seen.
    """
    seen = present(keypoints)
    if not seen[list(_TORSO)].all():
        return None
    torso = keypoints[list(_TORSO), :2].astype(np.float32)
    torso = torso.mean(axis=0) + 0.9 * (torso - torso.mean(axis=0))
    shares = [_share_inside(keypoints[list(arm), :2], torso) for arm in _FOREARMS if seen[list(arm)].all()]
    return max(shares, default=None)


def _share_inside(line: np.ndarray, polygon: np.ndarray) -> float:
    points = chain_points(line.astype(np.float64))
    inside = [cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0 for x, y in points]
    return sum(inside) / len(inside)


def hash_bits(hashes: list[str]) -> np.ndarray:
    """uint64 [n 4] of n perceptual hashes in hex. Raises ValueError for one of another length."""
    for digits in hashes:
        if len(digits) != HASH_BITS // 4:
            raise ValueError(f"a hash of {len(digits)} hex digits; allowed is {HASH_BITS // 4}")
    return np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64).reshape(-1, 4)


def hamming_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of differing bits of hashes uint64 [… 4], broadcast: `(bits[:, None], bits)` gives all pairs."""
    return np.asarray(np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64))


def _luma(image: np.ndarray) -> np.ndarray:
    """uint8 [h w] of uint8 [h w 3] RGB."""
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)


def _reduced(grey: np.ndarray) -> np.ndarray:
    """The longer side brought to SIDE."""
    scale = SIDE / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _sharpness(small: np.ndarray) -> float:
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def _exposure(small: np.ndarray) -> float:
    return cv2.mean(small)[0] / 255


def _hash(grey: np.ndarray) -> str:
    small = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:16, :16].ravel()
    return np.packbits(low > np.median(low)).tobytes().hex()
