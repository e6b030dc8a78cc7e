"""Weights from detectron2's published pickle, read without running what a pickle may hold, or from safetensors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from annotators.networks.densepose_rcnn import array_pickle
from annotators.networks.densepose_rcnn.network import DensePoseRcnn

# Older detectron2 releases stored these constants with the weights.
CONSTANTS = ("pixel_mean", "pixel_std", "proposal_generator.anchor_generator.cell_anchors.")
NAMED = 3  # names listed in an error


def network(path: str | Path, score_threshold: float = 0.8, detections: int = 1) -> DensePoseRcnn:
    """The network with the weights of a .pkl or .safetensors file; raises what `load` raises."""
    with torch.device("meta"):  # no time spent on random weights
        model = DensePoseRcnn(score_threshold, detections)
    model.load_state_dict(load(path), assign=True)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def load(path: str | Path) -> dict[str, Tensor]:
    """The network's state dict, float32, from `model_final_162be9.pkl` or a converted `.safetensors`.

    Raises FileNotFoundError, and ValueError for a file that is broken, holds anything but arrays in plain
    containers, or doesn't fit R_50_FPN_s1x.
    """
    path = Path(path)
    if path.suffix not in (".pkl", ".safetensors"):
        raise ValueError(f"{path.name}: weights are .pkl or .safetensors, not {path.suffix or 'without a suffix'!r}")
    state = _load_pickle(path) if path.suffix == ".pkl" else _load_safetensors(path)
    state = {key: value.float() for key, value in state.items() if not key.startswith(CONSTANTS)}
    check(state, path.name)
    return state


def convert(pkl_path: str | Path, safetensors_path: str | Path) -> None:
    """Write the weights of the pickle as safetensors, which no reader has to distrust. Raises what `load` raises."""
    save_file(load(pkl_path), safetensors_path, metadata={"format": "pt"})


def check(state: Mapping[str, Tensor], name: str) -> None:
    """Raises ValueError naming the first keys that are missing, unexpected or of another shape."""
    with torch.device("meta"):
        expected = {key: list(value.shape) for key, value in DensePoseRcnn().state_dict().items()}
    shaped = [
        f"{key} {list(state[key].shape)} instead of {shape}"
        for key, shape in expected.items()
        if key in state and list(state[key].shape) != shape
    ]
    problems = {
        "missing": sorted(expected.keys() - state.keys()),
        "unexpected": sorted(state.keys() - expected.keys()),
        "mis-shaped": shaped,
    }
    text = "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in problems.items() if keys)
    if text:
        raise ValueError(f"{name} doesn't hold DensePose R_50_FPN_s1x: {text}")


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:NAMED]) + (", …" if len(keys) > NAMED else "")


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is not a readable safetensors file: {error}") from None


def _load_pickle(path: Path) -> dict[str, Tensor]:
    """The arrays under `model`, where detectron2 puts them."""
    content = array_pickle.load(path)
    weights = content.get("model") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, np.ndarray) for value in weights.values()):
        raise ValueError(f"{path.name}: expected nothing but arrays under 'model', as detectron2 writes them")
    return {str(key): torch.from_numpy(value.astype(np.float32)) for key, value in weights.items()}
