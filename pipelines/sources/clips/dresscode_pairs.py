"""Dress Code (Morelli et al., CVPRW 2022) as object pairs: the garment alone, told by its white ground, and worn.

Upstream reads tops only; trousers, skirts and dresses have their own labels here.
"""

from collections.abc import Iterator
from typing import Any

from annotators.functional import masks
from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, views
from pipelines.sources.clips.pairs.frames import Frame
from pipelines.sources.clips.pairs.objects import ObjectMask
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries, beside, stem
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.folders import InputFolder
from schemas.labels import Atr, Category

DATASET = "dresscode_pairs"
EXPECTED = "upper_body/, lower_body/ or dresses/ with images/ID_0.jpg, images/ID_1.jpg and label_maps/ID_4.png"
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=True, largest_box=1.0)
WORN = {
    Category.UPPER_BODY: (Atr.UPPER_CLOTHES,),
    Category.LOWER_BODY: (Atr.SKIRT, Atr.PANTS),
    Category.DRESSES: (Atr.DRESS,),
}
WHITE = 240  # a garment's red lies below it


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """Every garment with the person of its own id, all in the training split: the lists pair tests with others."""
    found = Entries(root, dataset, split)
    for category in Category if found.wants("train") else ():
        images = f"{category}/images"
        for path in found.pictures(images):
            own_id = stem(path).removesuffix("_1")
            if own_id == stem(path):
                continue
            roles = {
                "garment": [path],
                "person": beside(images, f"{own_id}_0"),
                "parse": [f"{category}/label_maps/{own_id}_4.png"],
            }
            found.add("train", f"{category}/{own_id}", roles, {"category": str(category)})
    return found.closed([f"{category}/{part}" for category in Category for part in ("images", "label_maps")], EXPECTED)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _pair(item, root, settings))


def _pair(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, "high_quality", 1, 1)
    garment = views.frame(item, root, "garment")
    worn = views.label_mask(item, root, "parse", WORN[Category(item.values["category"])])
    yield views.pair(
        item,
        settings,
        terms,
        "garment",
        views.half(garment, _not_white(garment), "1"),
        views.half(views.frame(item, root, "person"), worn, "0", 1),
    )


def _not_white(garment: Frame) -> ObjectMask:
    return ObjectMask(masks.as_mask(garment.pixels[..., 0] < WHITE), annotator=f"red<{WHITE}")
