"""IDM-VTON's published TryonNet: one file of the stock U-Net's tensors and the image prompt's, safetensors or pickle.

The pickle is read as every other: nothing but tensors is unpickled.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.networks import weights
from vton_models.networks.weights import Published

FOLDER = "unet"
FILE = "diffusion_pytorch_model.safetensors"
PROMPT_TYPE = "ip_image_proj"  # its config.json says so, and stock loading then fails


def is_extra(name: str) -> bool:
    """Whether a tensor of the file belongs to the image prompt."""
    return name.startswith("encoder_hid_proj.") or ".attn2.processor." in name


def is_of_added_conditions(name: str) -> bool:
    """Whether a tensor of the garment network's file is one of the four that nothing reads."""
    return name.startswith("add_embedding.")


# How the stock U-Nets are had from published files, by the names of networks.
PUBLISHED = {
    "unet": Published({"encoder_hid_dim": None, "encoder_hid_dim_type": None}, is_extra),
    "garment_unet": Published({"addition_embed_type": None}, is_of_added_conditions),
}


def files(path: Path) -> list[Path]:
    """The weights' file itself, or those of `path`/unet or `path`. Raises UsageError without any."""
    if path.is_file():
        return [path]
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    found = weights.component_files(folder) if folder.is_dir() else []
    if not found:
        raise UsageError(f"{path}: no such file of IDM-VTON's TryonNet, nor a folder with {FOLDER}/{FILE} (or .bin)")
    return found


def read(paths: Sequence[Path]) -> dict[str, Tensor]:
    """All tensors, the image prompt's among them. Raises ValueError for damaged files."""
    return {name: tensor for path in paths for name, tensor in weights.read(path).items()}


def write(path: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """`path`/unet as `read` takes it, and as the original repository loads it; the folder appears whole."""
    with atomic.new_folder(path) as folder:
        (folder / FOLDER).mkdir()
        atomic.write_json(folder / FOLDER / "config.json", dict(config) | {"encoder_hid_dim_type": PROMPT_TYPE})
        weights.write(folder / FOLDER / FILE, tensors)
