"""Tracking by SAM 2 (Ravi et al., arXiv:2408.00714) through transformers' `Sam2VideoModel`.

The model is fed frame by frame and forgets what its memory no longer reads, so that a long clip takes no more room than
a short one. Pictures are prepared here: transformers' own processors need torchvision, the model doesn't.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from annotators.functional import boxes, masks
from annotators.tracking import Step

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BOX_CORNERS = (2, 3)  # labels of points: the first corner and the last
GIVEN_UP = 8  # pictures without any object, after which the clip is left


class Sam2Tracker:
    """`folder` holds a model as `save_pretrained` writes it. Raises ValueError for one that isn't SAM 2's."""

    NAME = "sam2"

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        from transformers import Sam2VideoModel

        try:
            model: Any = Sam2VideoModel
            self.model = model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} holds no SAM 2 video model: {error}") from None
        self.model.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)
        self.side: int = self.model.image_size
        config = self.model.config
        self.remembered = max(config.num_maskmem, config.max_object_pointers_in_encoder)

    @torch.inference_mode()
    def follow(self, pictures: Iterable[np.ndarray], seeds: Sequence[np.ndarray]) -> Iterator[list[Step | None]]:
        frames = iter(pictures)
        first = next(frames)
        height, width = first.shape[:2]
        session = self._session(height, width, seeds)
        self._see(session, first, 0)
        empty = 0
        for number, frame in enumerate(frames, start=1):
            output = self._see(session, frame, number)
            steps = self._steps(output, height, width)
            empty = 0 if any(steps) else empty + 1
            if empty > GIVEN_UP:
                return
            yield steps

    @torch.inference_mode()
    def in_box(self, picture: np.ndarray, box: boxes.Box) -> np.ndarray:
        """Mask uint8 [h w] 0/255 of the object that a box (x0, y0, x1, y1) of uint8 [h w 3] RGB frames."""
        height, width = picture.shape[:2]
        session = self._empty_session(height, width)
        corners = torch.tensor(box).view(1, 1, 2, 2) * self.side / torch.tensor([width, height])
        prompt = {"point_coords": corners, "point_labels": torch.tensor([[BOX_CORNERS]])}
        session.add_point_inputs(session.obj_id_to_idx(0), 0, prompt)
        session.obj_with_new_inputs = [0]
        output = self._see(session, picture, 0)
        logits = functional.interpolate(output.pred_masks.float(), (height, width), mode="bilinear")
        return masks.as_mask((logits[0, 0] > 0).cpu().numpy())

    def _empty_session(self, height: int, width: int) -> Any:
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        return Sam2VideoInferenceSession(
            video_height=height, video_width=width, inference_device=self.device, dtype=torch.float32
        )

    def _session(self, height: int, width: int, seeds: Sequence[np.ndarray]) -> Any:
        session = self._empty_session(height, width)
        for number, seed in enumerate(seeds):
            mask = torch.from_numpy(np.ascontiguousarray(seed != 0))[None, None].float()
            resized = functional.interpolate(mask, (self.side, self.side), mode="bilinear", antialias=True)
            session.add_mask_inputs(session.obj_id_to_idx(number), 0, (resized >= 0.5).float())
        session.obj_with_new_inputs = list(range(len(seeds)))
        return session

    def _see(self, session: Any, picture: np.ndarray, number: int) -> Any:
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
        small = functional.interpolate(pixels, (self.side, self.side), mode="bilinear", antialias=True)
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        output = self.model(session, frame=(small / 255 - mean) / deviation, frame_idx=number)
        self._forget(session, number)
        return output

    def _forget(self, session: Any, number: int) -> None:
        """Drops what no later frame reads: the picture, masks at its size, and memories of long ago."""
        session.processed_frames[number] = torch.empty(0)
        for outputs in session.output_dict_per_obj.values():
            for kept in outputs.values():
                for entry in kept.values():
                    entry.pop("high_res_masks", None)
            outputs["non_cond_frame_outputs"].pop(number - self.remembered, None)

    def _steps(self, output: Any, height: int, width: int) -> list[Step | None]:
        logits = functional.interpolate(output.pred_masks.float(), (height, width), mode="bilinear")
        seen = (logits[:, 0] > 0).cpu().numpy()
        scores = output.object_score_logits.flatten().float().sigmoid().tolist()
        return [
            Step(masks.as_mask(mask), score) if score > 0.5 and mask.any() else None
            for mask, score in zip(seen, scores, strict=True)
        ]
