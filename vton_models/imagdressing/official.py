"""IMAGDressing's published file: `{"module": …}` as DeepSpeed writes it, with tensors of four parts by their prefix.

`unet.` holds a base and a second copy of what `adapter_modules.` holds; it isn't read, nor written.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from schemas.cli.flags import UsageError

FILE = "IMAGDressing-v1_512.pt"
PREFIXES = {"garment_unet": "ref_unet.", "projection": "proj.", "garment_attention": "adapter_modules."}


def of(tensors: Mapping[str, Tensor], networks: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of some of our networks."""
    prefixes = tuple(PREFIXES[name] for name in networks)
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}


def image_projection(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The Resampler of an IP-Adapter-Plus file."""
    start = "image_proj."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def source(path: Path) -> Path:
    """The file itself, or the one of the published name, else the only .pt, in a folder. Raises UsageError."""
    if path.is_file():
        return path
    files = sorted(path.glob("*.pt")) if path.is_dir() else []
    named = [file for file in files if file.name == FILE]
    if len(named or files) != 1:
        there = f"{len(files)} .pt files" if path.is_dir() else "no such file or folder"
        raise UsageError(f"{path}: {there}; allowed is IMAGDressing's file, or a folder with {FILE}")
    return (named or files)[0]


def target(path: Path) -> Path:
    """Where to write: the file, if `path` names one, or the published name in the folder."""
    return path if path.suffix in (".pt", ".bin", ".safetensors") else path / FILE
