"""UVO and BURST in miniature: a drawn clip of two objects, whose masks stand as run lengths in JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from support.layouts_stills import packed, runs, write

from pipelines.sources import sample_clips

WIDTH, HEIGHT = 96, 72


@dataclass(frozen=True, eq=False)
class Drawn:
    """A frame: uint8 [h w 3], and ids uint8 [h w] of objects 1 and 2."""

    picture: np.ndarray
    ids: np.ndarray

    def mask(self, object_id: int) -> np.ndarray:
        """bool [h w]"""
        return np.asarray(self.ids == object_id)


@cache
def clip() -> dict[int, Drawn]:
    """Every second frame of the embedded sample's clip of two objects, by its number."""
    frames = enumerate(sample_clips.frames(sample_clips.CLIPS["two"]))
    return {
        number: Drawn(
            cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA),
            cv2.resize(ids, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST),
        )
        for number, (picture, ids) in frames
        if number % 2 == 0
    }


def run_lengths(mask: np.ndarray, text: bool = True) -> dict[str, Any]:
    counts = runs(mask)
    return {"size": list(mask.shape), "counts": packed(counts) if text else counts}


def uvo(root: Path, word: str = "train", video: str = "Pr6_ytid") -> dict[str, Any]:
    """The list as it is written; object 71's masks are packed, 72's are numbers, and it lacks the first."""
    names = [f"{video}/{number}.png" for number in clip()]
    for name, drawn in zip(names, clip().values(), strict=True):
        write(root / "uvo_frames_sparse" / name, drawn.picture)
    masks: dict[int, list[Any]] = {
        own: [run_lengths(drawn.mask(own), text=own == 1) for drawn in clip().values()] for own in (1, 2)
    }
    masks[2][0] = None
    document: dict[str, Any] = {
        "videos": [{"id": 7, "ytid": video, "file_names": names, "height": HEIGHT, "width": WIDTH}],
        "annotations": [{"id": 70 + own, "video_id": 7, "segmentations": masks[own]} for own in (1, 2)],
    }
    return put(root / "VideoSparseSet" / f"UVO_sparse_{word}_video_with_interpolation.json", document)


def burst(root: Path, split: str = "train", annotated: int = 2) -> dict[str, Any]:
    """The list as it is written: every `annotated`-th frame on the disk has masks; the last frame is on no disk."""
    names = [f"frame{number:04d}.jpg" for number in clip()]
    for name, drawn in zip(names, clip().values(), strict=True):
        write(root / "frames" / split / "LaSOT" / "kite-3" / name, drawn.picture)
    chosen = list(zip(names, clip().values(), strict=True))[::annotated]
    sequence: dict[str, Any] = {
        "id": 3,
        "dataset": "LaSOT",
        "seq_name": "kite-3",
        "height": HEIGHT,
        "width": WIDTH,
        "fps": 30,
        "all_image_paths": [*names, "frame0999.jpg"],
        "annotated_image_paths": [name for name, _ in chosen],
        "segmentations": [
            {str(own): {"rle": packed(runs(drawn.mask(own))), "is_gt": True} for own in (1, 2)} for _, drawn in chosen
        ],
        "track_category_ids": {"1": 5, "2": 9},
    }
    document = {"sequences": [sequence], "categories": [], "split": split}
    return put(root / "annotations" / split / "all_classes.json", document)


def put(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return dict(document)
