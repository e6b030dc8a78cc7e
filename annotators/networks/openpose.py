"""CMU's OpenPose body model in PyTorch: photo → part heat maps and affinity fields → COCO-18 people.

The network of arXiv:1611.08050 as `body_pose_model.pth` (pytorch-openpose, ControlNet) holds it: 52 M parameters,
six stages with two branches. Scales, padding and interpolation are those under which OOTDiffusion and IDM-VTON run
it, since their masks depend on them. Decoding is in `annotators.functional.keypoints`.
"""

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from annotators.common import pickles
from annotators.functional import keypoints
from annotators.networks.transformers_models import torch_device

FRAME_HEIGHT = 512  # photos are decoded in a frame of this height: 384×512 for the usual 3:4
STRIDE = 8  # of the network: three poolings
_NET_SCALE = 0.5 * 368 / FRAME_HEIGHT
_HEAT_MAPS, _AFFINITIES = 19, 38
_POOL = ""  # in a list of layers: a 2×2 pooling

_TRUNK = (
    ("conv1_1", 64), ("conv1_2", 64), (_POOL, 0), ("conv2_1", 128), ("conv2_2", 128), (_POOL, 0),
    ("conv3_1", 256), ("conv3_2", 256), ("conv3_3", 256), ("conv3_4", 256), (_POOL, 0),
    ("conv4_1", 512), ("conv4_2", 512), ("conv4_3_CPM", 256), ("conv4_4_CPM", 128),
)  # fmt: skip
_STAGES = 6
_BRANCHES = {"L1": _AFFINITIES, "L2": _HEAT_MAPS}


class BodyModel(nn.Module):
    """The network; layers carry the names of the official file. `divisor` narrows every hidden width, for tests."""

    def __init__(self, divisor: int = 1) -> None:
        super().__init__()
        width = 3
        for name, official in _TRUNK:
            if name != _POOL:
                width = self._add(name, width, official // divisor, 3)
        features = width
        for stage in range(1, _STAGES + 1):
            for branch, maps in _BRANCHES.items():
                width = features if stage == 1 else features + _AFFINITIES + _HEAT_MAPS
                names = _stage_layers(stage, branch)
                for i, name in enumerate(names):
                    kernel = (3 if i < 3 else 1) if stage == 1 else (7 if i < 5 else 1)
                    hidden = (512 if stage == 1 and i == 3 else 128) // divisor
                    width = self._add(name, width, maps if name == names[-1] else hidden, kernel)

    def _add(self, name: str, inputs: int, outputs: int, kernel: int) -> int:
        self.add_module(name, nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
        return outputs

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """[b 3 h w] BGR −0.5–0.5, h and w multiples of 8 → heat maps [b 19 h/8 w/8], affinity fields [b 38 h/8 w/8]."""
        features = pictures
        for name, _ in _TRUNK:
            features = functional.max_pool2d(features, 2) if name == _POOL else self._layer(name, features).relu_()
        stage_input = features
        for stage in range(1, _STAGES + 1):
            affinities, heat_maps = (self._branch(_stage_layers(stage, branch), stage_input) for branch in _BRANCHES)
            stage_input = torch.cat([affinities, heat_maps, features], 1)
        # pytorch-openpose leaves a ReLU after the last heat maps (not after the fields): peaks rest on it.
        return heat_maps.relu(), affinities

    def _branch(self, names: Sequence[str], inputs: Tensor) -> Tensor:
        for name in names[:-1]:
            inputs = self._layer(name, inputs).relu_()
        return self._layer(names[-1], inputs)

    def _layer(self, name: str, inputs: Tensor) -> Tensor:
        return self.get_submodule(name)(inputs)


def _stage_layers(stage: int, branch: str) -> list[str]:
    if stage == 1:
        return [f"conv5_{i}_CPM_{branch}" for i in range(1, 6)]
    return [f"Mconv{i}_stage{stage}_{branch}" for i in range(1, 8)]


def load(path: Path, device: str = "cpu") -> BodyModel:
    """The model of a `body_pose_model.pth`, in evaluation mode.

    Only tensors are unpickled: a file with anything else is refused. Raises ValueError, in one line, for a file that
    isn't the model and for a device that isn't there.
    """
    where = torch_device(device)
    state = _read_tensors(path)
    first = state.get("conv1_1.weight")
    if first is None or first.ndim != 4 or not 1 <= len(first) <= _TRUNK[0][1]:
        raise ValueError(f"{path.name} is not OpenPose's body model: no fitting layer conv1_1")
    model = BodyModel(_TRUNK[0][1] // len(first))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).split("\n")[1:2]
        raise ValueError(f"{path.name} is not OpenPose's body model: {''.join(reason).strip()[:200]}") from None
    return model.eval().to(where)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Layer and parameter name → tensor; a prefix of wrapping modules ("model0.", "module.") is dropped."""
    try:
        pickles.check(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except pickles.Hostile as error:
        raise ValueError(f"{path.name} is damaged, or holds more than tensors: {error}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path.name} is damaged, or holds more than tensors ({type(error).__name__})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path.name} is not a dictionary of tensors")
    return {".".join(str(key).split(".")[-2:]): value.float() for key, value in state.items()}


class PeopleFinder:
    """Photos in, people out; pictures of equal shape go through the network together."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self.model = load(path, device)
        self.device = next(self.model.parameters()).device

    def __call__(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """float32 [people 18 3] (COCO-18, pixels of the photo) per photo uint8 [h w 3] RGB."""
        frames = [frame_size(*photo.shape[:2]) for photo in photos]
        inputs = [network_input(photo) for photo in photos]
        people: list[np.ndarray] = [np.empty(0)] * len(photos)
        for group in _equal_shapes(inputs):
            batch = torch.from_numpy(np.stack([inputs[i] for i in group])).to(self.device)
            with torch.inference_mode():
                maps = torch.cat(self.model(batch), 1).cpu().numpy()
            for i, photo_maps in zip(group, maps, strict=True):
                person = decode(photo_maps, *frames[i])
                height, width = photos[i].shape[:2]
                # Plain scaling, without the half pixel of a resize: at 384×512 the recipes then see these very points.
                person[..., :2] *= np.array([width, height]) / np.array(frames[i][::-1])
                people[i] = person
        return people


def _equal_shapes(arrays: Iterable[np.ndarray]) -> list[list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, array in enumerate(arrays):
        groups.setdefault(array.shape, []).append(i)
    return list(groups.values())


def frame_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of the frame in which a photo is decoded."""
    return FRAME_HEIGHT, max(1, round(width * FRAME_HEIGHT / height))


def network_input(photo: np.ndarray) -> np.ndarray:
    """float32 [3 h w] BGR −0.5–0.5 of a photo uint8 [h w 3] RGB: 184 rows, padded right to a multiple of 8 with 128."""
    height, width = frame_size(*photo.shape[:2])
    frame = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC))
    bgr = np.ascontiguousarray(frame[..., ::-1])
    small = cv2.resize(bgr, _network_size(height, width)[::-1], interpolation=cv2.INTER_AREA)
    below, right = (-size % STRIDE for size in small.shape[:2])
    padded = np.pad(small, ((0, below), (0, right), (0, 0)), constant_values=128)
    return np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32) / 256 - 0.5


def _network_size(height: int, width: int) -> tuple[int, int]:
    return int(height * _NET_SCALE), max(1, int(width * _NET_SCALE))


def decode(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """People [n 18 3] in a frame of that size from the network's maps [57 h/8 w/8]: heat maps, then fields."""
    used = np.concatenate([maps[: _HEAT_MAPS - 1], maps[_HEAT_MAPS:]])  # the 19th heat map is the background
    full = np.stack([_enlarge(plane, height, width) for plane in used])
    return keypoints.openpose_people(full[: _HEAT_MAPS - 1], full[_HEAT_MAPS - 1 :])


def _enlarge(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """One map [h/8 w/8] to the frame: up by 8, padding cut, then up again (Lanczos both times, as OOTDiffusion)."""
    rows, columns = _network_size(height, width)
    size = (plane.shape[1] * STRIDE, plane.shape[0] * STRIDE)
    unpadded = cv2.resize(plane, size, interpolation=cv2.INTER_LANCZOS4)[:rows, :columns]
    return cv2.resize(unpadded, (width, height), interpolation=cv2.INTER_LANCZOS4)
