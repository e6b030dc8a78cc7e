"""SCHP's human parsers, from torch checkpoints or ONNX files: photos in, label maps in the parser's own ids out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotators.common import weights
from annotators.functional import parsing
from annotators.networks import transformers_models

SIDES = {"lip": 473, "atr": 512}  # of the network's square input
CLASSES = {"lip": 20, "atr": 18}
_FUSION = 1  # of the outputs parsing, fusion, edges

Network = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """Network inputs float32 [b 3 side side] of photos of these sizes."""

    inputs: np.ndarray
    sizes: list[tuple[int, int]]


@dataclass(frozen=True)
class Logits:
    """Of one photo: fusion logits float32 [c s s], and its size."""

    planes: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class Parser:
    """A network with its label space; `network` maps float32 [b 3 side side] to fusion logits float32 [b c s s]."""

    space: str
    side: int
    network: Network
    channels: str = "bgr"
    accelerated: bool = False

    def __call__(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """uint8 [h w] ids of `space` for each photo uint8 [h w 3] RGB, at its own size."""
        return [self.finish(logits) for logits in self.compute(self.prepare(photos))]

    def prepare(self, photos: Sequence[np.ndarray]) -> Prepared:
        inputs = np.stack([parsing.schp_input(photo, self.side, self.channels) for photo in photos])
        return Prepared(inputs, [photo.shape[:2] for photo in photos])

    def compute(self, prepared: Prepared) -> list[Logits]:
        pairs = zip(self.network(prepared.inputs), prepared.sizes, strict=True)
        return [Logits(planes, size) for planes, size in pairs]

    def finish(self, logits: Logits) -> np.ndarray:
        return parsing.schp_labels(logits.planes, *logits.size, self.side)


def weights_name(space: str, weights_dir: str = "") -> str:
    """The table's name of the file that is used for "lip" or "atr": torch's, or the ONNX one if only that is there."""
    torch_name, onnx_name = f"schp_{space}", f"schp_{space}_onnx"
    only_onnx = not weights.available(torch_name, weights_dir) and weights.available(onnx_name, weights_dir)
    return onnx_name if only_onnx else torch_name


def load(space: str, weights_dir: str = "", device: str = "cpu", channels: str = "bgr") -> Parser:
    """The parser with labels "lip" or "atr".

    Raises weights.MissingWeights, and ValueError for a device this machine lacks, or a file that isn't such a parser.
    """
    name = weights_name(space, weights_dir)
    path = weights.locate(name, weights_dir)
    make = _from_onnx if path.suffix == ".onnx" else _from_checkpoint
    network, classes, side = make(name, path, device)
    if classes not in (None, CLASSES[space]):
        raise ValueError(f"{path} has {classes} classes; {name} needs {CLASSES[space]}")
    return Parser(space, side or SIDES[space], network, channels, device != "cpu")


def _from_checkpoint(name: str, path: Path, device: str) -> tuple[Network, int, None]:
    """A torch checkpoint's network and its classes; any side will do. On CUDA with float16 autocast."""
    import torch

    from annotators.networks import ace2p

    where = transformers_models.torch_device(device)
    with transformers_models.readable(name, path):
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)  # tensors only: a pickle runs nothing
        network = ace2p.from_state(_state_of(checkpoint)).to(where)

    def run(inputs: np.ndarray) -> np.ndarray:
        # On the CPU one at a time: no slower, and rounding doesn't depend on the batch.
        batches = torch.from_numpy(inputs).split(1 if where.type == "cpu" else len(inputs))
        with torch.inference_mode(), torch.autocast(where.type, torch.float16, enabled=where.type == "cuda"):
            return torch.cat([network(batch.to(where))[_FUSION].float() for batch in batches]).cpu().numpy()

    return run, network.decoder.conv4.out_channels, None


def _state_of(checkpoint: Any) -> Mapping[str, Any]:
    """The weights in a training checkpoint, or the weights themselves."""
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping):
        raise TypeError("not a dictionary of weights")
    return state


def _from_onnx(name: str, path: Path, device: str) -> tuple[Network, int | None, int | None]:
    """An ONNX file's network, its classes and its input's side; None where the file leaves them open."""
    import onnxruntime

    providers = _providers(device, onnxruntime)
    with transformers_models.readable(name, path):
        session = onnxruntime.InferenceSession(str(path), providers=providers)
        entrance, outlet = session.get_inputs()[0], session.get_outputs()[_FUSION]
        batch, _, side, _ = entrance.shape
        classes, side = (size if isinstance(size, int) else None for size in (outlet.shape[1], side))

    def run(inputs: np.ndarray) -> np.ndarray:
        # The published files are traced with a batch of one.
        pieces = np.split(inputs, len(inputs)) if isinstance(batch, int) else [inputs]
        return np.concatenate([session.run([outlet.name], {entrance.name: piece})[0] for piece in pieces])

    return run, classes, side


def _providers(device: str, onnxruntime: Any) -> list[Any]:
    """Raises ValueError for a device that this onnxruntime can't use."""
    there = onnxruntime.get_available_providers()
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if kind == "cuda" and "CUDAExecutionProvider" in there:
        return [("CUDAExecutionProvider", {"device_id": number or "0"}), "CPUExecutionProvider"]
    raise ValueError(f"device {device!r} is not available to onnxruntime here ({', '.join(there)}); use cpu")
