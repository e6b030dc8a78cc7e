"""Body part and surface coordinates per pixel: DensePose R_50_FPN_s1x (Güler 2018), by our torch port or detectron2.

`densepose` holds I (0–24), U and V (0–255); `densepose_image` is the `dp_segm` picture of I that try-on models are
trained on. Weights: detectron2's `model_final_162be9.pkl`, or the same as safetensors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from annotators.common.batching import Staged
from annotators.functional import densepose, keypoints
from schemas import fields
from schemas.cli.options import option, runtime

READS = ("person_image",)
MAY_READ = ("person_box", "keypoints")
FIELDS = (fields.image("densepose"), fields.image("densepose_image"))

# Number of a photo, its boxes [n 4] (xyxy), their scores [n] → which of them counts.
Choose = Callable[[int, np.ndarray, np.ndarray], int | None]


@dataclass(frozen=True)
class Person:
    """IUV uint8 [h w 3] at the photo's size, and its picture where a device has drawn it already."""

    iuv: np.ndarray
    picture: np.ndarray | None = None


class Estimator(Protocol):
    """Photos → the chosen person of each, None for nobody, in the steps of `Staged`."""

    @property
    def accelerated(self) -> bool: ...
    def prepare(self, photos: Sequence[np.ndarray]) -> Any: ...
    def compute(self, prepared: Any, choose: Choose) -> list[Person | None]: ...


@dataclass(frozen=True)
class Config:
    """Raises ValueError for a batch size below 1 or a threshold outside 0 to 1."""

    backend: str = option("torch", "our own network, or detectron2 where installed", ("torch", "detectron2"))
    score_threshold: float = option(0.8, "least probability that a box shows a person")
    person: str = option("largest", "which of several people counts, without keypoints", keypoints.PERSON_CHOICES)
    nobody: str = option("reject", "a photo without anybody: reject the record, or leave null", ("reject", "null"))
    device: str = runtime("cpu", "cpu, cuda, cuda:N or mps")
    batch_size: int = runtime(8, "photos at once")
    weights_dir: str = runtime("", "folder of weights")

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size}; allowed is 1 or more")
        if not 0 <= self.score_threshold < 1:
            raise ValueError(f"score_threshold {self.score_threshold}; allowed is 0 to 1")

    def weights(self) -> tuple[str, ...]:
        return ("densepose_r50_fpn_s1x",)

    def build(self) -> "DensePoseEstimator":
        """Raises weights.MissingWeights, and ValueError for a device, or weights, that can't be used."""
        return DensePoseEstimator(self, _BACKENDS[self.backend](self))


@dataclass(frozen=True)
class Prepared:
    """Photos as the backend has them prepared, their sizes, and the boxes of the people they are about."""

    photos: Any
    sizes: list[tuple[int, int]]
    boxes: list[np.ndarray | None]


class DensePoseEstimator(Staged[Prepared, Person | None]):
    """{"densepose": uint8 [h w 3] I, U, V, "densepose_image": uint8 [h w 3] RGB} per record, at the photo's size.

    The record's person_box or keypoints say whose; else `person` does. A photo without anybody comes back as a
    ValueError in its place, or as nulls when `nobody` is "null".
    """

    def __init__(self, config: Config, estimator: Estimator) -> None:
        self.config, self.estimator = config, estimator

    @property
    def accelerated(self) -> bool:
        return self.estimator.accelerated

    def prepare(self, records: Sequence[dict[str, Any]]) -> Prepared:
        photos = [np.ascontiguousarray(record["person_image"]) for record in records]
        boxes = [keypoints.person_box(record) for record in records]
        return Prepared(self.estimator.prepare(photos), [photo.shape[:2] for photo in photos], boxes)

    def compute(self, prepared: Prepared) -> list[Person | None]:
        def choose(number: int, candidates: np.ndarray, scores: np.ndarray) -> int | None:
            box = prepared.boxes[number]
            if box is not None:
                return keypoints.nearest_box(candidates, box)
            return keypoints.choose_box(candidates, scores, self.config.person, *prepared.sizes[number])

        return self.estimator.compute(prepared.photos, choose)

    def finish(self, record: dict[str, Any], computed: Person | None) -> Any:
        if computed is None or not cv2.countNonZero(parts := cv2.extractChannel(computed.iuv, 0)):
            if self.config.nobody == "null":
                return {"densepose": None, "densepose_image": None}
            return ValueError("no person found")
        picture = densepose.render(parts) if computed.picture is None else computed.picture
        return {"densepose": computed.iuv, "densepose_image": picture}


class _Torch:
    """Our own network. On an accelerator the maps are drawn there, and leave it together."""

    def __init__(self, config: Config) -> None:
        from annotators.common import weights
        from annotators.networks import devices, transformers_models
        from annotators.networks.densepose_rcnn import checkpoint

        device = transformers_models.torch_device(config.device)
        path = weights.locate("densepose_r50_fpn_s1x", config.weights_dir)
        self.network = checkpoint.network(path, config.score_threshold).to(device)
        self.accelerated = devices.accelerated(device)

    def prepare(self, photos: Sequence[np.ndarray]) -> Any:
        return self.network.prepare(photos)

    def compute(self, prepared: Any, choose: Choose) -> list[Person | None]:
        from annotators.networks import devices
        from annotators.networks.densepose_rcnn import decode

        detections = list(zip(self.network.detect(prepared, choose), prepared.sizes, strict=True))
        if not self.accelerated:
            return [Person(decode.labels(one, 0, *size)) if len(one) else None for one, size in detections]
        drawn = iter(devices.fetch([part for one, size in detections if len(one) for part in decode.drawn(one, *size)]))
        return [Person(next(drawn), next(drawn)) if len(one) else None for one, _ in detections]


class _Detectron2:
    """The reference implementation, for comparison: one photo at a time."""

    accelerated = False

    def __init__(self, config: Config) -> None:
        from annotators.networks import detectron2_densepose

        self.estimate = detectron2_densepose.load(config.weights_dir, config.score_threshold, config.device)

    def prepare(self, photos: Sequence[np.ndarray]) -> Any:
        return photos

    def compute(self, prepared: Any, choose: Choose) -> list[Person | None]:
        return [None if iuv is None else Person(iuv) for iuv in self.estimate(prepared, choose)]


_BACKENDS: dict[str, Callable[[Config], Estimator]] = {"torch": _Torch, "detectron2": _Detectron2}
