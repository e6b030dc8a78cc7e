"""OOTDiffusion's published files: two U-Nets, each in a folder of diffusers' layout under a class of upstream's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.networks import weights

FOLDERS = {"unet": "unet_vton", "garment_unet": "unet_garm"}
_CLASSES = {"unet": "UNetVton2DConditionModel", "garment_unet": "UNetGarm2DConditionModel"}


def folders(path: Path, model_type: str) -> dict[str, Path]:
    """Network → its folder: in `path`, in its only `checkpoint-N`, or in that of `ootd_hd` or `ootd_dc` in it.

    Raises UsageError where there are none, or several to choose from.
    """
    for place in (path, path / f"ootd_{model_type}", path / "ootd" / f"ootd_{model_type}"):
        candidates = [one for one in (place, *sorted(place.glob("checkpoint-*"))) if _is_whole(one)]
        if len(candidates) > 1:
            raise UsageError(f"{place} holds {', '.join(one.name for one in candidates)}; name one of these folders")
        if candidates:
            return {name: candidates[0] / folder for name, folder in FOLDERS.items()}
    raise UsageError(f"{path}: no folder with {' and '.join(FOLDERS.values())}, as OOTDiffusion publishes them")


def write(path: Path, networks: Mapping[str, Any]) -> None:
    """`path`/unet_vton and `path`/unet_garm as `folders` finds them, and as the original repository loads them."""
    weights.save_folder({folder: _Upstreams(networks[name], _CLASSES[name]) for name, folder in FOLDERS.items()}, path)


@dataclass(frozen=True)
class _Upstreams:
    """A U-Net that is written under another class's name."""

    network: Any
    class_name: str

    def save_pretrained(self, folder: Path) -> None:
        self.network.save_pretrained(folder)
        config = weights.component_config(folder)
        atomic.write_json(folder / "config.json", config | {"_class_name": self.class_name})


def _is_whole(path: Path) -> bool:
    return all((path / folder / "config.json").is_file() for folder in FOLDERS.values())
