"""DensePose by detectron2 itself, an optional extra: the reference that our own port is compared with."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from annotators.common import weights
from annotators.functional.densepose import paste

INSTALL = (
    "detectron2 with its DensePose project is not installed; with torch and torchvision in place run"
    " `pip install --no-build-isolation --no-deps git+https://github.com/facebookresearch/detectron2` and the same with"
    " `#subdirectory=projects/DensePose`, or use backend torch, which needs neither"
)
CHOICE_OF = 16  # people at most that are chosen from, as in our own network
CONFIG = "densepose_rcnn_R_50_FPN_s1x.yaml"

Choose = Callable[[int, np.ndarray, np.ndarray], int | None]


def load(
    weights_dir: str, score_threshold: float, device: str
) -> Callable[[Sequence[np.ndarray], Choose], list[np.ndarray | None]]:
    """Photos → IUV uint8 [h w 3] of the chosen person, None for nobody. Raises ValueError saying what to install."""
    try:
        import densepose
        from densepose import add_densepose_config
        from densepose.vis.extractor import DensePoseResultExtractor
        from detectron2.config import get_cfg
        from detectron2.engine import DefaultPredictor
    except ImportError:
        raise ValueError(INSTALL) from None
    settings = get_cfg()
    add_densepose_config(settings)
    settings.merge_from_file(str(_config_file(Path(densepose.__file__))))
    settings.MODEL.WEIGHTS = str(weights.locate("densepose_r50_fpn_s1x", weights_dir))
    settings.MODEL.DEVICE = device
    settings.MODEL.ROI_HEADS.SCORE_THRESH_TEST = score_threshold
    settings.TEST.DETECTIONS_PER_IMAGE = CHOICE_OF
    predict, extract = DefaultPredictor(settings), DensePoseResultExtractor()

    def estimate(photos: Sequence[np.ndarray], choose: Choose) -> list[np.ndarray | None]:
        return [_one(number, photo, choose) for number, photo in enumerate(photos)]

    def _one(number: int, photo: np.ndarray, choose: Choose) -> np.ndarray | None:
        instances = predict(np.ascontiguousarray(photo[..., ::-1]))["instances"]  # detectron2 reads BGR
        if not len(instances):
            return None
        candidates = instances.pred_boxes.tensor.cpu().numpy()
        best = choose(number, candidates, instances.scores.cpu().numpy())
        if best is None:
            return None
        results, _ = extract(instances[[best]])
        uv = (results[0].uv.clamp(0, 1) * 255).byte()
        iuv = np.concatenate(
            [results[0].labels.byte().cpu().numpy()[..., None], uv.cpu().numpy().transpose(1, 2, 0)], 2
        )
        return paste(iuv, int(candidates[best, 0]), int(candidates[best, 1]), *photo.shape[:2])

    return estimate


def _config_file(module: Path) -> Path:
    """The configuration lies beside the package, not in its wheel: $DETECTRON2_DENSEPOSE names its folder."""
    named = Path(os.environ.get("DETECTRON2_DENSEPOSE", "."))
    for folder in (named, module.parent.parent / "configs", module.parent / "configs"):
        if (folder / CONFIG).is_file():
            return folder / CONFIG
    raise ValueError(f"{CONFIG} not found; set DETECTRON2_DENSEPOSE to detectron2's projects/DensePose/configs")
