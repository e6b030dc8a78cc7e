"""Photos of one thing with its mask: MSRA10K, DUTS (training and test), and HFlickr of iHarmony4."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, views
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries, beside, first_folder, stem
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.folders import InputFolder
from schemas.kinds.object_pair import STILL
from schemas.messages import printable

DATASET = "saliency"
EXPECTED = (
    "MSRA10K_Imgs_GT/x.jpg and x.png, DUTS-TR/DUTS-TR-Image and DUTS-TR-Mask, DUTS-TE alike,"
    " HFlickr/real_images/x.jpg and masks/x_….png: one of them or several"
)
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=False)


@dataclass(frozen=True)
class Photos:
    """Where a set's photos and their masks may lie, named alike."""

    name: str
    images: Sequence[str]
    masks: Sequence[str]


SETS = (
    Photos("MSRA10K", ("MSRA10K_Imgs_GT/Imgs", "MSRA10K_Imgs_GT"), ("MSRA10K_Imgs_GT/Imgs", "MSRA10K_Imgs_GT")),
    Photos("DUTS-TR", ("DUTS-TR/DUTS-TR-Image", "DUTS-TR-Image"), ("DUTS-TR/DUTS-TR-Mask", "DUTS-TR-Mask")),
    Photos("DUTS-TE", ("DUTS-TE/DUTS-TE-Image", "DUTS-TE-Image"), ("DUTS-TE/DUTS-TE-Mask", "DUTS-TE-Mask")),
)
HFLICKR = ("HFlickr/masks", "HFlickr/real_images")


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """All belong to the training split, DUTS-TE too, as upstream trains on them."""
    found = Entries(root, dataset, split)
    folders: list[str] = []
    for photos in SETS if found.wants("train") else ():
        images, masks = (first_folder(root, *places) for places in (photos.images, photos.masks))
        if images is not None:
            folders += [images, masks or photos.masks[0]]
            _add(found, photos.name, images, masks or photos.masks[0])
    for path in found.pictures(HFLICKR[0]) if found.wants("train") else ():
        name = stem(path).split("_")[0]
        values = {"object_id": printable(stem(path)[len(name) + 1 :]) or "1"}
        roles = {"image": beside(HFLICKR[1], name), "mask": [path]}
        found.add("train", f"HFlickr/{name}", roles, values, values["object_id"])
    return found.closed([*dict.fromkeys(folders), *HFLICKR], EXPECTED)


def _add(found: Entries, name: str, images: str, masks: str) -> None:
    for path in found.pictures(images):
        if images != masks or not path.lower().endswith(".png"):
            roles = {"image": [path], "mask": [f"{masks}/{stem(path)}.png"]}
            found.add("train", f"{name}/{stem(path)}", roles, {"object_id": "1"})


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _still(item, root, settings))


def _still(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, STILL, 1, 1)
    photo = views.frame(item, root, "image")
    own = views.half(photo, views.grey_mask(item, root, "mask"), stem(photo.path))
    yield views.pair(item, settings, terms, str(item.values["object_id"]), own)
