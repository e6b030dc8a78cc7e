"""Keypoints as arrays: conversions from MediaPipe, choice of one person, PCK, and OpenPose's decoding of its maps.

Keypoints are [n 3] of x px, y px, score 0–1 with absent joints at 0, 0, 0, as OpenPose writes them. The decoding
follows the part-affinity fields of "Realtime Multi-Person 2D Pose Estimation" (arXiv:1611.08050) with the thresholds
of pytorch-openpose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from schemas.labels import FLIP_BODY_25, Body25, Cihp, Coco18, DensePose

PERSON_CHOICES = ("largest", "center", "score")
BODY, FACE, HAND = 25, 70, 21  # points in OpenPose's lists
MIN_VISIBILITY = 0.5

# MediaPipe pose-33 → BODY_25; neck and mid-hip are derived, small toes have no source.
_BODY_FROM_MEDIAPIPE = {
    Body25.NOSE: 0,
    Body25.RIGHT_SHOULDER: 12, Body25.RIGHT_ELBOW: 14, Body25.RIGHT_WRIST: 16,
    Body25.LEFT_SHOULDER: 11, Body25.LEFT_ELBOW: 13, Body25.LEFT_WRIST: 15,
    Body25.RIGHT_HIP: 24, Body25.RIGHT_KNEE: 26, Body25.RIGHT_ANKLE: 28,
    Body25.LEFT_HIP: 23, Body25.LEFT_KNEE: 25, Body25.LEFT_ANKLE: 27,
    Body25.RIGHT_EYE: 5, Body25.LEFT_EYE: 2, Body25.RIGHT_EAR: 8, Body25.LEFT_EAR: 7,
    Body25.LEFT_BIG_TOE: 31, Body25.LEFT_HEEL: 29, Body25.RIGHT_BIG_TOE: 32, Body25.RIGHT_HEEL: 30,
}  # fmt: skip
_BETWEEN_IN_MEDIAPIPE = {Body25.NECK: (11, 12), Body25.MID_HIP: (23, 24)}

# MediaPipe's face mesh (478 with irises) → iBUG's 68 points and OpenPose's two pupils, right first.
_FACE_FROM_MEDIAPIPE = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw, from the right ear
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lips
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lips
    468, 473,  # pupils
)  # fmt: skip


def present(keypoints: np.ndarray) -> np.ndarray:
    """bool [n]: which joints are not at exactly (0, 0)."""
    is_set: np.ndarray = np.any(keypoints[:, :2], axis=1)
    return is_set


def bounding_box(keypoints: np.ndarray) -> np.ndarray:
    """x0 y0 x1 y1 (float) around the joints that are present; zeros without any."""
    points = keypoints[present(keypoints), :2]
    if not len(points):
        return np.zeros(4)
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float64)


_BOX_MARGIN = 0.15  # of the joints' box's longer side: joints lie inside the body
_HEAD = 0.9  # of the distance from nose to neck: what is above the eyes


def body_box(keypoints: np.ndarray, height: int, width: int) -> np.ndarray | None:
    """float32 x0 y0 x1 y1 around the whole person of BODY_25 keypoints [25 3]; None without any joint.

    Joints lie inside the body, so the box is larger than theirs. Without ankles the legs leave the picture, and so
    does the box.
    """
    if not present(keypoints).any():
        return None
    x0, y0, x1, y1 = bounding_box(keypoints)
    margin = _BOX_MARGIN * max(x1 - x0, y1 - y0)
    ends = keypoints[[Body25.NOSE, Body25.NECK]]
    head = _HEAD * float(np.hypot(*(ends[0, :2] - ends[1, :2]))) if present(ends).all() else margin
    ankles = present(keypoints[[Body25.RIGHT_ANKLE, Body25.LEFT_ANKLE]]).any()
    box = [x0 - margin, y0 - max(head, margin), x1 + margin, y1 + margin if ankles else height]
    return np.clip(np.array(box), 0, (width, height, width, height)).astype(np.float32)


def person_box(record: Mapping[str, Any]) -> np.ndarray | None:
    """The box x0 y0 x1 y1 of the person that a record is about: its own `person_box`, else around its `keypoints`.

    All annotators that look at the photo ask here, so that they mean the same person. None when neither is known.
    """
    if record.get("person_box") is not None:
        return np.asarray(record["person_box"], np.float32)
    if record.get("keypoints") is None:
        return None
    return body_box(record["keypoints"], *record["person_image"].shape[:2])


def within_frame(keypoints: np.ndarray, height: float, width: float, min_score: float = MIN_VISIBILITY) -> np.ndarray:
    """float32 [n 3]: joints with a lower score, or outside 0 ≤ x < width and 0 ≤ y < height, become 0, 0, 0."""
    x, y, score = keypoints.T
    kept = (score >= min_score) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return np.where(kept[:, None], keypoints, 0).astype(np.float32)


def shows_back(keypoints: np.ndarray) -> bool:
    """True where the right shoulder (or hip, where one shoulder is absent) of [25 3] lies to the right of the left."""
    there = present(keypoints)
    for right, left in ((Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER), (Body25.RIGHT_HIP, Body25.LEFT_HIP)):
        if there[right] and there[left]:
            return bool(keypoints[right, 0] > keypoints[left, 0])
    return False


def swap_sides(keypoints: np.ndarray) -> np.ndarray:
    """The same joints [25 k], left and right names exchanged."""
    return keypoints[FLIP_BODY_25]


def side_of(parse: np.ndarray | None, parts: np.ndarray | None) -> str:
    """ "front" or "back" of a person by a CIHP parse or DensePose parts uint8 [h w]; "" where neither tells.

    DensePose tells chest from back; a parse has arms, legs and shoes by side, and in a front view the left ones lie
    to the right in the picture.
    """
    if parts is not None:
        chest, back = np.sum(parts == DensePose.TORSO_FRONT), np.sum(parts == DensePose.TORSO_BACK)
        if chest + back > _LEAST_SEEN * parts.size:
            return "front" if chest > back else "back"
    if parse is None:
        return ""
    for left, right in _SIDED:
        columns = [np.flatnonzero((parse == label).any(axis=0)) for label in (left, right)]
        if all(len(column) > _LEAST_SEEN * parse.shape[1] for column in columns):
            return "front" if columns[0].mean() > columns[1].mean() else "back"
    return ""


_LEAST_SEEN = 0.01  # of the picture, or of its width
_SIDED = (
    (Cihp.LEFT_ARM, Cihp.RIGHT_ARM),
    (Cihp.LEFT_SHOE, Cihp.RIGHT_SHOE),
    (Cihp.LEFT_LEG, Cihp.RIGHT_LEG),
)


def mediapipe_to_body25(landmarks: np.ndarray) -> np.ndarray:
    """MediaPipe's [33 3] (x px, y px, visibility) to BODY_25 [25 3]; see `within_frame` for what isn't seen.

    Neck and mid-hip lie between shoulders and hips, with the lower of the two visibilities.
    """
    body = np.zeros((BODY, 3))
    for joint, source in _BODY_FROM_MEDIAPIPE.items():
        body[joint] = landmarks[source]
    for joint, pair in _BETWEEN_IN_MEDIAPIPE.items():
        ends = landmarks[list(pair)]
        body[joint] = *ends[:, :2].mean(axis=0), ends[:, 2].min()
    return body


def mediapipe_to_face70(landmarks: np.ndarray) -> np.ndarray:
    """MediaPipe's face mesh [478 k] to OpenPose's 70 face points [70 k]."""
    return landmarks[list(_FACE_FROM_MEDIAPIPE)]


def choose(people: Sequence[np.ndarray], how: str, height: int, width: int) -> int:
    """Index of the person that counts; the first of equals.

    `how`: "largest" (box around the joints), "center" (box nearest to the middle of the picture), "score" (sum of
    the joints' scores). Raises ValueError for another word or an empty list.
    """
    if how not in PERSON_CHOICES:
        raise ValueError(f"person choice {how!r}; allowed are {', '.join(PERSON_CHOICES)}")
    if not len(people):
        raise ValueError("no person to choose from")
    boxes = np.stack([bounding_box(person) for person in people])
    if how == "largest":
        return int(np.argmax(_areas(boxes)))
    if how == "score":
        return int(np.argmax([person[:, 2].sum() for person in people]))
    offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - (width / 2, height / 2)
    return int(np.argmin(np.hypot(*offsets.T)))


def choose_box(boxes: np.ndarray, scores: np.ndarray, how: str, height: int, width: int) -> int:
    """Index of the detected box [n 4] that counts, by the words of `choose`. Raises ValueError as it does."""
    if how not in PERSON_CHOICES:
        raise ValueError(f"person choice {how!r}; allowed are {', '.join(PERSON_CHOICES)}")
    if how == "largest":
        return int(np.argmax(_areas(boxes)))
    if how == "score":
        return int(np.argmax(scores))
    offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - (width / 2, height / 2)
    return int(np.argmin(np.hypot(*offsets.T)))


def nearest_box(boxes: np.ndarray, box: np.ndarray) -> int | None:
    """Index of the box [n 4] that overlaps `box` most; None where none does."""
    overlaps = [_overlap(np.asarray(other, np.float64), np.asarray(box, np.float64)) for other in boxes]
    best = int(np.argmax(overlaps)) if overlaps else 0
    return best if overlaps and overlaps[best] > 0 else None


def choose_in_box(people: Sequence[np.ndarray], box: np.ndarray) -> int | None:
    """Index of the person whose joints fit the box (x0 y0 x1 y1) best, by intersection over union.

    None when nobody has at least half of their joints in it: the box is then somebody else's.
    """
    x0, y0, x1, y1 = box
    scores = []
    for person in people:
        x, y = person[present(person), :2].T
        inside = ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).mean() if len(x) else 0.0
        scores.append(_overlap(bounding_box(person), np.asarray(box, np.float64)) if inside >= 0.5 else -1.0)
    best = int(np.argmax(scores)) if scores else 0
    return best if scores and scores[best] >= 0 else None


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    shared = _areas(np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])]))
    union = _areas(a) + _areas(b) - shared
    return float(shared / union) if union > 0 else 0.0


def torso_length(keypoints: np.ndarray) -> float:
    """Neck to mid-hip of BODY_25 [25 3] in pixels. Raises ValueError when either is absent."""
    if not present(keypoints)[[Body25.NECK, Body25.MID_HIP]].all():
        raise ValueError("no torso length: neck or mid-hip is absent")
    return float(np.hypot(*(keypoints[Body25.NECK, :2] - keypoints[Body25.MID_HIP, :2])))


def pck(detected: np.ndarray, reference: np.ndarray, threshold: float = 0.1) -> tuple[int, int]:
    """(correct, compared): joints within `threshold` × the reference's torso, of those present in both ([25 3]).

    Percentage of correct keypoints (Yang and Ramanan 2013) with the torso as the measure. Raises as `torso_length`.
    """
    limit = threshold * torso_length(reference)
    both = present(detected) & present(reference)
    distances = np.hypot(*(detected[both, :2] - reference[both, :2]).T)
    return int((distances <= limit).sum()), int(both.sum())


@dataclass(frozen=True)
class Limb:
    """Two joints of COCO-18 and where the x and y channels of their affinity field begin."""

    start: Coco18
    end: Coco18
    channel: int


LIMBS = (
    Limb(Coco18.NECK, Coco18.RIGHT_SHOULDER, 12),
    Limb(Coco18.NECK, Coco18.LEFT_SHOULDER, 20),
    Limb(Coco18.RIGHT_SHOULDER, Coco18.RIGHT_ELBOW, 14),
    Limb(Coco18.RIGHT_ELBOW, Coco18.RIGHT_WRIST, 16),
    Limb(Coco18.LEFT_SHOULDER, Coco18.LEFT_ELBOW, 22),
    Limb(Coco18.LEFT_ELBOW, Coco18.LEFT_WRIST, 24),
    Limb(Coco18.NECK, Coco18.RIGHT_HIP, 0),
    Limb(Coco18.RIGHT_HIP, Coco18.RIGHT_KNEE, 2),
    Limb(Coco18.RIGHT_KNEE, Coco18.RIGHT_ANKLE, 4),
    Limb(Coco18.NECK, Coco18.LEFT_HIP, 6),
    Limb(Coco18.LEFT_HIP, Coco18.LEFT_KNEE, 8),
    Limb(Coco18.LEFT_KNEE, Coco18.LEFT_ANKLE, 10),
    Limb(Coco18.NECK, Coco18.NOSE, 28),
    Limb(Coco18.NOSE, Coco18.RIGHT_EYE, 30),
    Limb(Coco18.RIGHT_EYE, Coco18.RIGHT_EAR, 34),
    Limb(Coco18.NOSE, Coco18.LEFT_EYE, 32),
    Limb(Coco18.LEFT_EYE, Coco18.LEFT_EAR, 36),
    Limb(Coco18.RIGHT_SHOULDER, Coco18.RIGHT_EAR, 18),  # these two only join, they never begin a person
    Limb(Coco18.LEFT_SHOULDER, Coco18.LEFT_EAR, 26),
)
_BEGINNING_LIMBS = 17

SMOOTHING = 3.0  # sigma in pixels
MIN_PEAK = 0.1
MIN_AFFINITY = 0.05
MIN_SAMPLES_ON_LIMB = 0.8  # more than this share of SAMPLES must exceed MIN_AFFINITY
SAMPLES = 10
MIN_PARTS, MIN_MEAN_SCORE = 4, 0.4
MAX_PEAKS = 100  # per joint: keeps a map without any shape (a damaged model) from costing hours


@dataclass
class _Person:
    """Peaks (one index per joint, -1 = none) put together so far. `parts` counts as pytorch-openpose does."""

    peaks: np.ndarray
    score: float
    parts: int


def openpose_people(heat_maps: np.ndarray, affinities: np.ndarray) -> np.ndarray:
    """COCO-18 people from the body model's maps, float32 [people 18 3], in the order in which they were assembled.

    `heat_maps` [18 or 19 h w] (a background map is ignored) and `affinities` [38 h w] at the picture's size. x and y
    are whole pixels, the score is the unsmoothed map's value. Peaks are indexed directly: OOTDiffusion renumbers its
    candidate list joint by joint instead, which misaligns the later joints when a joint has several surplus peaks.
    """
    peaks = [find_peaks(heat_map) for heat_map in heat_maps[: len(Coco18)]]
    connections = [
        connect(peaks[limb.start], peaks[limb.end], affinities[limb.channel : limb.channel + 2]) for limb in LIMBS
    ]
    people = assemble(peaks, connections)
    keypoints = np.zeros((len(people), len(Coco18), 3), np.float32)
    for person, chosen in zip(keypoints, people, strict=True):
        for joint in np.flatnonzero(chosen >= 0):
            person[joint] = peaks[joint][chosen[joint]]
    keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
    return keypoints


def find_peaks(heat_map: np.ndarray) -> np.ndarray:
    """float64 [n 3] x, y, value: local maxima (4 neighbours) of the smoothed map [h w] above MIN_PEAK, row by row.

    At most MAX_PEAKS, the highest.
    """
    heat_map = np.asarray(heat_map, np.float64)
    radius = int(4 * SMOOTHING + 0.5)
    size = (2 * radius + 1, 2 * radius + 1)
    smooth = cv2.GaussianBlur(heat_map, size, SMOOTHING, borderType=cv2.BORDER_REFLECT)
    around = np.pad(smooth, 1)
    higher = np.maximum.reduce([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
    y, x = np.nonzero((smooth >= higher) & (smooth > MIN_PEAK))
    peaks = np.stack([x, y, heat_map[y, x]], axis=1).astype(np.float64)
    if len(peaks) > MAX_PEAKS:
        peaks = peaks[np.sort(np.argsort(-smooth[y, x], kind="stable")[:MAX_PEAKS])]
    return peaks


def connect(starts: np.ndarray, ends: np.ndarray, affinity: np.ndarray) -> list[tuple[int, int, float]]:
    """(start, end, score) of the limbs between two joints' peaks ([n 3], [m 3]), best first, each peak used once.

    `affinity` [2 h w] points along the limb. A pair counts when more than 80 % of ten samples on its line exceed
    MIN_AFFINITY and their mean, less a penalty for lines longer than half the picture's height, is positive.
    """
    if not len(starts) or not len(ends):
        return []
    a, b = starts[:, None, :2], ends[None, :, :2]
    length = np.maximum(np.linalg.norm(b - a, axis=-1), 0.001)  # [n m]
    direction = (b - a) / length[..., None]
    near, far = np.broadcast_arrays(a, b)
    x, y = np.moveaxis(np.rint(np.linspace(near, far, SAMPLES)).astype(int), -1, 0)
    along = affinity[0][y, x] * direction[..., 0] + affinity[1][y, x] * direction[..., 1]  # [samples n m]
    score = along.mean(axis=0) + np.minimum(0.5 * affinity.shape[1] / length - 1, 0)
    on_limb = (along > MIN_AFFINITY).sum(axis=0) > MIN_SAMPLES_ON_LIMB * SAMPLES
    first, second = np.nonzero(on_limb & (score > 0))
    return _best_pairs(first, second, score[first, second])


def _best_pairs(first: np.ndarray, second: np.ndarray, scores: np.ndarray) -> list[tuple[int, int, float]]:
    chosen: list[tuple[int, int, float]] = []
    used_first, used_second = set(), set()
    for k in np.argsort(-scores, kind="stable"):
        i, j = int(first[k]), int(second[k])
        if i not in used_first and j not in used_second:
            chosen.append((i, j, float(scores[k])))
            used_first.add(i)
            used_second.add(j)
    return chosen


def assemble(peaks: Sequence[np.ndarray], connections: Sequence[list[tuple[int, int, float]]]) -> list[np.ndarray]:
    """int [18] peak indices (-1 = absent) per person: limbs joined greedily in LIMBS' order.

    Persons with fewer than MIN_PARTS parts or a mean score below MIN_MEAN_SCORE are dropped. Where two persons claim
    a limb and share joints, the earlier keeps it, and a joint found again is replaced, as pytorch-openpose does.
    """
    people: list[_Person] = []
    for k, (limb, pairs) in enumerate(zip(LIMBS, connections, strict=True)):
        for start, end, score in pairs:
            owners = [p for p in people if p.peaks[limb.start] == start or p.peaks[limb.end] == end]
            if not owners:
                if k < _BEGINNING_LIMBS:
                    people.append(_begin(limb, start, end, score, peaks))
            elif len(owners) > 1 and not ((owners[0].peaks >= 0) & (owners[1].peaks >= 0)).any():
                _merge(owners[0], owners[1], score)
                people = [p for p in people if p is not owners[1]]
            elif len(owners) > 1 or owners[0].peaks[limb.end] != end:
                owners[0].peaks[limb.end] = end
                owners[0].score += peaks[limb.end][end, 2] + score
                owners[0].parts += 1
    return [p.peaks for p in people if p.parts >= MIN_PARTS and p.score / p.parts >= MIN_MEAN_SCORE]


def _begin(limb: Limb, start: int, end: int, score: float, peaks: Sequence[np.ndarray]) -> _Person:
    chosen = np.full(len(Coco18), -1)
    chosen[[limb.start, limb.end]] = start, end
    return _Person(chosen, peaks[limb.start][start, 2] + peaks[limb.end][end, 2] + score, 2)


def _merge(kept: _Person, other: _Person, score: float) -> None:
    """Takes over the other's joints; the two have none in common."""
    kept.peaks = np.maximum(kept.peaks, other.peaks)
    kept.score += other.score + score
    kept.parts += other.parts
