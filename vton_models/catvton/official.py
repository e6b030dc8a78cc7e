"""CatVTON's published files: self-attention as the numbered tensors of a ModuleList, and where they lie in a folder.

The list held every submodule whose name contains "attn1": eight per attention, of which safetensors keeps the first
names. Hence keys 0, 8, 16, … in the order down, up, mid, with suffixes to_q.weight to to_out.0.bias.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from schemas.cli.flags import UsageError
from vton_models.networks import attention, weights

STRIDE = 8  # attn1, to_q, to_k, to_v, to_out, to_out.0, to_out.1, processor
FILE = Path("attention") / "model.safetensors"


def numbered_attention(unet: Any) -> dict[str, Tensor]:
    """The parameters of all attn1 of a U-Net by their published keys; 80 of them in SD 1.5's."""
    numbered: dict[str, Tensor] = {}
    for number, block in enumerate(attention.blocks(unet)):
        module = unet.get_submodule(f"{block}.attn1")
        numbered |= {f"{STRIDE * number}.{name}": parameter for name, parameter in module.named_parameters()}
    return numbered


def read_attention(file: Path) -> dict[str, Tensor]:
    """Raises ValueError unless the file says, as published ones do, that it holds torch's tensors."""
    tensors = weights.read(file)
    if file.suffix == ".safetensors" and weights.metadata(file).get("format") != "pt":
        raise ValueError(f'{file}: metadata {weights.metadata(file)}; allowed is {{"format": "pt"}}')
    return tensors


def attention_file(path: Path) -> Path | None:
    """The file itself, one in the folder, or in its only sub-folder that has one; None for a folder without any.

    Raises UsageError when nothing is at `path`, and when several sub-folders have one.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder of CatVTON's weights")
    for candidate in (path / FILE, path / FILE.name):
        if candidate.is_file():
            return candidate
    files = sorted(path.glob(f"*/{FILE}"))
    if len(files) > 1:
        raise UsageError(f"{path} holds {', '.join(file.parts[-3] for file in files)}; name one of these folders")
    return files[0] if files else None


def attention_target(path: Path) -> Path:
    """Where `save_official` writes: the file, if `path` names one, or its place in the folder."""
    return path if path.suffix == ".safetensors" else path / FILE


def unet_folder(path: Path) -> Path:
    """`path`/unet, or `path` itself."""
    return path / "unet" if (path / "unet").is_dir() else path
