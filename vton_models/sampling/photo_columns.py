"""What a system reads of a photo beside its mask: pictures that lie on it, from a file or by an annotator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import annotators
from annotators.common import registry
from annotators.functional import canvas
from schemas.cli.flags import UsageError, one_line
from vton_models.networks import pictures
from vton_models.reading.view import MASK
from vton_models.sampling import photo_masks, photos
from vton_models.system import Reads

FLAGS = {"densepose_image": "--densepose"}  # column → the flag that names its file
_GIVEN = ("person_image", "source_person_image", "garment_image", "category", MASK)


@dataclass(frozen=True)
class PhotoColumns:
    """The columns, their files where there are any, and the annotators' folder of weights and device."""

    columns: tuple[str, ...]
    files: Mapping[str, str]
    folder: str
    device: str

    @property
    def drawn(self) -> tuple[str, ...]:
        """Those that annotators draw."""
        return tuple(column for column in self.columns if not self.files.get(column))

    def check(self) -> None:
        """Raises UsageError naming the ways on when weights of an annotator aren't on this machine; loads nothing."""
        for column in self.drawn:
            lacking = list(dict.fromkeys(photo_masks.missing(self._configs(), column)))
            if lacking:
                option = f" --weights {self.folder}" if self.folder else ""
                raise UsageError(
                    f"the photo needs a {column}, and weights that draw one are missing ({', '.join(lacking)}); ways"
                    f" on:{_file(column)} `python -m annotators fetch {' '.join(lacking)}{option}`"
                )

    def read(self, photo: np.ndarray) -> dict[str, np.ndarray]:
        """Column → uint8 [h w 3] at the photo's size. Raises UsageError for what can't be read or drawn."""
        height, width = photo.shape[:2]
        read = {column: photos.read(path, FLAGS[column]) for column, path in self.files.items() if path}
        if self.drawn:
            read |= self._annotated(canvas.reduce(photo))
        return {
            column: pictures.stretch(one, (height, width), Image.Resampling.NEAREST) for column, one in read.items()
        }

    def _annotated(self, photo: np.ndarray) -> dict[str, np.ndarray]:
        try:
            (record,) = annotators.annotate(
                [{"person_image": photo}], self.drawn, device=self.device, configs=self._configs()
            )
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"no {' and '.join(self.drawn)} can be drawn of the photo: {one_line(error)}") from None
        for column in self.drawn:
            if record.get(column) is None:
                raise UsageError(
                    f"no {column} can be drawn of the photo{_file(column).replace(' ', '; allowed is ', 1)}"
                )
        return {column: record[column] for column in self.drawn}

    def _configs(self) -> dict[str, Any]:
        common = {"weights_dir": self.folder or None, "device": self.device}
        return {name: registry.config(name, **common) for name in registry.names()}


def of(reads: Reads, files: Mapping[str, str], folder: str, device: str) -> PhotoColumns:
    """What a system needs. Raises UsageError for a file of a column that it doesn't read."""
    columns = tuple(name for name in reads.needed if name not in _GIVEN)
    for column, path in files.items():
        if path and column not in columns:
            raise UsageError(f"{FLAGS[column]} {path}: this system reads no {column}")
    return PhotoColumns(columns, files, folder, device)


def _file(column: str) -> str:
    return f" {FLAGS[column]} FILE, or" if column in FLAGS else ""
