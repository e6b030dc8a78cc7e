"""The person against the background: MediaPipe's selfie segmenter, the parse, or a transformers segmentation model."""

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotators.common import weights
from annotators.functional.keypoints import person_box
from annotators.functional.parsing import keep_person
from annotators.networks import mediapipe_tasks, transformers_models
from schemas import fields
from schemas.cli.options import option, runtime

READS = ("person_image",)
MAY_READ = ("person_image", "person_box", "keypoints")
FIELDS = (fields.mask("person_mask"),)

Segment = Callable[[Sequence[np.ndarray]], list[np.ndarray]]  # photos uint8 [h w 3] RGB → bool [h w]


@dataclass(frozen=True)
class Config:
    """Raises ValueError for a batch size below 1 or a threshold outside 0 to 1."""

    backend: str = option(
        "mediapipe", "mediapipe (selfie segmenter), parse, or transformers", ("mediapipe", "parse", "transformers")
    )
    model_id: str = option("mattmdjaga/segformer_b2_clothes", "for transformers: hub id or folder")
    threshold: float = option(0.5, "for mediapipe: confidence from which a pixel belongs to the person")
    device: str = runtime("cpu", "for transformers: cpu, cuda, cuda:N or mps")
    batch_size: int = runtime(8, "photos at once")
    weights_dir: str = runtime("", "folder that holds the weights")

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size}; allowed is 1 or more")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold}; allowed is between 0 and 1")

    def reads(self) -> tuple[str, ...]:
        return ("parse",) if self.backend == "parse" else READS

    def weights(self) -> tuple[str, ...]:
        return {"mediapipe": ("selfie_segmenter",), "transformers": (self.model_id,)}.get(self.backend, ())

    def build(self) -> "PersonMasker":
        """Raises weights.MissingWeights, and ValueError for a device, or weights, that can't be used."""
        return PersonMasker(self)


class PersonMasker:
    def __init__(self, config: Config) -> None:
        self.segment = {"mediapipe": _mediapipe, "parse": _parsed, "transformers": _transformers}[config.backend](
            config
        )
        self.source = config.reads()[0]

    def __call__(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """{"person_mask": uint8 [h w] 0/255, 255 = person} per record, at the photo's size.

        Where a record tells its person (person_box or keypoints), the others
        in the photo don't count. Raises ValueError where nobody is found.
        """
        masks = self.segment([record[self.source] for record in records])
        return [_column(mask, person_box(record)) for mask, record in zip(masks, records, strict=True)]


def _column(is_person: np.ndarray, box: np.ndarray | None) -> dict[str, np.ndarray]:
    mask = np.where(is_person, np.uint8(255), np.uint8(0))
    if box is not None:
        mask = keep_person(mask, box)
    if not mask.any():
        raise ValueError("nobody found: the segmenter sees background only")
    return {"person_mask": mask}


def _parsed(config: Config) -> Segment:
    return lambda parses: [parse != 0 for parse in parses]


def _transformers(config: Config) -> Segment:
    """The class "person" where the model has one, else everything but its background."""
    from annotators.networks import segmentation

    model = segmentation.load(config.model_id, config.weights_dir, config.device)
    numbers = {name.lower(): number for number, name in model.names.items()}
    if "person" in numbers:
        return lambda photos: [label_map == numbers["person"] for label_map in model(photos)]
    if "background" in numbers:
        return lambda photos: [label_map != numbers["background"] for label_map in model(photos)]
    raise ValueError(f"{config.model_id} has neither a class person nor a class background")


def _mediapipe(config: Config) -> Segment:
    segmenter = SelfieSegmenter(weights.locate("selfie_segmenter", config.weights_dir))
    return lambda photos: [segmenter(photo) >= config.threshold for photo in photos]


class SelfieSegmenter:
    """MediaPipe's segmenter, on the CPU, one photo at a time; threads may share it.

    Raises ValueError for a file that isn't such a model.
    """

    def __init__(self, path: Path) -> None:
        import mediapipe
        from mediapipe.tasks import python as tasks

        settings = tasks.vision.ImageSegmenterOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=path.read_bytes()),
            output_confidence_masks=True,
            output_category_mask=False,
        )
        with transformers_models.readable("selfie_segmenter", path):
            self._task = tasks.vision.ImageSegmenter.create_from_options(settings)
        self._image = lambda photo: mediapipe.Image(mediapipe.ImageFormat.SRGB, photo)
        self._lock = threading.Lock()
        weakref.finalize(self, mediapipe_tasks.close, self._task)

    def __call__(self, photo: np.ndarray) -> np.ndarray:
        """float32 [h w] 0-1: the person's confidence, made at 256×256 and enlarged to the photo, uint8 [h w 3] RGB."""
        with self._lock:
            masks = self._task.segment(self._image(np.ascontiguousarray(photo))).confidence_masks
            return masks[-1].numpy_view().reshape(photo.shape[:2]).copy()  # the view dies with the result
