"""The whole network: photos in, people with their DensePose maps out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from annotators.networks.densepose_rcnn import preprocess
from annotators.networks.densepose_rcnn.boxes import clip, nonempty
from annotators.networks.densepose_rcnn.heads import RoiHeads
from annotators.networks.densepose_rcnn.proposals import ProposalGenerator
from annotators.networks.densepose_rcnn.resnet_fpn import FeaturePyramid

# (number of the image, boxes [n 4] xyxy, scores [n]) -> index of the person that counts, or None
Choice = Callable[[int, np.ndarray, np.ndarray], int | None]
CHOICE_OF = 16  # people at most that are chosen from
ACCELERATOR_BATCH = 4  # images through the backbone at once; on a CPU one fills all cores


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
        for i, image in enumerate(images):
            check_image(image, i)
        resized = [preprocess.resize(image, self.min_size, self.max_size) for image in images]
        found: dict[int, Detections] = {}
        for numbers in self.groups(resized):
            pyramid = self.backbone(preprocess.stack([resized[i] for i in numbers]).to(self.device))
            proposals = self.proposal_generator(pyramid, [resized[i].shape[:2] for i in numbers])
            for row, i in enumerate(numbers):
                own = {level: feature[row : row + 1] for level, feature in pyramid.items()}
                found[i] = self.people(own, proposals[row][0], resized[i].shape[:2], images[i].shape[:2], i, choose)
        return [found[i] for i in range(len(images))]

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def groups(self, resized: Sequence[np.ndarray]) -> Iterator[list[int]]:
        """Numbers of the images that go through the backbone together: of one padded size, so that each keeps
        the padding that it would have alone."""
        limit = 1 if self.device.type == "cpu" else ACCELERATOR_BATCH
        by_size = defaultdict(list)
        for i, image in enumerate(resized):
            by_size[preprocess.padded_size(*image.shape[:2])].append(i)
        for numbers in by_size.values():
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
        (height, width), (output_height, output_width) = size, output_size
        scale_x, scale_y = output_width / width, output_height / height
        output_boxes = clip(boxes * boxes.new_tensor([scale_x, scale_y, scale_x, scale_y]), *output_size)
        valid = nonempty(output_boxes)
        if choose is not None and bool(valid.any()):
            best = choose(number, output_boxes[valid].cpu().numpy(), scores[valid].cpu().numpy())
            valid = valid.nonzero().flatten()[[] if best is None else [best]]
        maps = self.roi_heads.densepose(pyramid, boxes[valid])
        return Detections(output_boxes[valid], scores[valid], *maps)


def check_image(image: np.ndarray, number: int) -> None:
    """Raises ValueError unless the array is uint8 [h w 3] with at least one pixel."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image {number} is {what}; expected a NumPy array uint8 [h w 3]")
    if not image.size:
        raise ValueError(f"image {number} has no pixels: {list(image.shape)}")
