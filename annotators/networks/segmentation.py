"""Any transformers model for semantic segmentation: photos of any sizes in, class numbers at their size out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.common import weights
from annotators.networks import transformers_models

if TYPE_CHECKING:
    from annotators.networks.photo_steps import PhotoSteps


@dataclass(frozen=True)
class Batch:
    """Photos of one size: their numbers, that size, and the tensor [b …] that is sent to the device for them."""

    numbers: list[int]
    size: tuple[int, int]
    sent: Any


@dataclass(frozen=True)
class Segmenter:
    """`names`: class number → name, as the model's configuration has it."""

    loaded: transformers_models.Loaded
    names: dict[int, str]
    steps: "PhotoSteps"

    def __call__(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """uint8 [h w] class numbers for each photo uint8 [h w 3] RGB, at its own size."""
        return self.compute(self.prepare(photos))

    @property
    def accelerated(self) -> bool:
        from annotators.networks import devices

        return devices.accelerated(self.loaded.device)

    def prepare(self, photos: Sequence[np.ndarray]) -> list[Batch]:
        """On an accelerator the photos of one size together; on the CPU each alone.

        There a batch is no faster, and sums differ in the last bit with its size, which can move a border.
        """
        from annotators.networks import devices

        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, photo in enumerate(photos):
            groups[photo.shape if self.accelerated else (number,)].append(number)
        return [
            Batch(
                numbers,
                photos[numbers[0]].shape[:2],
                devices.stack([self.steps.on_host(photos[number]) for number in numbers], self.loaded.device),
            )
            for numbers in groups.values()
        ]

    def compute(self, batches: Sequence[Batch]) -> list[np.ndarray]:
        from annotators.networks import devices

        label_maps = [label_map for maps in self._label_maps(batches) for label_map in maps]
        order = [number for batch in batches for number in batch.numbers]
        fetched = devices.fetch(label_maps)
        return [fetched[place] for place in np.argsort(order)]

    def _label_maps(self, batches: Sequence[Batch]) -> list[Any]:
        """A tensor uint8 [b h w] for every batch. Batches that the network reads at one size share a pass."""
        from annotators.networks import devices

        with self.loaded.inference():
            passes: dict[tuple[int, ...], list[int]] = defaultdict(list)
            inputs = [self.steps.on_device(devices.send(batch.sent, self.loaded.device)) for batch in batches]
            for place, pixels in enumerate(inputs):
                passes[tuple(pixels.shape[1:]) if self.accelerated else (place,)].append(place)
            label_maps: list[Any] = [None] * len(batches)
            for places in passes.values():
                logits = self._logits([inputs[place] for place in places])
                for place, planes in zip(places, logits, strict=True):
                    label_maps[place] = best_class(planes, *batches[place].size)
        return label_maps

    def _logits(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Tensors [b c h/4 w/4] for tensors [b 3 h w], all of one size."""
        import torch

        together = self.loaded.inputs({"pixel_values": torch.cat(list(inputs)) if len(inputs) > 1 else inputs[0]})
        logits: Sequence[Any] = self.loaded.model(**together).logits.split([len(pixels) for pixels in inputs])
        return logits


def load(model_id: str, weights_dir: str = "", device: str = "cpu") -> Segmenter:
    """In half precision on CUDA. Raises weights.MissingWeights, and ValueError, in one line, for a device this machine
    lacks and for a folder that doesn't hold a whole, readable model of that kind.
    """
    import transformers

    from annotators.networks import devices, photo_steps

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
        steps = photo_steps.of_processor(processor, devices.accelerated(where))
    loaded = transformers_models.Loaded(model_id, model, processor, where, dtype)
    return Segmenter(loaded, {int(number): str(name) for number, name in config.id2label.items()}, steps)


def best_class(logits: Any, height: int, width: int) -> Any:
    """Tensor uint8 [b height width] from [b c h w], enlarged bilinearly (half-pixel centres), then the largest.

    Plane by plane, since all classes of a large photo at once would fill the memory.
    """
    import torch
    from torch.nn.functional import interpolate

    best = torch.full((len(logits), height, width), -torch.inf, device=logits.device)
    label_map = torch.zeros((len(logits), height, width), dtype=torch.uint8, device=logits.device)
    for number in range(logits.shape[1]):
        plane = logits[:, number : number + 1].float()
        enlarged = interpolate(plane, (height, width), mode="bilinear", align_corners=False)[:, 0]
        label_map.masked_fill_(enlarged > best, number)
        best = torch.maximum(best, enlarged)
    return label_map
