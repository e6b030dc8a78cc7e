"""Tasks of photos given as files: one garment, or an outfit whose pieces are put on one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.functional import boxes, masks
from vton_models.networks import crops
from vton_models.reading import mask_recipes
from vton_models.sampling import outputs, photo_masks, photos
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Sampler, Task, result_before
from vton_models.sampling.photo_columns import PhotoColumns
from vton_models.sampling.photo_masks import PhotoMasks
from vton_models.system import IN_VIEW, Prepare, Purpose

if TYPE_CHECKING:
    from vton_models.sampling.tasks.try_on import Finished, Piece


@dataclass(frozen=True)
class Photos:
    """The pictures, decoded; masks at the size of the person's photo. They are `Inputs` of `sample`."""

    finished: "Finished"
    prepare: Prepare
    person: np.ndarray
    person_id: str
    pieces: "tuple[Piece, ...]"
    garments: tuple[np.ndarray, ...]
    categories: tuple[str | None, ...]  # of the garments
    recipes: tuple[str | None, ...]  # of their masks
    masks: Mapping[str, np.ndarray | None]  # by the piece's mask flag
    body: np.ndarray | None  # mask of the whole person, where annotators drew one
    columns: Mapping[str, np.ndarray]  # what else lies on the person's photo, at its size
    words: str  # of the garment; empty where nobody said any
    told: str

    left_out: tuple[dict[str, str], ...] = ()
    one_by_one: bool = True  # a piece of an outfit goes onto the result before it

    def described(self) -> dict[str, Any]:
        """What makes it these photos, without their paths."""
        garments = [photos.digest(garment) for garment in self.garments]
        masks = {flag: None if mask is None else photos.digest(mask) for flag, mask in self.masks.items()}
        pictures = {"person": photos.digest(self.person), "garments": garments, "masks": masks}
        columns = {name: photos.digest(one) for name, one in self.columns.items()}
        further = {name: value for name, value in (("columns", columns), ("garment_caption", self.words)) if value}
        return {"finish": self.finished.name, "photos": pictures | further}

    def finish(self, sampler: Sampler) -> Finish:
        return self.finished.finish(sampler)

    def tasks(self, folder: Path) -> list[Task]:
        """One task per piece; the second reads the first one's result from `folder`."""
        tasks: list[Task] = []
        for place, piece in enumerate(self.pieces):
            before, garment_id = tasks[-1] if tasks else None, photos.name_of(piece.file)
            record_id = f"{before.record_id if before else self.person_id}+{garment_id}"
            drawn = piece.mask_type and self.masks[piece.mask_flag] is not None
            facts = {"mask_type": piece.mask_type if drawn else None, "mask_recipe": self.recipes[place]}
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

    def record(self, place: int, person: np.ndarray) -> dict[str, Any]:
        """Of one piece, onto what is worn by then; every piece shows the same part of the photo."""
        regions = [mask for mask in self.masks.values() if mask is not None]
        aligned = {
            "agnostic_mask": self.masks[self.pieces[place].mask_flag],
            IN_VIEW: np.maximum.reduce(regions) if regions else None,
            "person_mask": self.body,
        }
        garment, category = self.garments[place], self.categories[place]
        record = {"person_image": person, "source_person_image": person, "garment_image": garment, **aligned}
        record |= {**self.columns, "category": category, "garment_caption": self.words or None}
        if place == 0 or self.finished.paste_back:  # what is worn by then has the photo's size
            return record
        box = self.prepare.visible(self.record(0, self.person))
        height, width = person.shape[:2]
        seen = {name: crops.cut(mask, box) for name, mask in aligned.items() if mask is not None}
        moved = {name: masks.resize(crops.cut(one, box), height, width) for name, one in self.columns.items()}
        return record | moved | {name: masks.resize(mask, height, width) for name, mask in seen.items()}


def load(
    person: str,
    pieces: "tuple[Piece, ...]",
    drawing: PhotoMasks | None,
    columns: PhotoColumns,
    finished: "Finished",
    prepare: Prepare,
    words: str = "",
    trained_masks: Mapping[str, Sequence[str]] | None = None,
) -> Photos:
    """Reads all files, and draws the masks that are missing; without `drawing` the system reads none.

    Raises UsageError, weights that lack named first.
    """
    types = tuple(piece.mask_type for piece in pieces if piece.mask_type) if drawing else ()
    if drawing and types:
        drawing.check()
    columns.check()
    photo = photos.read(person, "--person")
    garments = tuple(photos.read(piece.file, piece.flag) for piece in pieces)
    size = (photo.shape[0], photo.shape[1])
    files = {
        piece.mask_flag: photos.read_mask(piece.mask, piece.mask_flag, size) if piece.mask else None for piece in pieces
    }
    by_flag = {flag: None if mask is None else mask.value for flag, mask in files.items()}
    body = None
    if drawing and types:
        drawn = drawing.draw(photo, types)
        by_flag |= {piece.mask_flag: drawn.masks[piece.mask_type] for piece in pieces if piece.mask_type}
        body = drawn.person
    notes = [mask.note for mask in files.values() if mask and mask.note]
    known = photo_masks.regions(drawing.recipe) if drawing and drawing.recipe else {}
    categories = tuple(known.get(piece.region) for piece in pieces)
    recipes = tuple(_recipe(piece, drawing) for piece in pieces)
    used = ((category or "", recipe) for category, recipe in zip(categories, recipes, strict=True) if recipe)
    notes.append(mask_recipes.difference(trained_masks or {}, mask_recipes.by_category(used)))
    loaded = Photos(
        finished=finished,
        prepare=prepare,
        person=photo,
        person_id=photos.name_of(person),
        pieces=pieces,
        garments=garments,
        categories=categories,
        recipes=recipes,
        masks=by_flag,
        body=body,
        columns=columns.read(photo),
        words=words,
        told="; ".join(filter(None, notes)),
    )
    return loaded if any(mask is not None for mask in by_flag.values()) else replace(loaded, told=_unseen(loaded))


def _recipe(piece: "Piece", drawing: PhotoMasks | None) -> str | None:
    """Whose mask the piece's is; None where there is none."""
    if piece.mask:
        return mask_recipes.FILE
    return mask_recipes.named(drawing.recipe, drawing.options) if drawing and piece.mask_type else None


def _unseen(photos: Photos) -> str:
    """Where no mask tells where the person is: which part of the photo isn't seen."""
    height, width = photos.person.shape[:2]
    x0, y0, x1, y1 = boxes.clip(photos.prepare.visible(photos.record(0, photos.person)), height, width)
    if (x0, y0, x1, y1) == (0, 0, width, height):
        return ""
    flags = " and ".join(f"{piece.mask_flag} FILE" for piece in photos.pieces)
    return (
        f"of the photo, {height}x{width}, rows {y0} to {y1} and columns {x0} to {x1} are seen; where the person is"
        f" elsewhere, {flags} moves that part"
    )


@dataclass(frozen=True)
class _Reader:
    """The record of one piece; masks are those of the photo, whatever is worn by now."""

    photos: Photos
    place: int
    before: Path | None

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection when the piece before gave no result."""
        person = self.photos.person
        if self.before is not None:
            person = result_before(self.before, "no_person", "garment")
        return self.photos.record(self.place, person)
