"""Body part and surface coordinates per pixel: DensePose R_50_FPN_s1x (Güler 2018), by our torch port or detectron2.

`densepose` holds I (0–24), U and V (0–255); `densepose_image` is the `dp_segm` picture of I that try-on models are
trained on. Weights: detectron2's `model_final_162be9.pkl`, or the same as safetensors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotators.functional import densepose, keypoints
from schemas import fields
from schemas.cli.options import option, runtime

READS = ("person_image",)
MAY_READ = ("person_box", "keypoints")
FIELDS = (fields.image("densepose"), fields.image("densepose_image"))

# Photos, and per photo which of its boxes [n 4] (xyxy, with scores [n]) counts → IUV uint8 [h w 3], None for nobody.
Choose = Callable[[int, np.ndarray, np.ndarray], int | None]
Estimate = Callable[[Sequence[np.ndarray], Choose], list[np.ndarray | None]]


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


class DensePoseEstimator:
    def __init__(self, config: Config, estimate: Estimate) -> None:
        self.config, self.estimate = config, estimate

    def __call__(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """{"densepose": uint8 [h w 3] I, U, V, "densepose_image": uint8 [h w 3] RGB} per record, at the photo's size.

        The record's person_box or keypoints say whose; else `person` does. A photo without anybody comes back as a
        ValueError in its place, or as nulls when `nobody` is "null".
        """
        boxes = [keypoints.person_box(record) for record in records]
        photos = [np.ascontiguousarray(record["person_image"]) for record in records]

        def choose(number: int, candidates: np.ndarray, scores: np.ndarray) -> int | None:
            box = boxes[number]
            if box is not None:
                return keypoints.nearest_box(candidates, box)
            return keypoints.choose_box(candidates, scores, self.config.person, *photos[number].shape[:2])

        return [self._columns(maps) for maps in self.estimate(photos, choose)]

    def _columns(self, maps: np.ndarray | None) -> Any:
        if maps is None or not maps[..., 0].any():
            if self.config.nobody == "null":
                return {"densepose": None, "densepose_image": None}
            return ValueError("no person found")
        return {"densepose": maps, "densepose_image": densepose.render(maps[..., 0])}


def _torch(config: Config) -> Estimate:
    from annotators.common import weights
    from annotators.networks import transformers_models
    from annotators.networks.densepose_rcnn import checkpoint, decode

    device = transformers_models.torch_device(config.device)
    path = weights.locate("densepose_r50_fpn_s1x", config.weights_dir)
    model = checkpoint.network(path, config.score_threshold).to(device)

    def estimate(photos: Sequence[np.ndarray], choose: Choose) -> list[np.ndarray | None]:
        detections = model(photos, choose)
        pairs = zip(detections, photos, strict=True)
        return [decode.labels(one, 0, *photo.shape[:2]) if len(one) else None for one, photo in pairs]

    return estimate


def _detectron2(config: Config) -> Estimate:
    """The reference implementation, for comparison: one photo at a time."""
    from annotators.networks import detectron2_densepose

    return detectron2_densepose.load(config.weights_dir, config.score_threshold, config.device)


_BACKENDS: dict[str, Callable[[Config], Estimate]] = {"torch": _torch, "detectron2": _detectron2}
