"""Garments given as photos, each in every prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import annotators
from annotators.functional import garment_mask
from schemas import codecs
from schemas.cli.flags import UsageError, one_line
from schemas.kinds import TRYON
from vton_models.reading import view
from vton_models.sampling import outputs, photos
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Sampler, Task
from vton_models.system import INIT_IMAGE, PROMPT, Purpose

if TYPE_CHECKING:
    from vton_models.sampling.tasks import Setting
    from vton_models.sampling.tasks.garment_to_person import Wishes

MASK = "garment_mask"


@dataclass(frozen=True, eq=False)
class Garment:
    """A photo, decoded, by the name that it has in results; a mask where the system reads one."""

    name: str
    image: np.ndarray
    mask: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Garments:
    """They are `Inputs` of `sample`."""

    garments: tuple[Garment, ...]
    wishes: "Wishes"
    init_image: np.ndarray | None
    told: str = ""
    left_out: tuple[dict[str, str], ...] = ()
    one_by_one: bool = False

    def described(self) -> dict[str, Any]:
        """What makes it these photos and texts, without paths."""
        garments = [
            {"garment": photos.digest(one.image)} | ({} if one.mask is None else {"mask": photos.digest(one.mask)})
            for one in self.garments
        ]
        return {"photos": {"garments": garments}, **asked(self.wishes, self.init_image)}

    def finish(self, sampler: Sampler) -> Finish:
        return Finish(sampler)

    def tasks(self, folder: object) -> list[Task]:
        """Garment by garment, prompt by prompt; ids tell places, so that every picture has its own noise."""
        return [
            Task(
                record_id=(record_id := place_of(garment.name, number, image)),
                file=outputs.file_name(record_id),
                read=_Reader(garment, self.wishes.prompt(prompt), self.init_image),
                purpose=Purpose.PHOTOS,
                row={"garment_id": garment.name, PROMPT: self.wishes.prompt(prompt)},
                notes={"Garment": garment.name, "Prompt": self.wishes.prompt(prompt)},
            )
            for garment in self.garments
            for number, prompt in enumerate(self.wishes.prompts)
            for image in range(self.wishes.num_images)
        ]


@dataclass(frozen=True, eq=False)
class _Reader:
    garment: Garment
    prompt: str
    init_image: np.ndarray | None

    def __call__(self) -> dict[str, Any]:
        photo = {"garment_image": self.garment.image, MASK: self.garment.mask}
        return photo | {PROMPT: self.prompt, INIT_IMAGE: self.init_image}


def place_of(name: str, prompt: int, image: int) -> str:
    """The id of a result."""
    return f"{name}/{prompt:03d}/{image:03d}"


def asked(wishes: "Wishes", init_image: np.ndarray | None) -> dict[str, Any]:
    """For config.json: prompts and numbers, and what sampling begins with."""
    begins = None if init_image is None else photos.digest(init_image)
    return {"prompts": list(wishes.prompts), "num_images": wishes.num_images, INIT_IMAGE: begins}


def init_image(wishes: "Wishes") -> np.ndarray | None:
    """Raises UsageError for a file that is no picture."""
    return photos.read(wishes.init_image, "--init-image") if wishes.init_image else None


def load(files: Sequence[str], masks: Sequence[str], wishes: "Wishes", setting: "Setting") -> Garments:
    """Decodes everything, and tells garments from their background where the system reads masks. Raises UsageError."""
    reads = setting.config.reads(TRYON.name)
    if view.MASK in reads.needed:
        raise UsageError("--garment beside a model that repaints persons; allowed is --shards DIR")
    needed, begins = MASK in reads.needed, init_image(wishes)
    stems, notes = [photos.name_of(file) for file in files], list[str]()
    garments = []
    for place, file in enumerate(files):
        photo, mask = photos.read_photo(file, "--garment"), None
        image = photo.pixels
        if masks:
            read = photos.read_object_mask(masks[place], "--garment-mask", (image.shape[0], image.shape[1]))
            mask, notes = read.value, [*notes, *([read.note] if read.note else [])]
        elif needed:
            mask = _told_apart(photo, file)
        name = stems[place] if stems.count(stems[place]) == 1 else f"{stems[place]}-{place}"
        garments.append(Garment(name, image, mask))
    return Garments(tuple(garments), wishes, begins, "; ".join(notes))


def _told_apart(photo: codecs.Photo, file: str) -> np.ndarray:
    """A garment's mask: its photo's alpha, or what isn't the plain background. Raises UsageError without either."""
    cut_out = None if photo.alpha is None else garment_mask.of_alpha(photo.alpha, photo.pixels)[0]
    if cut_out is not None:
        return cut_out
    try:
        (annotated,) = annotators.annotate([{"garment_image": photo.pixels, "garment_view": "flat"}], (MASK,))
        mask = annotated.get(MASK)
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"--garment {file}: {one_line(error)}; allowed is --garment-mask FILE") from None
    if mask is None:
        raise UsageError(f"--garment {file}: nothing stands out from its background; allowed is --garment-mask FILE")
    return np.asarray(mask)
