"""Label maps around a human parser: its input and output geometry, and the repairs that try-on recipes expect.

Geometry and hole rule follow SCHP's extractor and OOTDiffusion's parser (specs/annotations.md §8, ootdiffusion.md
§5.1). Label maps are uint8 [h w], photos uint8 [h w 3] RGB, boxes x0 y0 x1 y1 in pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from schemas import labels
from schemas.labels import Atr

_MEAN_BGR = np.array([0.406, 0.456, 0.485], np.float32)  # ImageNet's, in OpenCV's order
_STD_BGR = np.array([0.225, 0.224, 0.229], np.float32)
_HOLE_AREA = 2000 / (384 * 512)  # OOTDiffusion's 2,000 px on its 384×512 maps, as a share of the picture
_BYTE = 256
_PERSON_MARGIN = 0.1  # of a box's width and height: hair and sleeves reach out of boxes around joints


def schp_input(photo: np.ndarray, side: int, channels: str = "bgr") -> np.ndarray:
    """float32 [3 side side]: the photo centred in SCHP's square, aspect kept, black around it, normalised.

    `channels` is the order the network sees: "bgr" (SCHP, OOTDiffusion, IDM-VTON), or "rgb", normalised with the same
    BGR statistics, as CatVTON's app does with Pillow images.
    """
    height, width = photo.shape[:2]
    scale = _scale(height, width, side)
    rows, columns = (_taps(length, side, 1 / scale, _margin(length, scale, side)) for length in (height, width))
    lines = _interpolate(photo, rows)
    square = _interpolate(lines.transpose(1, 0, 2), columns).transpose(1, 0, 2)
    ordered = np.floor(square + np.float32(0.5))[..., :: -1 if channels == "bgr" else 1]
    return np.ascontiguousarray(((ordered / np.float32(255) - _MEAN_BGR) / _STD_BGR).transpose(2, 0, 1))


def schp_labels(logits: np.ndarray, height: int, width: int, side: int) -> np.ndarray:
    """uint8 [height width]: the best class of float32 logits [c s s] of a square of `side` pixels, at the photo's size.

    Enlarging the logits (bilinear, corners aligned) and warping them back are linear and separable, so both are one
    matrix per axis; planes are done one at a time, so that memory doesn't grow with the classes.
    """
    scale = _scale(height, width, side)
    enlarge = _aligned_enlargement(logits.shape[-1], side)
    rows, columns = (
        _matrix(_taps(side, length, scale, _margin(length, scale, side) * -scale), side) @ enlarge
        for length in (height, width)
    )
    best = np.full((height, width), -np.inf, np.float32)
    label_map = np.zeros((height, width), np.uint8)
    widened = logits.astype(np.float32) @ columns.T  # [c s width]
    for label, plane in enumerate(widened):
        warped = rows @ plane
        better = warped > best
        np.maximum(best, warped, out=best)
        np.copyto(label_map, np.uint8(label), where=better)
    return label_map


def _scale(height: int, width: int, side: int) -> float:
    """Square's pixels per photo pixel; first and last pixel of the longer side meet the square's."""
    return (side - 1) / max(height - 1, width - 1, 1)


def _margin(length: int, scale: float, side: int) -> float:
    """Photo coordinate of the square's first pixel: negative where the photo doesn't reach it."""
    return (length - 1) / 2 - (side - 1) / 2 / scale


class _Taps(NamedTuple):
    """Two neighbours per output position and their weights; neighbours outside the input weigh 0."""

    left: np.ndarray
    right: np.ndarray
    left_weight: np.ndarray
    right_weight: np.ndarray


def _taps(count: int, positions: int, step: float, start: float) -> _Taps:
    """Linear interpolation of `count` elements at start + step·i, as OpenCV 4's `warpAffine` rounds: to 1/32 pixel.

    The published maps were made with it; OpenCV 5 no longer rounds, and differs by up to two grey levels.
    """
    units = (np.rint(step * np.arange(positions) * 1024) + np.rint(start * 1024) + 16).astype(np.int64) >> 5
    left, fraction = units >> 5, (units & 31).astype(np.float32) / 32
    weights = [
        np.where((index >= 0) & (index < count), weight, np.float32(0))
        for index, weight in ((left, 1 - fraction), (left + 1, fraction))
    ]
    return _Taps(np.clip(left, 0, count - 1), np.clip(left + 1, 0, count - 1), *weights)


def _interpolate(values: np.ndarray, taps: _Taps) -> np.ndarray:
    """float32 [positions …] from values [count …]."""
    shape = (-1,) + (1,) * (values.ndim - 1)
    left, right = values[taps.left].astype(np.float32), values[taps.right].astype(np.float32)
    return left * taps.left_weight.reshape(shape) + right * taps.right_weight.reshape(shape)


def _matrix(taps: _Taps, count: int) -> np.ndarray:
    """The same as float32 [positions count]."""
    rows = np.arange(len(taps.left))
    matrix = np.zeros((len(rows), count), np.float32)
    np.add.at(matrix, (rows, taps.left), taps.left_weight)
    np.add.at(matrix, (rows, taps.right), taps.right_weight)
    return matrix


def _aligned_enlargement(small: int, large: int) -> np.ndarray:
    """float32 [large small]: linear interpolation that maps first to first and last to last element."""
    positions = np.arange(large) * ((small - 1) / max(large - 1, 1))
    left = np.minimum(positions.astype(int), max(small - 2, 0))
    right = np.minimum(left + 1, small - 1)
    fraction = (positions - left).astype(np.float32)
    return _matrix(_Taps(left, right, 1 - fraction, fraction), small)


def fill_small_holes(atr: np.ndarray) -> np.ndarray:
    """The ATR map with small holes of upper-clothes ∪ arms made upper-clothes; larger ones and the arms stay.

    Small is at most 2,000 px on a 384×512 map (by contour area), and as much of the picture on other sizes.
    """
    padded = np.pad(atr, 1)
    union = np.isin(padded, (Atr.UPPER_CLOTHES, Atr.LEFT_ARM, Atr.RIGHT_ARM)).astype(np.uint8)
    outside = union.copy()
    cv2.floodFill(outside, None, (0, 0), 2)
    holes = (outside == 0).astype(np.uint8)
    contours, _ = cv2.findContours(holes, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
    large = [contour for contour in contours if cv2.contourArea(contour) > _HOLE_AREA * atr.size]
    kept = cv2.drawContours(np.zeros_like(holes), large, -1, 1, cv2.FILLED)
    padded[(holes == 1) & (kept == 0)] = Atr.UPPER_CLOTHES
    return padded[1:-1, 1:-1].copy()


def mark_neck(atr: np.ndarray, lip: np.ndarray) -> np.ndarray:
    """The ATR map with label 18 where it says face and the LIP map of the same photo doesn't (OOTDiffusion's rule)."""
    return np.where((atr == Atr.FACE) & (lip != labels.Lip.FACE), np.uint8(Atr.NECK), atr)


def join_schp(atr: np.ndarray, lip: np.ndarray) -> np.ndarray:
    """CIHP ids from SCHP's two maps of a photo: ATR's labels, small holes filled, neck where only ATR says face."""
    return to_cihp(mark_neck(fill_small_holes(atr), lip), "atr")


def give_belt_away(atr: np.ndarray) -> np.ndarray:
    """The ATR map with each piece of belt made trousers or skirt, whichever it touches more, else background."""
    belt = (atr == Atr.BELT).astype(np.uint8)
    result = atr.copy()
    if not belt.any():
        return result
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats(belt, connectivity=8)
    for piece in range(1, count):
        x, y, w, h = boxes[piece][:4]
        window = np.s_[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1]
        inside = pieces[window] == piece
        rim = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~inside
        touching = {garment: np.count_nonzero(atr[window][rim] == garment) for garment in (Atr.PANTS, Atr.SKIRT)}
        garment = max(touching, key=lambda label: touching[label])
        result[window][inside] = garment if touching[garment] else Atr.BACKGROUND
    return result


def to_cihp(label_map: np.ndarray, space: str) -> np.ndarray:
    """CIHP ids of a map in `space` ("atr" with or without label 18, "lip", "cihp"). Raises ValueError for other ids."""
    return labels.crosswalk(give_belt_away(label_map) if space == "atr" else label_map, space, "cihp")


def smooth_borders(label_map: np.ndarray) -> np.ndarray:
    """The map with borders as in VITON-HD's files: a quarter of the resolution, and no stair-steps.

    Nearest down to a quarter, nearest up, each class blurred (15×15, σ 3), the strongest wins. On a shipped 768×1024
    map, which was made at 192×256, this changes some dozens of pixels. Thin things (straps, earrings) are lost.
    """
    height, width = label_map.shape
    rows, columns = (_nearest_quarter(length) for length in (height, width))
    coarse = label_map[np.ix_(rows, columns)]
    best = np.full((height, width), -1, np.float32)
    smoothed = np.zeros_like(label_map)
    for label in np.unique(coarse):
        weight = cv2.GaussianBlur((coarse == label).astype(np.float32), (15, 15), 3)
        better = weight > best
        np.maximum(best, weight, out=best)
        np.copyto(smoothed, label, where=better)
    return smoothed


def _nearest_quarter(length: int) -> np.ndarray:
    """For each of `length` pixels the one that stands for it after nearest sampling to a quarter and back."""
    small = max(round(length / 4), 1)
    sampled = np.floor((np.arange(small) + 0.5) * length / small).astype(int)
    return sampled[np.floor((np.arange(length) + 0.5) * small / length).astype(int)]


def keep_person(label_map: np.ndarray, box: Sequence[float] | np.ndarray) -> np.ndarray:
    """The map (or mask) with everything outside the person's box made 0.

    The box is widened by a tenth; pieces that lie wholly in that margin belong to somebody else and go too.
    """
    height, width = label_map.shape
    outer = _window(box, _PERSON_MARGIN, height, width)
    rows, columns = _window(box, 0, height, width)
    inner = np.s_[rows.start - outer[0].start : rows.stop - outer[0].start,
                  columns.start - outer[1].start : columns.stop - outer[1].start]  # fmt: skip
    kept = np.zeros_like(label_map)
    inside = label_map[outer]
    if not inside.size:
        return kept
    count, pieces = cv2.connectedComponents((inside != 0).view(np.uint8), connectivity=8)
    kept[outer] = _kept(inside, pieces, count, inner)
    return kept


def _kept(labels_inside: np.ndarray, pieces: np.ndarray, count: int, inner: tuple[slice, slice]) -> np.ndarray:
    """The labels of those of `count` pieces (0 is none) that reach into the window `inner`, else 0."""
    if count > _BYTE or not pieces[inner].size:
        own = np.bincount(pieces[inner].ravel(), minlength=count) > 0
        own[0] = False
        return np.where(own.take(pieces), labels_inside, labels_inside.dtype.type(0))
    small = pieces.astype(np.uint8)  # tables over bytes take a fraction of the time
    table = np.where(
        cv2.calcHist([small[inner]], [0], None, [_BYTE], [0, _BYTE]).ravel() > 0, np.uint8(255), np.uint8(0)
    )
    table[0] = 0
    return cv2.bitwise_and(np.ascontiguousarray(labels_inside), cv2.LUT(small, table))


def _window(box: Sequence[float] | np.ndarray, margin: float, height: int, width: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = (float(value) for value in box)
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    left, right = (int(np.clip(value, 0, width)) for value in (np.floor(x0 - dx), np.ceil(x1 + dx)))
    top, bottom = (int(np.clip(value, 0, height)) for value in (np.floor(y0 - dy), np.ceil(y1 + dy)))
    return slice(top, bottom), slice(left, right)


_SYNONYMS = {"TORSO_SKIN": "NECK", "HEAD": "FACE", "GLASSES": "SUNGLASSES", "JUMPSUIT": "JUMPSUITS", "GLOVES": "GLOVE"}
_ORDER_BY_COUNT = {18: "atr", 20: "lip"}


def label_table(names: Sequence[str]) -> tuple[str, np.ndarray]:
    """A parser's class names → ("atr", "lip" or "cihp", lookup table uint8 [classes] to that space's ids).

    Spelling, case and order don't matter. Names that say nothing (LABEL_0, …) are taken in ATR's order if there are
    18, in LIP's if 20. Raises ValueError naming the classes that no clothes vocabulary has.
    """
    if all(name == f"LABEL_{number}" for number, name in enumerate(names)) and len(names) in _ORDER_BY_COUNT:
        return _ORDER_BY_COUNT[len(names)], np.arange(len(names), dtype=np.uint8)
    words = [_plain(name) for name in names]
    for space in ("atr", "lip", "cihp"):
        members = labels.SPACES[space].__members__
        if set(words) <= set(members):
            return space, np.array([members[word] for word in words], np.uint8)
    nearest = min(("atr", "lip", "cihp"), key=lambda space: len(set(words) - set(labels.SPACES[space].__members__)))
    unknown = sorted(set(words) - set(labels.SPACES[nearest].__members__))
    raise ValueError(f"classes {', '.join(unknown[:5])} belong to none of the vocabularies ATR, LIP and CIHP")


def _plain(name: str) -> str:
    word = "_".join(name.upper().replace("-", " ").replace("_", " ").split())
    return _SYNONYMS.get(word, word)
