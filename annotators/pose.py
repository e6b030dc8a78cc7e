"""Keypoints of the person in a photo, by MediaPipe's landmarker or by CMU's OpenPose body model; skeleton pictures.

Both give BODY_25 with absent joints at 0, 0, 0. Face and hand points come from MediaPipe's landmarkers whichever
finds the body, from the part of the photo where the body's joints say that they are.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from annotators.common import weights
from annotators.functional import densepose, keypoints, skeletons
from annotators.networks import mediapipe_tasks
from schemas import fields, labels, record
from schemas.cli.options import option, runtime
from schemas.labels import Body25

READS = ("person_image",)
MAY_READ = ("person_box",)
HINTS = ("parse", "densepose", "densepose_image")  # of which side a person shows, where they were shipped

# Settings that write columns which are not written otherwise.
ASKED_BY = {
    "keypoints_face": {"face": True},
    "keypoints_hands": {"hands": True},
    "pose_image": {"pose_image": True},
}

SIDES_ASSUMED = f"{record.SIDES_ASSUMED}: the face is cut off"
_EYES = (2, 5)  # MediaPipe's landmarks of left and right eye
_MAX_PEOPLE = 4  # that MediaPipe looks for in a photo
_BOX_GROWTH = 0.25  # of the box's longer side, on each side: what MediaPipe needs to see around a person
_ARMS = {"left": (5, 6, 7), "right": (2, 3, 4)}  # shoulder, elbow, wrist in BODY_25; the order of keypoints_hands


@dataclass(frozen=True, eq=False)
class Seen:
    """A person: BODY_25 [25 3]; `unsure` where the finder had no face to tell left from right by."""

    body: np.ndarray
    unsure: bool = False


@dataclass(frozen=True)
class Config:
    backend: str = option("mediapipe", "what finds the body", ("mediapipe", "openpose"))
    hands: bool = option(False, "also write keypoints_hands")
    face: bool = option(False, "also write keypoints_face")
    pose_image: bool = option(False, "also draw the skeleton")
    pose_style: str = option("body25", "how it is drawn", ("body25", "coco18"))
    person: str = option("largest", "which of several people counts, without a person_box", keypoints.PERSON_CHOICES)
    nobody: str = option("reject", "a photo without anybody: reject the record, or leave null", ("reject", "null"))
    device: str = runtime("cpu", "device of the OpenPose model; MediaPipe runs on the CPU")
    batch_size: int = runtime(16, "photos per batch")
    weights_dir: str = runtime("", "folder of weights")

    def fields(self) -> tuple[pa.Field, ...]:
        columns = [fields.keypoints("keypoints", keypoints.BODY), fields.box("person_box")]
        columns += [fields.keypoints("keypoints_face", keypoints.FACE)] if self.face else []
        columns += [fields.keypoints("keypoints_hands", 2 * keypoints.HAND)] if self.hands else []
        columns += [fields.image("pose_image")] if self.pose_image else []
        return tuple(columns)

    def weights(self) -> tuple[str, ...]:
        names = ["openpose_body" if self.backend == "openpose" else "pose_landmarker"]
        names += ["face_landmarker"] if self.face else []
        names += ["hand_landmarker"] if self.hands else []
        return tuple(names)

    def build(self) -> "PoseEstimator":
        """Loads the weights. Raises weights.MissingWeights, or ValueError for a file that isn't what it should be."""
        return PoseEstimator(self)


class PoseEstimator:
    """Usable from several threads."""

    def __init__(self, config: Config) -> None:
        self.config = config
        paths = {name: weights.locate(name, config.weights_dir) for name in config.weights()}
        if config.backend == "openpose":
            self.find_people: Callable[..., list[list[Seen]]] = OpenPosePeople(paths["openpose_body"], config.device)
        else:
            self.find_people = MediaPipePeople(paths["pose_landmarker"])
        self.find_face = FaceFinder(paths["face_landmarker"]) if config.face else None
        self.find_hands = HandFinder(paths["hand_landmarker"]) if config.hands else None

    def __call__(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """{"keypoints": float32 [25 3], …} per record, in pixels of its `person_image`; "people" is how many were seen.

        A `person_box` decides whose keypoints they are, else `person` does. Raises ValueError when a photo shows
        nobody, unless `nobody` is "null".
        """
        photos = [np.ascontiguousarray(record["person_image"]) for record in records]
        boxes = [record.get("person_box") for record in records]
        crowds = self.find_people(photos, boxes)
        return [self._columns(*each) for each in zip(records, photos, crowds, boxes, strict=True)]

    def _columns(
        self, columns_there: dict[str, Any], photo: np.ndarray, people: list[Seen], box: np.ndarray | None
    ) -> dict[str, Any]:
        people = [person for person in people if keypoints.present(person.body).any()]
        seen = self._choose(photo, people, box)
        if seen is None and self.config.nobody == "reject":
            raise ValueError("no person found")
        if seen is None:
            return {field.name: None for field in self.config.fields()}
        body, note = _sides(seen, columns_there)
        columns: dict[str, Any] = {"keypoints": body, "people": len(people)}
        columns |= {"notes": {"keypoints": note}} if note else {}
        columns["person_box"] = keypoints.body_box(body, *photo.shape[:2]) if box is None else box
        if self.find_face:
            columns["keypoints_face"] = self.find_face(photo, body)
        if self.find_hands:
            columns["keypoints_hands"] = self.find_hands(photo, body)
        if self.config.pose_image:
            columns["pose_image"] = self._draw(photo, body, columns.get("keypoints_hands"))
        return columns

    def _choose(self, photo: np.ndarray, people: list[Seen], box: np.ndarray | None) -> Seen | None:
        if not people:
            return None
        bodies = [person.body for person in people]
        if box is None:
            return people[keypoints.choose(bodies, self.config.person, *photo.shape[:2])]
        index = keypoints.choose_in_box(bodies, box)
        return None if index is None else people[index]

    def _draw(self, photo: np.ndarray, body: np.ndarray, hands: np.ndarray | None) -> np.ndarray:
        if self.config.pose_style == "coco18":
            return skeletons.coco18(labels.body25_to_coco18(body), *photo.shape[:2])
        return skeletons.body25(body, photo.shape[0], photo.shape[1], hands)


def _sides(seen: Seen, shipped: dict[str, Any]) -> tuple[np.ndarray, str]:
    """The joints with left and right as other annotations say, or as in a front view; a note where that was assumed.

    Without a face MediaPipe took 6 of 26 front views for back views, and no other photo.
    """
    back = keypoints.shows_back(seen.body)
    if not seen.unsure:
        return seen.body, ""
    picture = shipped.get("densepose_image")
    parts = shipped["densepose"][..., 0] if shipped.get("densepose") is not None else None
    if parts is None and picture is not None:
        parts = densepose.decode(picture)
    side = keypoints.side_of(shipped.get("parse"), parts)
    if back != (side == "back"):
        return keypoints.swap_sides(seen.body), "" if side else SIDES_ASSUMED
    return seen.body, ""


class OpenPosePeople:
    """The torch model; it always sees the whole photo, as in OOTDiffusion and IDM-VTON."""

    def __init__(self, path: Path, device: str) -> None:
        from annotators.networks import openpose  # imports torch

        self.find = openpose.PeopleFinder(path, device)

    def __call__(self, photos: list[np.ndarray], boxes: list[np.ndarray | None]) -> list[list[Seen]]:
        """BODY_25 people per photo; feet are always absent."""
        return [[Seen(labels.coco18_to_body25(person)) for person in people] for people in self.find(photos)]


class MediaPipePeople:
    """MediaPipe's pose landmarker on the whole photo or, where a box is known, on the box with some room around it."""

    def __init__(self, path: Path) -> None:
        self.detect = Landmarker("Pose", path, num_poses=_MAX_PEOPLE)

    def __call__(self, photos: list[np.ndarray], boxes: list[np.ndarray | None]) -> list[list[Seen]]:
        """BODY_25 people per photo; joints not visible, or outside the part that was looked at, are absent."""
        return [self._people(photo, box) for photo, box in zip(photos, boxes, strict=True)]

    def _people(self, photo: np.ndarray, box: np.ndarray | None) -> list[Seen]:
        frame = _whole(photo) if box is None else _grown(np.asarray(box, np.float64), *photo.shape[:2])
        part, shift = _cut(photo, frame)
        detected = self.detect(part)
        height, width = part.shape[:2]
        people = []
        for landmarks in detected.pose_landmarks:
            points = np.array([(p.x, p.y, p.visibility or 0.0) for p in landmarks])
            body = keypoints.mediapipe_to_body25(points * (width, height, 1))
            faceless = bool((points[list(_EYES), 1] < 0).all())
            people.append(Seen(_moved(keypoints.within_frame(body, height, width), shift), faceless))
        return people


class FaceFinder:
    """MediaPipe's face mesh around the nose → OpenPose's 70 points."""

    def __init__(self, path: Path) -> None:
        self.detect = Landmarker("Face", path)

    def __call__(self, photo: np.ndarray, body: np.ndarray) -> np.ndarray:
        """float32 [70 3]; the score is 1, as MediaPipe gives none per point. All zeros where no face is found."""
        side = _head_size(body)
        if not side:
            return np.zeros((keypoints.FACE, 3), np.float32)
        head = body[[Body25.NOSE, Body25.RIGHT_EYE, Body25.LEFT_EYE, Body25.RIGHT_EAR, Body25.LEFT_EAR]]
        center = head[keypoints.present(head), :2].mean(axis=0)
        part, shift = _cut(photo, _square(center, side))
        faces = self.detect(part).face_landmarks if part.size else []
        if not faces:
            return np.zeros((keypoints.FACE, 3), np.float32)
        height, width = part.shape[:2]
        points = np.array([(p.x * width, p.y * height, 1.0) for p in faces[0]])
        return _moved(keypoints.within_frame(keypoints.mediapipe_to_face70(points), height, width), shift)


class HandFinder:
    """MediaPipe's hand landmarker around each wrist; its 21 points have OpenPose's order."""

    def __init__(self, path: Path) -> None:
        self.detect = Landmarker("Hand", path, num_hands=2)

    def __call__(self, photo: np.ndarray, body: np.ndarray) -> np.ndarray:
        """float32 [42 3], left then right; the score is the hand's. Zeros for a hand that isn't found.

        Sides come from the body's arms: MediaPipe's own handedness depends on whether the photo is mirrored.
        """
        return np.concatenate([self._hand(photo, body[list(arm)]) for arm in _ARMS.values()])

    def _hand(self, photo: np.ndarray, arm: np.ndarray) -> np.ndarray:
        nothing = np.zeros((keypoints.HAND, 3), np.float32)
        if not keypoints.present(arm).all():
            return nothing
        shoulder, elbow, wrist = arm[:, :2].astype(np.float64)
        side = 1.5 * max(np.hypot(*(wrist - elbow)), 0.9 * np.hypot(*(elbow - shoulder)))
        part, shift = _cut(photo, _square(wrist + 0.33 * (wrist - elbow), side))
        detected = self.detect(part) if part.size else None
        if not detected or not detected.hand_landmarks:
            return nothing
        height, width = part.shape[:2]
        hands = [np.array([(p.x * width, p.y * height) for p in hand]) for hand in detected.hand_landmarks]
        distances = [np.hypot(*(hand[0] + shift - wrist)) for hand in hands]
        nearest = int(np.argmin(distances))
        if distances[nearest] > side / 3:  # the other hand, held close by
            return nothing
        points = np.full((keypoints.HAND, 3), detected.handedness[nearest][0].score)
        points[:, :2] = hands[nearest]
        return _moved(keypoints.within_frame(points, height, width, min_score=0.0), shift)


class Landmarker:
    """A MediaPipe Tasks landmarker ("Pose", "Face" or "Hand") for single pictures, one at a time, from any thread.

    Raises ValueError when the file isn't such a model.
    """

    def __init__(self, kind: str, path: Path, **settings: Any) -> None:
        with mediapipe_tasks.quiet_native_log():
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision

            options = getattr(vision, f"{kind}LandmarkerOptions")(
                base_options=BaseOptions(model_asset_path=str(path)), **settings
            )
            try:
                self.task = getattr(vision, f"{kind}Landmarker").create_from_options(options)
            except (ValueError, RuntimeError, OSError) as error:
                reason = str(error).splitlines()[:1]
                raise ValueError(f"{path.name} is not a MediaPipe {kind.lower()} landmarker: {reason}") from None
        self._image = lambda pixels: mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        self._lock = threading.Lock()
        self._warm = False
        weakref.finalize(self, mediapipe_tasks.close, self.task)

    def __call__(self, picture: np.ndarray) -> Any:
        """MediaPipe's result for uint8 [h w 3] RGB, its landmarks normalised by the picture's width and height.

        MediaPipe projects the landmarks of a turned body wrongly unless the picture is square, so it sees a square
        one, its borders repeated.
        """
        height, width = picture.shape[:2]
        side = max(height, width)
        above, left = (side - height) // 2, (side - width) // 2
        padding = ((above, side - height - above), (left, side - width - left), (0, 0))
        square = np.ascontiguousarray(np.pad(picture, padding, mode="edge"))
        with self._lock, contextlib.nullcontext() if self._warm else mediapipe_tasks.quiet_native_log():
            result = self.task.detect(self._image(square))
            self._warm = True
        lists = (getattr(result, f"{kind}_landmarks", ()) for kind in ("pose", "face", "hand"))
        for landmark in (point for people in lists for person in people for point in person):
            landmark.x = (landmark.x * side - left) / width
            landmark.y = (landmark.y * side - above) / height
        return result


# Frames are x0 y0 x1 y1, whole pixels of the photo.


def _whole(photo: np.ndarray) -> np.ndarray:
    return np.array([0, 0, photo.shape[1], photo.shape[0]])


def _grown(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """The box with room around it. Raises ValueError for one that isn't in the photo."""
    if not (np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]):
        raise ValueError(f"person_box {box.tolist()} is empty; it is x0 y0 x1 y1 in pixels")
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        raise ValueError(f"person_box {box.tolist()} lies outside the photo of {width}×{height}")
    room = _BOX_GROWTH * max(box[2:] - box[:2])
    return np.rint(box + (-room, -room, room, room)).astype(int)


def _square(center: np.ndarray, side: float) -> np.ndarray:
    return np.rint(np.concatenate([center - side / 2, center + side / 2])).astype(int)


def _cut(photo: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo in the frame, and the (x, y) of its corner."""
    x0, y0, x1, y1 = frame.clip(0, _whole(photo)[[2, 3, 2, 3]])
    return photo[y0:y1, x0:x1], np.array([x0, y0])


def _moved(points: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """float32 [n 3], shifted; absent joints stay at 0, 0, 0."""
    moved = points.copy()
    moved[keypoints.present(points), :2] += shift
    return moved


def _head_size(body: np.ndarray) -> float:
    """Side of a square around the head, from nose and neck, else from the ears; 0 where neither pair is there."""
    for (a, b), factor in (((Body25.NOSE, Body25.NECK), 2.2), ((Body25.RIGHT_EAR, Body25.LEFT_EAR), 2.5)):
        if keypoints.present(body)[[a, b]].all():
            return factor * float(np.hypot(*(body[a, :2] - body[b, :2])))
    return 0.0
