"""Magic Clothing's published files: a U-Net's own keys in one file and, of `stable_ckpt`, keys and values beside it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.networks import weights

FILE = "garment_extractor.safetensors"
KEY_VALUES = "ip_layer.pth"  # keys as "0.to_k_ip.weight", of every second attention


def load(networks: Mapping[str, Any], path: Path) -> list[Path]:
    """Reads the garment network and, where there is a network for them, keys and values; returns the files.

    Raises UsageError for a file that isn't there, and ValueError, before anything changes, for other keys.
    """
    laid = [(part, weights.read(file), file) for part, file in _parts(networks, garment_file(path))]
    for part in laid:
        weights.check(*part)
    for part in laid:
        weights.assign(*part)
    return [file for _, _, file in laid]


def save(networks: Mapping[str, Any], path: Path) -> None:
    """As `load` reads: into the file that `path` names or into that folder; keys and values beside it."""
    for part, file in _parts(networks, path if path.suffix == ".safetensors" else path / FILE):
        if file.suffix == ".safetensors":
            weights.write(file, part)
            continue
        with atomic.new_file(file) as opened:  # a path's name would stand in the bytes
            torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in part.items()}, opened)


def garment_file(path: Path) -> Path:
    """The file itself, the published one of a folder, or its only .safetensors. Raises UsageError."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder of Magic Clothing's weights")
    if (path / FILE).is_file():
        return path / FILE
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "no .safetensors"
        raise UsageError(f"{path} holds {names}; name one file, or a folder with {FILE}")
    return files[0]


def _parts(networks: Mapping[str, Any], file: Path) -> Iterator[tuple[Mapping[str, Tensor], Path]]:
    """The tensors of each file."""
    yield networks["garment_unet"].state_dict(), file
    if "key_values" in networks:
        yield networks["key_values"].numbered("ip"), file.parent / KEY_VALUES
