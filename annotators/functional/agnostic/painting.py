"""Painting a photo by its mask, the mask back from such a picture, and how much of the garment a mask leaves."""

import cv2
import numpy as np

from annotators.functional import boxes, masks
from schemas.labels import Cihp

GREY = 128
GREY_TOLERANCE = 6  # what JPEG quality 75 leaves of the grey away from its border

GARMENT = (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT)
_LEAST_GREY = 0.001  # of the frame
_TELLING = 32.0  # grey levels squared: a photo within 8 levels of grey proves nothing


def paint(person_image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Copy of the photo [h w 3], grey 128 where the mask [h w] is set."""
    if mask.shape != person_image.shape[:2]:
        raise ValueError(f"mask of {mask.shape} on a photo of {person_image.shape[:2]}")
    painted = np.array(person_image, order="C")
    box = boxes.of_mask(mask)
    if box is not None:
        region = boxes.crop(painted, box)
        cv2.copyTo(np.full_like(region, GREY), np.ascontiguousarray(boxes.crop(mask, box)), region)
    return painted


def mask_from_agnostic(person_image: np.ndarray, agnostic_image: np.ndarray) -> np.ndarray:
    """The mask uint8 [h w] 0/255 that an agnostic picture [h w 3] of this photo was painted with.

    A pixel is erased where the picture is nearer to grey than to the photo, which finds the edge through JPEG; where
    the photo itself is grey, the nearest pixel that tells decides. Specks are dropped. Raises ValueError when sizes
    differ or no area is grey (all channels within 6 of 128).
    """
    if person_image.shape != agnostic_image.shape:
        raise ValueError(f"agnostic picture of {agnostic_image.shape[:2]} for a photo of {person_image.shape[:2]}")
    deviation = cv2.absdiff(agnostic_image, np.full_like(agnostic_image, GREY)).max(axis=2)
    if np.count_nonzero(deviation <= GREY_TOLERANCE) < _LEAST_GREY * deviation.size:
        raise ValueError("the agnostic picture has no grey area")
    evidence = _grey_evidence(person_image, agnostic_image)
    erased, shown = evidence > _TELLING, evidence < -_TELLING
    nearer = _distance_to(erased) < _distance_to(shown)
    mask = masks.keep_components(masks.as_mask(erased | (nearer & ~shown)), smallest_share=0.02)
    if not mask.any():
        raise ValueError("the agnostic picture's grey area can't be told from the photo")
    return mask


def uncovered_garment(parse: np.ndarray, mask: np.ndarray) -> float:
    """Share (0–1) of the worn upper garment's pixels that the mask leaves visible; 0 when there are none.

    Above 0.01 the original garment leaks into training (VITON-HD's own files stay below).
    """
    garment = masks.of_labels(parse, GARMENT)
    total = masks.area(garment)
    return masks.area(cv2.bitwise_and(garment, cv2.bitwise_not(mask))) / total if total else 0.0


def _grey_evidence(person_image: np.ndarray, agnostic_image: np.ndarray) -> np.ndarray:
    """float32 [h w]: > 0 where the picture lies nearer to grey than to the photo, by how much (levels squared)."""
    luma_and_chroma = np.array([1, 0.25, 0.25], np.float32)  # JPEG halves the resolution of chroma
    photo, picture = (cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb) for image in (person_image, agnostic_image))
    photo = photo * luma_and_chroma
    to_grey = GREY * luma_and_chroma - photo
    moved = picture * luma_and_chroma - photo
    evidence: np.ndarray = (to_grey * (moved - to_grey / 2)).sum(axis=2)
    return cv2.GaussianBlur(evidence, (0, 0), 0.7)


def _distance_to(chosen: np.ndarray) -> np.ndarray:
    """float32 [h w]: pixels to the nearest chosen one of bool [h w]."""
    return cv2.distanceTransform((~chosen).view(np.uint8), cv2.DIST_L2, 3)
