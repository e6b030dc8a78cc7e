"""Outlines of objects in one picture by SAM (arXiv:2304.02643) or SAM 2 (arXiv:2408.00714) through transformers.

All objects are asked for by a grid of points, as SAM's automatic mask generation does, and single ones by a box or
points. Pictures are prepared here, since transformers' own processors of SAM 2 need torchvision and the models don't.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from annotators.functional import boxes, masks
from annotators.tracking.sam2 import DEVIATION, MEAN

STRETCHED = {"sam": False, "sam2": True, "sam2_video": True}  # model type → whether pictures fill its square
GRID = 16  # points to a side
POINTS = 64  # that the model sees at once
LEAST_QUALITY, LEAST_STABILITY = 0.88, 0.95  # as in transformers' mask-generation pipeline
OFFSET = 1.0  # by which the logits' threshold moves to tell how stable a mask is
ALIKE = 0.7  # overlap of two masks above which one goes
COARSE = 64  # a side of the masks whose overlap is compared


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture as the model sees it: its features, and pixels of the model's square to a pixel of the picture."""

    embeddings: Any
    height: int
    width: int
    scale: tuple[float, float]  # of x and y


class Segmenter:
    """`folder` holds a model as `save_pretrained` writes it. Raises ValueError for one that is neither of the two."""

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        from transformers import AutoConfig, AutoModelForMaskGeneration

        try:
            kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
            if kind not in STRETCHED:
                raise ValueError(f"its type is {kind}; allowed are {', '.join(STRETCHED)}")
            automatic: Any = AutoModelForMaskGeneration
            model = automatic.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} holds no model of SAM or SAM 2: {error}") from None
        self.model: Any = model.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)
        self.stretched = STRETCHED[kind]
        self.side: int = self.model.config.prompt_encoder_config.image_size

    @torch.inference_mode()
    def everything(self, picture: np.ndarray) -> list[np.ndarray]:
        """Masks uint8 [h w] 0/255 of what is in uint8 [h w 3] RGB, the surest first."""
        seen = self._see(picture)
        logits, scores = [], []
        for points in _grid(seen.height, seen.width).split(POINTS):
            output = self._ask(seen, points[:, None], torch.ones(len(points), 1))
            masks_of_points, quality = output.pred_masks[0].flatten(0, 1), output.iou_scores[0].flatten()
            sure = (quality > LEAST_QUALITY) & (self._stability(masks_of_points, seen) > LEAST_STABILITY)
            logits.append(masks_of_points[sure].cpu())
            scores.append(quality[sure].cpu())
        kept = torch.cat(logits)
        order = _unlike(self._covered(kept, seen), torch.cat(scores))
        return [self._mask(kept[number], seen) for number in order]

    @torch.inference_mode()
    def at(self, picture: np.ndarray, box: boxes.Box | None, points: Sequence[tuple[float, float, bool]]) -> np.ndarray:
        """Mask uint8 [h w] 0/255 of the object that a box (x0, y0, x1, y1) frames, or points (x, y, on it) tell."""
        seen = self._see(picture)
        places = torch.tensor([[point[:2] for point in points]], dtype=torch.float32) if points else None
        labels = torch.tensor([[float(on) for _, _, on in points]]) if points else None
        output = self._ask(seen, places, labels, box, several=box is None and len(points) == 1)
        return self._mask(output.pred_masks[0, 0, int(output.iou_scores[0, 0].argmax())].cpu(), seen)

    def _see(self, picture: np.ndarray) -> _Seen:
        height, width = picture.shape[:2]
        longer = max(height, width)
        scale = (self.side / width, self.side / height) if self.stretched else (self.side / longer,) * 2
        size = round(height * scale[1]), round(width * scale[0])
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
        resized = functional.interpolate(pixels, size, mode="bilinear", antialias=True) / 255
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        padding = (0, self.side - size[1], 0, self.side - size[0])
        square = functional.pad((resized - mean) / deviation, padding)
        return _Seen(self.model.get_image_embeddings(square.to(self.device)), height, width, scale)

    def _ask(
        self,
        seen: _Seen,
        points: torch.Tensor | None,
        labels: torch.Tensor | None,
        box: boxes.Box | None = None,
        several: bool = True,
    ) -> Any:
        """points: [objects points 2] x and y in the picture; labels: [objects points]; `box` is of the only object."""
        asked: dict[str, Any] = {}
        scale = torch.tensor(seen.scale)
        if points is not None and labels is not None:
            asked["input_points"] = (points * scale)[None].to(self.device)
            asked["input_labels"] = labels.to(torch.int64)[None].to(self.device)
        if box is not None:
            corners = torch.tensor(box, dtype=torch.float32).view(2, 2) * scale
            asked["input_boxes"] = corners.view(1, 1, 4).to(self.device)
        return self.model(image_embeddings=seen.embeddings, multimask_output=several, **asked)

    def _covered(self, logits: torch.Tensor, seen: _Seen) -> torch.Tensor:
        """The part of masks [… s s] that the picture covers, without padding."""
        high, wide = (
            max(1, round(length * factor / self.side * logits.shape[-1]))
            for length, factor in ((seen.height, seen.scale[1]), (seen.width, seen.scale[0]))
        )
        return logits[..., :high, :wide]

    def _stability(self, logits: torch.Tensor, seen: _Seen) -> torch.Tensor:
        """[n] overlap of each mask cut at a higher with that cut at a lower threshold."""
        covered = self._covered(logits, seen)
        inner, outer = ((covered > limit).flatten(1).sum(1) for limit in (OFFSET, -OFFSET))
        return inner / outer.clamp(min=1)

    def _mask(self, logits: torch.Tensor, seen: _Seen) -> np.ndarray:
        covered = self._covered(logits.float(), seen)[None, None]
        full = functional.interpolate(covered, (seen.height, seen.width), mode="bilinear")
        return masks.as_mask((full[0, 0] > 0).numpy())


def _grid(height: int, width: int) -> torch.Tensor:
    """[points 2] x and y."""
    places = (torch.arange(GRID) + 0.5) / GRID
    y, x = torch.meshgrid(places * height, places * width, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def _unlike(logits: torch.Tensor, scores: torch.Tensor) -> Iterator[int]:
    """Numbers of masks [n s s], the highest score first, of those alike only the first."""
    if not len(logits):
        return
    coarse = functional.interpolate((logits > 0).float()[:, None], (COARSE, COARSE), mode="area")[:, 0].flatten(1)
    kept: list[int] = []
    for number in torch.argsort(scores, descending=True, stable=True).tolist():
        own = coarse[number]
        if all(
            torch.minimum(own, coarse[other]).sum() <= ALIKE * torch.maximum(own, coarse[other]).sum() for other in kept
        ):
            kept.append(number)
            yield number
