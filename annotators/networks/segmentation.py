"""Any transformers model for semantic segmentation: photos of any sizes in, class numbers at their size out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotators.common import weights
from annotators.networks import transformers_models


@dataclass(frozen=True)
class Segmenter:
    """`names`: class number → name, as the model's configuration has it.

    `network_input` stands in for the model's own processor: photo uint8 [h w 3] → float32 [3 h w].
    """

    loaded: transformers_models.Loaded
    names: dict[int, str]
    network_input: Callable[[np.ndarray], np.ndarray] | None = None

    def __call__(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """uint8 [h w] class numbers for each photo uint8 [h w 3] RGB, at its own size."""
        inputs = [self._pixels(photo) for photo in photos]
        label_maps: list[np.ndarray] = [np.empty(0, np.uint8)] * len(photos)
        for members in self._batches(inputs):
            logits = self._logits([inputs[number] for number in members])
            for number, planes in zip(members, logits, strict=True):
                label_maps[number] = best_class(planes, *photos[number].shape[:2])
        return label_maps

    def _batches(self, inputs: Sequence[Any]) -> list[list[int]]:
        """Numbers of the inputs that run together: those of one shape; on the CPU each alone.

        There a batch is no faster, and sums differ in the last bit with its size, which can move a border.
        """
        if self.loaded.device.type == "cpu":
            return [[number] for number in range(len(inputs))]
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, pixels in enumerate(inputs):
            groups.setdefault(tuple(pixels.shape), []).append(number)
        return list(groups.values())

    def _logits(self, inputs: Sequence[Any]) -> Any:
        """Tensor [b c h/4 w/4] for tensors [3 h w] of one shape."""
        import torch

        with self.loaded.inference():
            return self.loaded.model(**self.loaded.inputs({"pixel_values": torch.stack(list(inputs))})).logits

    def _pixels(self, photo: np.ndarray) -> Any:
        """Tensor [3 h w], resized and normalised as the model's configuration says."""
        if self.network_input is not None:
            import torch

            return torch.from_numpy(self.network_input(photo))
        return self.loaded.processor(images=photo, return_tensors="pt", input_data_format="channels_last")[
            "pixel_values"
        ][0]


def load(model_id: str, weights_dir: str = "", device: str = "cpu") -> Segmenter:
    """In half precision on CUDA. Raises weights.MissingWeights, and ValueError, in one line, for a device this machine
    lacks and for a folder that doesn't hold a whole, readable model of that kind.
    """
    import transformers

    where = transformers_models.torch_device(device)
    folder = weights.locate(model_id, weights_dir)
    local = {"local_files_only": True, "trust_remote_code": False}
    with transformers_models.quiet(), transformers_models.readable(model_id, folder):
        config = transformers.AutoConfig.from_pretrained(folder, **local)
        dtype = transformers_models.torch_dtype("auto", where, config)
        # Pillow's resampling, also where torchvision is installed: the same pixels on every machine.
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", **local)
        model, loading_info = transformers.AutoModelForSemanticSegmentation.from_pretrained(
            folder, config=config, dtype=dtype, weights_only=True, output_loading_info=True, **local
        )
        transformers_models.check_complete(loading_info)
        model = model.to(where).eval()
    loaded = transformers_models.Loaded(model_id, model, processor, where, dtype)
    return Segmenter(loaded, {int(number): str(name) for number, name in config.id2label.items()})


def best_class(logits: Any, height: int, width: int) -> np.ndarray:
    """uint8 [height width] from a tensor [c h w], enlarged bilinearly (half-pixel centres), then the largest.

    Plane by plane, since all classes of a large photo at once would fill the memory.
    """
    import torch
    from torch.nn.functional import interpolate

    best = torch.full((height, width), -torch.inf, device=logits.device)
    label_map = torch.zeros((height, width), dtype=torch.uint8, device=logits.device)
    for number, plane in enumerate(logits.float()):
        enlarged = interpolate(plane[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
        label_map.masked_fill_(enlarged > best, number)
        best = torch.maximum(best, enlarged)
    return label_map.cpu().numpy()
