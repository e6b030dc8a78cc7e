"""The whole network: photos in, people with their DensePose maps out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from annotators.networks import devices, resampling
from annotators.networks.densepose_rcnn import preprocess, together
from annotators.networks.densepose_rcnn.boxes import clip, nonempty
from annotators.networks.densepose_rcnn.heads import MAPS, WINDOW, RoiHeads
from annotators.networks.densepose_rcnn.proposals import ProposalGenerator
from annotators.networks.densepose_rcnn.resnet_fpn import FeaturePyramid

# (number of the image, boxes [n 4] xyxy, scores [n]) -> index of the person that counts, or None
Choice = Callable[[int, np.ndarray, np.ndarray], int | None]
CHOICE_OF = 16  # people at most that are chosen from
ACCELERATOR_PIXELS = 8_000_000  # resized, through the backbone at once; on a CPU one photo fills all cores


@dataclass(frozen=True)
class Prepared:
    """Photos on the host: their sizes (height, width), and what is sent to the device, uint8 [b h w 3], with their
    numbers. For an accelerator those of one size together, for a CPU each alone and resized.
    """

    sizes: list[tuple[int, int]]
    sent: list[tuple[list[int], Tensor]]


@dataclass(frozen=True)
class Detections:
    """The people found in one photo, best first."""

    boxes: Tensor  # float32 [n 4] xyxy, pixels of the photo
    scores: Tensor  # float32 [n], 0-1
    coarse: Tensor  # float32 [n 2 112 112], logits of background and body inside the box
    fine: Tensor  # float32 [n 25 112 112], logits of background and the 24 parts
    u: Tensor  # float32 [n 25 112 112], surface coordinate per part, about 0-1
    v: Tensor  # float32 [n 25 112 112]

    def __len__(self) -> int:
        return len(self.scores)


class DensePoseRcnn(nn.Module):
    """DensePose R_50_FPN_s1x (detectron2's densepose_rcnn_R_50_FPN_s1x.yaml), inference only.

    Random weights until `load_state_dict(checkpoint.load(path))`; `checkpoint.network` does both at once.
    score_threshold: least probability of a person, 0-1. detections: at most so many people per photo.
    min_size, max_size: the photo is resized to this shortest, at most this longest edge, pixels.
    """

    def __init__(self, score_threshold: float = 0.8, detections: int = 1, *, min_size: int = 800, max_size: int = 1333):
        super().__init__()
        self.score_threshold = score_threshold
        self.detections = detections
        self.min_size = min_size
        self.max_size = max_size
        self.backbone = FeaturePyramid()
        self.proposal_generator = ProposalGenerator()
        self.roi_heads = RoiHeads()
        self.eval()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def forward(self, images: Sequence[np.ndarray], choose: Choice | None = None) -> list[Detections]:
        """Photos uint8 [h w 3] RGB, of any sizes -> one Detections each, on the network's device.

        `choose` picks one of the people by their boxes before their DensePose is computed, the dear part; without it
        the best `detections` are kept. An image's result doesn't depend on the others of the call. Raises ValueError
        for other arrays.
        """
        return self.detect(self.prepare(images), choose)

    def prepare(self, images: Sequence[np.ndarray]) -> Prepared:
        """Raises ValueError for arrays that aren't photos."""
        for i, image in enumerate(images):
            check_image(image, i)
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        accelerated = devices.accelerated(self.device)
        for i, image in enumerate(images):
            groups[image.shape if accelerated else (i,)].append(i)
        arrays = images if accelerated else [preprocess.resize(image, self.min_size, self.max_size) for image in images]
        sent = [(numbers, devices.stack([arrays[i] for i in numbers], self.device)) for numbers in groups.values()]
        return Prepared([image.shape[:2] for image in images], sent)

    @torch.inference_mode()
    def detect(self, prepared: Prepared, choose: Choice | None = None) -> list[Detections]:
        """See `forward`."""
        resized = self._resized(prepared)
        found: dict[int, Detections] = {}
        for numbers in self.groups(resized):
            pyramid = self.backbone(preprocess.stack([resized[i] for i in numbers]))
            sizes = [(int(resized[i].shape[0]), int(resized[i].shape[1])) for i in numbers]
            found |= self._people(pyramid, numbers, sizes, prepared.sizes, choose)
        return [found[i] for i in range(len(resized))]

    def _resized(self, prepared: Prepared) -> list[Tensor]:
        """uint8 [h w 3] of every photo at the network's size, on the device."""
        photos: dict[int, Tensor] = {}
        for numbers, batch in prepared.sent:
            pixels = devices.send(batch, self.device)
            if devices.accelerated(self.device):
                size = preprocess.resized_size(*prepared.sizes[numbers[0]], self.min_size, self.max_size)
                pixels = resampling.resize(pixels, *size, Image.Resampling.BILINEAR)
            photos |= dict(zip(numbers, pixels, strict=True))
        return [photos[i] for i in range(len(photos))]

    def _people(
        self,
        pyramid: dict[str, Tensor],
        numbers: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        output_sizes: Sequence[tuple[int, int]],
        choose: Choice | None,
    ) -> dict[int, Detections]:
        """Number of a photo → its people; `sizes` are those of the photos in the pyramid, resized."""
        if choose is not None and devices.accelerated(self.device):
            return self._chosen(pyramid, numbers, sizes, output_sizes, choose)
        proposals = self.proposal_generator(pyramid, sizes)
        found = {}
        for row, i in enumerate(numbers):
            own = {level: feature[row : row + 1] for level, feature in pyramid.items()}
            found[i] = self.people(own, proposals[row][0], sizes[row], output_sizes[i], i, choose)
        return found

    def _chosen(
        self,
        pyramid: dict[str, Tensor],
        numbers: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        output_sizes: Sequence[tuple[int, int]],
        choose: Choice,
    ) -> dict[int, Detections]:
        """The person that counts in each photo, all photos at once; boxes and scores come back on the host."""
        limits = together.frames(sizes, self.device)
        candidates = together.proposals(self.proposal_generator, pyramid, limits)
        people = together.detect(self.roi_heads, pyramid, candidates, limits, self.score_threshold, CHOICE_OF)
        boxes, scores, there = (part.cpu() for part in people)
        chosen: list[tuple[int, int, Tensor]] = []
        for row, i in enumerate(numbers):
            output_boxes, valid = rescaled(boxes[row], sizes[row], output_sizes[i])
            valid &= there[row]
            if bool(valid.any()):
                best = choose(i, output_boxes[valid].numpy(), scores[row, valid].numpy())
                if best is not None:
                    place = int(valid.nonzero()[best])
                    chosen.append((row, place, output_boxes[place : place + 1]))
        found = {i: _nobody(self.device) for i in numbers}
        if chosen:
            own = torch.stack([boxes[row, place] for row, place, _ in chosen])
            maps = together.densepose(self.roi_heads, pyramid, [row for row, _, _ in chosen], own)
            for n, (row, place, box) in enumerate(chosen):
                of_person = (part[n : n + 1] for part in maps)
                found[numbers[row]] = Detections(box, scores[row, place : place + 1], *of_person)
        return found

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def groups(self, resized: Sequence[Tensor]) -> Iterator[list[int]]:
        """Numbers of the images that go through the backbone together: of one padded size, so that each keeps
        the padding that it would have alone."""
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, image in enumerate(resized):
            by_size[preprocess.padded_size(*image.shape[:2])].append(i)
        for (height, width), numbers in by_size.items():
            accelerated = devices.accelerated(self.device)
            limit = max(ACCELERATOR_PIXELS // (height * width), 1) if accelerated else 1
            for start in range(0, len(numbers), limit):
                yield numbers[start : start + limit]

    def people(
        self,
        pyramid: Mapping[str, Tensor],
        proposals: Tensor,
        size: tuple[int, int],
        output_size: tuple[int, int],
        number: int = 0,
        choose: Choice | None = None,
    ) -> Detections:
        """One image's pyramid [1 256 h w] per level and proposals [m 4]; sizes (height, width) resized, original."""
        limit = self.detections if choose is None else CHOICE_OF
        boxes, scores = self.roi_heads.detect(pyramid, proposals, size, self.score_threshold, limit)
        output_boxes, valid = rescaled(boxes, size, output_size)
        if choose is not None and bool(valid.any()):
            best = choose(number, output_boxes[valid].cpu().numpy(), scores[valid].cpu().numpy())
            valid = valid.nonzero().flatten()[[] if best is None else [best]]
        maps = self.roi_heads.densepose(pyramid, boxes[valid])
        return Detections(output_boxes[valid], scores[valid], *maps)


def rescaled(boxes: Tensor, size: tuple[int, int], output_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Boxes [n 4] in a photo of another size, cut at its frame, and bool [n]: which of them are something there."""
    (height, width), (output_height, output_width) = size, output_size
    scale_x, scale_y = output_width / width, output_height / height
    output_boxes = clip(boxes * boxes.new_tensor([scale_x, scale_y, scale_x, scale_y]), *output_size)
    return output_boxes, nonempty(output_boxes)


def _nobody(device: torch.device) -> Detections:
    maps = (torch.empty(0, channels, WINDOW, WINDOW, device=device) for channels in MAPS.values())
    return Detections(torch.empty(0, 4), torch.empty(0), *maps)


def check_image(image: np.ndarray, number: int) -> None:
    """Raises ValueError unless the array is uint8 [h w 3] with at least one pixel."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image {number} is {what}; expected a NumPy array uint8 [h w 3]")
    if not image.size:
        raise ValueError(f"image {number} has no pixels: {list(image.shape)}")
