"""Tasks of placement whose pictures are files: objects go into a scene one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.functional import boxes
from annotators.functional.boxes import Box
from annotators.functional.placement import removal
from schemas.cli.flags import UsageError
from vton_models.networks import object_pairs
from vton_models.networks.object_pairs import PLACE, SHAPE
from vton_models.sampling import object_masks, outputs, photos
from vton_models.sampling.loop import Sampler, Task, result_before
from vton_models.sampling.placement_finish import Stitch
from vton_models.system import Purpose

if TYPE_CHECKING:
    from vton_models.sampling.tasks import Setting
    from vton_models.sampling.tasks.placement import Flags, Piece


@dataclass(frozen=True, eq=False)
class Item:
    """An object, decoded: its photo and mask, and where it goes, a box or a mask of the scene."""

    reference_id: str
    image: np.ndarray
    mask: np.ndarray
    box: Box | None
    target: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Photos:
    """They are `Inputs` of `sample`."""

    scene: np.ndarray
    scene_id: str
    items: tuple[Item, ...]
    shape_control: bool
    stitch: str
    told: str
    left_out: tuple[dict[str, str], ...] = ()
    one_by_one: bool = True  # an object goes into the scene with those before it

    def described(self) -> dict[str, Any]:
        """What makes it these photos, without their paths."""
        digests = [
            {"reference": photos.digest(one.image), "mask": photos.digest(one.mask), "box": one.box}
            | ({} if one.target is None else {"target": photos.digest(one.target)})
            for one in self.items
        ]
        settings = {"stitch": self.stitch, "shape_control": self.shape_control}
        return settings | {"photos": {"scene": photos.digest(self.scene), "objects": digests}}

    def finish(self, sampler: Sampler) -> Stitch:
        return Stitch(sampler, self.stitch)

    def tasks(self, folder: Path) -> list[Task]:
        """One per object; each reads the result of the one before it from `folder`."""
        tasks: list[Task] = []
        for place, item in enumerate(self.items):
            before = tasks[-1] if tasks else None
            record_id = f"{before.record_id if before else self.scene_id}+{item.reference_id}"
            box = object_pairs.of_record(self.record(place, self.scene)).box
            tasks.append(
                Task(
                    record_id=record_id,
                    file=outputs.file_name(record_id),
                    read=_Reader(self, place, folder / before.file if before else None),
                    purpose=Purpose.PHOTOS,
                    row={
                        "reference_id": item.reference_id,
                        "scene_id": self.scene_id,
                        "box": " ".join(map(str, box)),
                    },
                    notes={"Reference": item.reference_id},
                )
            )
        return tasks

    def record(self, place: int, scene: np.ndarray) -> dict[str, Any]:
        """An object pair as `prepare` takes it; `dynamics` is what a user's photos are not."""
        item = self.items[place]
        pictures = {"reference_image": item.image, "reference_mask": item.mask, "target_image": scene}
        shape = item.target if self.shape_control else None
        return pictures | {"target_mask": item.target, PLACE: item.box, SHAPE: shape, "dynamics": "video"}


def load(flags: "Flags", pieces: Sequence["Piece"], setting: "Setting", device: str) -> Photos:
    """Reads all files, and finds the objects that no mask shows. Raises UsageError."""
    scene = photos.read(flags.scene, "--scene")
    finder = object_masks.Finder(flags.annotator_weights, device, flags.refine_masks)
    items, notes = [], []
    for piece in pieces:
        found = finder(piece.reference, piece.reference_mask, piece.reference_box)
        box, target = piece.box, None
        if piece.mask:
            mask = photos.read_mask(piece.mask, "--mask", (scene.shape[0], scene.shape[1]))
            target = mask.value
            notes.append(mask.note)
        elif box is not None:
            _check_box("--box", box, scene)
        items.append(Item(photos.name_of(piece.reference), found.image, found.mask, box, target))
        notes.append(found.note)
    if flags.move:
        scene = removal.without(scene, np.maximum.reduce([item.mask for item in items]))
    told = "; ".join(filter(None, notes))
    return Photos(scene, photos.name_of(flags.scene), tuple(items), flags.shape_control, flags.stitch, told)


def _check_box(flag: str, box: Box, photo: np.ndarray) -> None:
    height, width = photo.shape[:2]
    if boxes.clip(box, height, width) != box:
        raise UsageError(f"{flag} {','.join(map(str, box))} lies outside of its photo; allowed is 0,0,{width},{height}")


@dataclass(frozen=True)
class _Reader:
    """The record of one object, in the scene as it is by then."""

    photos: Photos
    place: int
    before: Path | None

    def __call__(self) -> dict[str, Any]:
        """Raises Rejection when the object before gave no result."""
        scene = self.photos.scene
        if self.before is not None:
            scene = result_before(self.before, "no_scene", "object")
        return self.photos.record(self.place, scene)
