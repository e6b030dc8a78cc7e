"""Tasks of photos given as files: one garment, or an outfit whose pieces are put on one after the other."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vton_models.sampling import outputs, photo_masks, photos
from vton_models.sampling.loop import Rejection, Task
from vton_models.sampling.sample_flags import Flags


@dataclass(frozen=True)
class Piece:
    """A garment's file, and its mask: a file, or a type that annotators draw; neither for mask-free models."""

    flag: str
    file: str
    mask_flag: str
    mask: str
    kind: str


@dataclass(frozen=True)
class Photos:
    """What was given, decoded; masks at the size of the person's photo."""

    person: np.ndarray
    person_id: str
    pieces: tuple[Piece, ...]
    garments: tuple[np.ndarray, ...]
    masks: Mapping[str, np.ndarray | None]  # by the piece's mask flag

    def described(self) -> dict[str, Any]:
        """What makes it these photos, without their paths."""
        garments = [_digest(garment) for garment in self.garments]
        masks = {flag: None if mask is None else _digest(mask) for flag, mask in self.masks.items()}
        return {"person": _digest(self.person), "garments": garments, "masks": masks}


def pieces(given: Flags) -> tuple[Piece, ...]:
    """In the order in which they are put on: upper before lower."""
    if given.garment or given.garment_person:
        flag = "--garment" if given.garment else "--garment-person"
        kind = given.mask_type or "upper"
        return (Piece(flag, given.garment or given.garment_person, "--mask", given.mask, "" if given.mask else kind),)
    outfit = (
        Piece("--upper", given.upper, "--upper-mask", given.upper_mask, "" if given.upper_mask else "upper"),
        Piece("--lower", given.lower, "--lower-mask", given.lower_mask, "" if given.lower_mask else "lower"),
    )
    return tuple(piece for piece in outfit if piece.file)


def load(given: Flags, mask_free: bool, device: str) -> Photos:
    """Reads all files, and draws the masks that aren't given. Raises UsageError, weights that lack named first."""
    wanted = pieces(given)
    drawn = () if mask_free else tuple(piece.kind for piece in wanted if piece.kind)
    flags = " and ".join(f"{piece.mask_flag} FILE" for piece in wanted if piece.kind)
    if drawn:
        photo_masks.check(given.annotator_weights, device, flags)
    person = photos.read(given.person, "--person")
    garments = tuple(photos.read(piece.file, piece.flag) for piece in wanted)
    size = (person.shape[0], person.shape[1])
    masks: dict[str, np.ndarray | None] = {
        piece.mask_flag: photos.read_mask(piece.mask, piece.mask_flag, size) if piece.mask else None for piece in wanted
    }
    if drawn:
        by_kind = photo_masks.draw(person, drawn, given.annotator_weights, device, flags)
        masks |= {piece.mask_flag: by_kind[piece.kind] for piece in wanted if piece.kind}
    return Photos(person, photos.name_of(given.person), wanted, garments, masks)


def tasks(given: Photos, folder: Path) -> Iterator[Task]:
    """One task per piece; the second reads the first one's result from `folder`."""
    before: Task | None = None
    for place, piece in enumerate(given.pieces):
        garment_id = photos.name_of(piece.file)
        record_id = f"{before.record_id if before else given.person_id}+{garment_id}"
        before = Task(
            record_id=record_id,
            person_id=given.person_id,
            garment_id=garment_id,
            file=outputs.file_name(record_id),
            read=_Reader(given, place, folder / before.file if before else None),
            crop=True,
            mask_type=piece.kind if piece.kind and given.masks[piece.mask_flag] is not None else None,
        )
        yield before


@dataclass(frozen=True)
class _Reader:
    """The record of one piece; masks are those of the photo, whatever is worn by now."""

    given: Photos
    place: int
    before: Path | None

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection when the piece before gave no result."""
        if self.before is not None and not self.before.is_file():
            raise Rejection("read", "no_person", "the garment before this one gave no result")
        person = self.given.person if self.before is None else photos.read(str(self.before), "--output")
        mask = self.given.masks[self.given.pieces[self.place].mask_flag]
        return {
            "person_image": person,
            "source_person_image": person,
            "garment_image": self.given.garments[self.place],
            "agnostic_mask": mask,
        }


def _digest(pixels: np.ndarray) -> str:
    found = hashlib.sha256(repr(pixels.shape).encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()
