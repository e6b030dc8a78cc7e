"""CatVTON's AutoMasker; sizes of which a quarter, rounded, gives them back."""

import cv2
import numpy as np

from benchmarks.plain_recipes import labelled, mask

ARMS, LEGS, TORSO = range(15, 23), range(7, 15), (1, 2)
# kept and repainted by label, LIP then ATR, and the body parts that are repainted
KINDS = {
    "upper": ((16, 17, 12, 9), (12, 13, 5, 6), (5, 7, 6, 10), (4, 7), (*TORSO, *ARMS)),
    "lower": ((14, 15, 13, 5, 7), (14, 15, 11, 4), (9, 12, 6, 10), (6, 5, 7), LEGS),
    "overall": ((), (), (5, 6, 9, 12, 7, 10), (4, 7, 6, 5), (*TORSO, *LEGS, *ARMS)),
    "inner": ((16, 17, 6, 7, 12, 9, 10), (12, 13, 7, 5, 6), (5,), (4,), TORSO),
    "outer": ((16, 17, 5, 6, 9, 12, 10), (12, 13, 7, 6, 5), (7,), (), (*TORSO, *ARMS)),
}


def automasker(parts: np.ndarray, lip: np.ndarray, atr: np.ndarray, kind: str) -> np.ndarray:
    lip_kept, atr_kept, lip_cloth, atr_cloth, body = KINDS[kind]
    longest = max(lip.shape)
    kernel, blur = (size + 1 - size % 2 for size in (longest // 250, longest // 25))
    square = np.ones((kernel, kernel), np.uint8)
    limbs = labelled(lip, 14, 15, 16, 17) | labelled(atr, 14, 15, 12, 13)
    ends = cv2.dilate(labelled(parts, 3, 4, 5, 6).astype(np.uint8), square) > 0
    strong = (ends & limbs) | (lip == 13)
    weak = strong | labelled(lip, *lip_kept) | labelled(atr, *atr_kept)
    weak |= labelled(lip, 2, 1, 3, 4, 18, 19, 11, 8) | labelled(atr, 2, 1, 3, 16, 9, 10, 17)
    background = (lip == 0) & (atr == 0)
    small = cv2.resize(labelled(parts, *body).astype(np.uint8), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_NEAREST)
    small = cv2.dilate(small, square, iterations=2)
    dense = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST) > 0
    area = mask((~weak & ~background) | dense)
    contours, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hulls = np.zeros_like(area)
    for contour in contours:
        hulls = cv2.bitwise_or(hulls, cv2.fillPoly(np.zeros_like(area), [cv2.convexHull(contour)], 255))
    soft = cv2.GaussianBlur(mask((hulls > 0) & ~weak), (blur, blur), 0) >= 25
    cloth = labelled(lip, *lip_cloth) | labelled(atr, *atr_cloth)
    return mask(cv2.dilate(((soft | cloth) & ~strong).astype(np.uint8), square) > 0)
