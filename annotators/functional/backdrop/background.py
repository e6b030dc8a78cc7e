"""The background of a garment photo: one colour, or a shaded surface, and where the photo shows it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from annotators.functional import boxes
from annotators.functional.backdrop import flood, gradients

CONSTANT = 0.6  # of the frame's pixels have exactly one colour: cut out, or lit until it clips, and nothing strays
ONE_UNIT = 1.0  # of OpenCV's 8-bit Lab: the smallest difference there is
BORDER = 8  # pixels of frame that a shaded background's noise is measured on
ALIKE, UNLIKE = 30, 60  # Lab units from the frame's median: starts the flood, and ends it whatever the gradient
ROUNDS = 6  # of fitting the frame's colours: what lies beside the fit counts less in the next
RIM = 6 / 1024  # of the longer side: half of the gaps that faint rims have on shaded backgrounds
STEADY = 3.0  # Lab units from the background that a patch without any gradient may lie: a second white, pasted in
LARGE = 0.002  # of the frame: enclosed background, larger than what cloth shows of one colour by accident
SHARP, SHARP_SHARE = 10.0, 0.6  # steepness, and the share of a gap's rim that has it: dark cloth around background
SURFACE_STEP = 8  # pixels of the photo to one of the fitted surface


@dataclass(frozen=True)
class Background:
    """`difference` float32 [h w 3] of the photo from it in Lab, its length `distance`, and where it is `bare`."""

    difference: np.ndarray
    distance: np.ndarray
    lightness: np.ndarray  # float32 [h w] or a number: the background's own L, 0–255
    noise: float  # distance that the bare background reaches by itself, at least ONE_UNIT
    grain: float  # steepness that it reaches by itself, 0 when it is constant
    bare: np.ndarray
    average: np.ndarray  # length of the mean difference in a square of 5 pixels, float32 [h w]

    def crop(self, box: boxes.Box) -> "Background":
        """The same of a part of the photo."""
        return replace(
            self,
            difference=boxes.crop(self.difference, box),
            distance=boxes.crop(self.distance, box),
            lightness=boxes.crop(self.lightness, box) if self.lightness.ndim else self.lightness,
            bare=boxes.crop(self.bare, box),
            average=boxes.crop(self.average, box),
        )


def find(lab: np.ndarray, steep: np.ndarray) -> Background:
    """The background of a photo float32 [h w 3] in OpenCV's 8-bit Lab whose gradient is `steep`."""
    edge = flood.frame(*lab.shape[:2])
    colour, share = commonest(lab[edge])
    background = _constant(lab, colour, edge) if share > CONSTANT else _shaded(lab, steep, edge)
    like_it = (background.average < background.noise) & (steep < max(1.5, 2 * background.grain))
    steady = (steep < 0.3) & (background.distance < STEADY)
    background.bare[:] |= _enclosed((like_it | steady) & ~background.bare, steep)
    return background


def commonest(colours: np.ndarray) -> tuple[np.ndarray, float]:
    """The most frequent of colours [n 3], and its share of them."""
    ordered = colours[np.lexsort(colours.T[::-1])]
    starts = np.flatnonzero(np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1)))
    counts = np.diff(np.append(starts, len(ordered)))
    return ordered[starts[counts.argmax()]], float(counts.max() / counts.sum())


def _constant(lab: np.ndarray, colour: np.ndarray, edge: np.ndarray) -> Background:
    difference = _less(lab, colour)
    distance = gradients.length(difference)
    plain = distance < ONE_UNIT
    return Background(
        difference, distance, colour[0], ONE_UNIT, 0.0, flood.reached(edge & plain, plain), _average(difference)
    )


def _shaded(lab: np.ndarray, steep: np.ndarray, edge: np.ndarray) -> Background:
    """Flooded over what changes slowly, then fitted, then flooded again over what is near the fit."""
    height, width = lab.shape[:2]
    along = _along_the_frame(lab, edge)
    away = np.minimum(gradients.length(lab - along), gradients.length(lab - np.median(lab[edge], axis=0)))
    coarse = gradients.steepness(lab - along, 1.5)
    border = flood.frame(height, width, BORDER) & (away < ALIKE)
    if not border.any():
        border = edge
    limit = max(0.5, 1.3 * float(np.percentile(coarse[border], 98)))
    grain = 1.5 * float(np.percentile(steep[border], 98))
    walls = coarse > limit
    radius = max(2, round(RIM * max(height, width)))
    bare = flood.reached_by_ball(edge & ~walls & (away < ALIKE), away <= UNLIKE, walls, radius)
    if not bare.any():
        bare = border
    surface = _surface(lab, bare)
    difference = lab - surface
    distance = gradients.length(difference)
    noise = max(ONE_UNIT, 2 * float(np.percentile(distance[bare], 95)))
    near, sharp = distance < noise, steep >= max(1.0, 2 * grain)
    bare = bare | flood.reached_by_ball(edge & bare, bare | near, sharp & ~bare, radius)
    return Background(difference, distance, surface[..., 0], noise, grain, bare, _average(difference))


def _less(lab: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Colours float32 [h w 3] less one of them; row by row, since NumPy is slow along an axis of three."""
    height, width = lab.shape[:2]
    return np.asarray((lab.reshape(height, -1) - np.tile(colour, width)).reshape(lab.shape))


def _average(difference: np.ndarray) -> np.ndarray:
    return gradients.length(cv2.blur(difference, (5, 5)))


def _along_the_frame(lab: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """float32 [h w 3]: a quadric through the frame's colours, for a background that is shaded from side to side.

    A garment that touches the frame counts less with each round.
    """
    terms = _terms(*lab.shape[:2])
    known, colours = terms[edge], lab[edge]
    weight = np.ones((len(known), 1), np.float32)
    for _ in range(ROUNDS):
        fit = np.linalg.lstsq(known * weight, colours * weight, rcond=None)[0]
        rest = np.linalg.norm(colours - known @ fit, axis=1, keepdims=True)
        weight = 1 / (1 + (rest / max(ONE_UNIT, 2 * float(np.median(rest)))) ** 2)
    return np.asarray(terms @ fit, np.float32)


def _terms(height: int, width: int) -> np.ndarray:
    """float32 [h w 6]: the terms of a quadric."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _surface(lab: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """float32 [h w 3]: a quadric through the bare background, and near it what the quadric leaves."""
    height, width = bare.shape
    size = (-(-width // SURFACE_STEP), -(-height // SURFACE_STEP))
    share = cv2.resize(bare.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(lab * bare[..., None], size, interpolation=cv2.INTER_AREA)
    colours = total / (share[..., None] + 1e-6)
    known = share > 0.9 if np.count_nonzero(share > 0.9) > 64 else share > 0
    terms = _terms(size[1], size[0])
    quadric = np.asarray(terms @ np.linalg.lstsq(terms[known], colours[known], rcond=None)[0], np.float32)
    weight = known.astype(np.float32)
    rest = cv2.GaussianBlur((colours - quadric) * weight[..., None], (0, 0), 3)
    surface = quadric + rest / (cv2.GaussianBlur(weight, (0, 0), 3) + 0.05)[..., None]
    return cv2.resize(np.asarray(surface, np.float32), (width, height))


def _enclosed(plain: np.ndarray, steep: np.ndarray) -> np.ndarray:
    """Large areas of background that the flood doesn't reach: between legs, or between a sleeve and the body.

    Their rims are sharp. Those of a white part of the cloth, which may have the same colour, are folds and seams.
    """
    if np.count_nonzero(plain) < LARGE * plain.size:
        return np.zeros_like(plain)
    count, ids = cv2.connectedComponents(plain.view(np.uint8), connectivity=4)
    large = np.bincount(ids.ravel(), minlength=count) >= LARGE * plain.size
    large[0] = False
    if not large.any():
        return np.zeros_like(plain)
    rim = plain & (cv2.erode(plain.view(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    sharp = gradients.largest(steep, gradients.BLOCK_REACH)[rim] > SHARP
    sharp_share = np.bincount(ids[rim], sharp, minlength=count) / np.maximum(1, np.bincount(ids[rim], minlength=count))
    return np.asarray((large & (sharp_share > SHARP_SHARE))[ids])
