"""Where an object is in a photo: by a mask's file, the photo's transparency, or a box in which it is looked for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.functional import boxes, garment_mask, masks
from annotators.functional.boxes import Box
from annotators.tracking import choosing
from schemas.cli.flags import UsageError, one_line
from schemas.foreign import Annotation
from vton_models.sampling import photos

_RIM = 0.04  # of a photo's sides: where no object is looked for when nothing tells its box

_TOLD = {"classical": "GrabCut", "sam2": "SAM 2"}  # what looks for an object, by the tracker's name


@dataclass(frozen=True, eq=False)
class Found:
    """A photo uint8 [h w 3], the object's mask uint8 [h w] 0/255, and a line for people, or none."""

    image: np.ndarray
    mask: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Finder:
    """Finds objects by SAM 2 where its weights are in the folder, else by GrabCut.

    `refiner` is the file of the network that makes outlines of coarse masks, or empty.
    """

    weights: str
    device: str
    refiner: str = ""

    def __call__(self, path: str, mask: str, box: Box | None) -> Found:
        """Raises UsageError for what can't be read, and where no object is found."""
        flag = "--reference"
        photo = photos.read_photo(path, flag)
        height, width = photo.pixels.shape[:2]
        if mask:
            read = photos.read_object_mask(mask, "--reference-mask", (height, width))
            return self._refined(photo.pixels, read) if self.refiner else Found(photo.pixels, read.value, read.note)
        if box is None and photo.alpha is not None:
            cut_out, _ = garment_mask.of_alpha(photo.alpha, photo.pixels)
            if cut_out is not None:
                return Found(photo.pixels, cut_out, f"{flag} {path}: its mask is its transparency")
        if box is None:
            mask_of_all = garment_mask.find(photo.pixels)
            if not garment_mask.doubt(mask_of_all, photo.pixels):
                return Found(photo.pixels, mask_of_all, f"{flag} {path}: its object is what its plain background isn't")
        return self._searched(path, photo.pixels, box)

    def _refined(self, image: np.ndarray, coarse: Annotation) -> Found:
        from annotators.networks import mask_refiner  # torch waits until a mask is refined

        try:
            refined = mask_refiner.load(Path(self.refiner), self.device).refine(image, coarse.value)
        except ValueError as error:
            raise UsageError(f"--refine-masks {one_line(error)}") from None
        if not refined.any():
            raise UsageError("--refine-masks leaves nothing of --reference-mask; allowed is a mask that needs none")
        return Found(image, refined, "; ".join(filter(None, (coarse.note, "--reference-mask was refined"))))

    def _searched(self, path: str, image: np.ndarray, box: Box | None) -> Found:
        height, width = image.shape[:2]
        if box is not None and boxes.clip(box, height, width) != box:
            words = ",".join(map(str, box))
            raise UsageError(f"--reference-box {words} lies outside of {path}; allowed is 0,0,{width},{height}")
        rim_x, rim_y = round(_RIM * width), round(_RIM * height)
        where = box or (rim_x, rim_y, width - rim_x, height - rim_y)
        tracker, mask = self._in_box(image, where)
        mask = masks.keep_components(mask) if mask.any() else mask
        if not mask.any():
            raise UsageError(f"no object is found in --reference {path}; allowed is --reference-mask FILE")
        place = "in its box" if box is not None else "in its middle: --reference-box or --reference-mask tell better"
        return Found(image, mask, f"--reference {path}: its object was looked for by {tracker} {place}")

    def _in_box(self, image: np.ndarray, box: Box) -> tuple[str, np.ndarray]:
        try:
            chosen = choosing.choose(choosing.AUTO, self.weights)
            return _TOLD[chosen.name], choosing.in_box(chosen, self.device, image, box)
        except ValueError as error:
            raise UsageError(one_line(error)) from None
