"""Tasks of photos given as files: one garment, or an outfit whose pieces are put on one after the other."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vton_models.sampling import outputs, photos
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Rejection, Sampler, Task
from vton_models.sampling.photo_masks import PhotoMasks
from vton_models.system import Purpose

if TYPE_CHECKING:
    from vton_models.sampling.tasks.try_on import Finished, Piece


@dataclass(frozen=True)
class Photos:
    """The pictures, decoded; masks at the size of the person's photo. They are `Inputs` of `sample`."""

    finished: "Finished"
    person: np.ndarray
    person_id: str
    pieces: "tuple[Piece, ...]"
    garments: tuple[np.ndarray, ...]
    masks: Mapping[str, np.ndarray | None]  # by the piece's mask flag

    left_out: tuple[dict[str, str], ...] = ()
    one_by_one: bool = True  # a piece of an outfit goes onto the result before it
    told: str = ""

    def described(self) -> dict[str, Any]:
        """What makes it these photos, without their paths."""
        garments = [_digest(garment) for garment in self.garments]
        masks = {flag: None if mask is None else _digest(mask) for flag, mask in self.masks.items()}
        photos = {"person": _digest(self.person), "garments": garments, "masks": masks}
        return {"finish": self.finished.name, "photos": photos}

    def finish(self, sampler: Sampler) -> Finish:
        return self.finished.finish(sampler)

    def tasks(self, folder: Path) -> list[Task]:
        """One task per piece; the second reads the first one's result from `folder`."""
        tasks: list[Task] = []
        for place, piece in enumerate(self.pieces):
            before, garment_id = tasks[-1] if tasks else None, photos.name_of(piece.file)
            record_id = f"{before.record_id if before else self.person_id}+{garment_id}"
            drawn = piece.mask_type and self.masks[piece.mask_flag] is not None
            facts = {"mask_type": piece.mask_type if drawn else None}
            tasks.append(
                Task(
                    record_id=record_id,
                    file=outputs.file_name(record_id),
                    read=_Reader(self, place, folder / before.file if before else None),
                    purpose=Purpose.PHOTOS,
                    row={"person_id": self.person_id, "garment_id": garment_id, **facts},
                    notes={"Garment": garment_id},
                )
            )
        return tasks


def load(person: str, pieces: "tuple[Piece, ...]", masks: PhotoMasks | None, finished: "Finished") -> Photos:
    """Reads all files, and draws the masks that are missing; without `masks` the system reads none.

    Raises UsageError, weights that lack named first.
    """
    drawn = tuple(piece.mask_type for piece in pieces if piece.mask_type) if masks else ()
    if masks and drawn:
        masks.check()
    photo = photos.read(person, "--person")
    garments = tuple(photos.read(piece.file, piece.flag) for piece in pieces)
    size = (photo.shape[0], photo.shape[1])
    by_flag: dict[str, np.ndarray | None] = {
        piece.mask_flag: photos.read_mask(piece.mask, piece.mask_flag, size) if piece.mask else None for piece in pieces
    }
    if masks and drawn:
        by_type = masks.draw(photo, drawn)
        by_flag |= {piece.mask_flag: by_type[piece.mask_type] for piece in pieces if piece.mask_type}
    return Photos(finished, photo, photos.name_of(person), pieces, garments, by_flag)


@dataclass(frozen=True)
class _Reader:
    """The record of one piece; masks are those of the photo, whatever is worn by now."""

    photos: Photos
    place: int
    before: Path | None

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection when the piece before gave no result."""
        if self.before is not None and not self.before.is_file():
            raise Rejection("read", "no_person", "the garment before this one gave no result")
        person = self.photos.person if self.before is None else photos.read(str(self.before), "--output")
        mask = self.photos.masks[self.photos.pieces[self.place].mask_flag]
        return {
            "person_image": person,
            "source_person_image": person,
            "garment_image": self.photos.garments[self.place],
            "agnostic_mask": mask,
        }


def _digest(pixels: np.ndarray) -> str:
    found = hashlib.sha256(repr(pixels.shape).encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()
