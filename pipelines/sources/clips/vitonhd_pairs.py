"""VITON-HD (arXiv:2103.16874) as object pairs: the garment alone, and worn."""

from collections.abc import Iterator
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, views
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries, beside, stem
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from pipelines.sources.tryon.vitonhd import GARMENT_FOLDERS, PERSON_FOLDERS, SPLITS
from schemas.folders import InputFolder
from schemas.labels import Cihp

DATASET = "vitonhd_pairs"
EXPECTED = "train/ or test/ with cloth/, image/, cloth-mask/ and image-parse-v3/, files named alike"
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=True, largest_box=1.0)
MASKS, PARSES = GARMENT_FOLDERS["garment_mask"][0], PERSON_FOLDERS["parse"][0]


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """A garment with the person of its own name, whatever lists of other pairs there are."""
    found = Entries(root, dataset, split)
    folders = [f"{name}/{part}" for name in SPLITS for part in ("cloth", "image", *MASKS, *PARSES) if found.wants(name)]
    for name in filter(found.wants, SPLITS):
        for path in found.pictures(f"{name}/cloth"):
            garment = stem(path)
            roles = {
                "garment": [path],
                "person": beside(f"{name}/image", garment),
                "garment_mask": [place for part in MASKS for place in beside(f"{name}/{part}", garment)],
                "parse": [f"{name}/{part}/{garment}.png" for part in PARSES],
            }
            found.add(name, garment, roles)
    return found.closed(folders, EXPECTED)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _pair(item, root, settings))


def _pair(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, "high_quality", 1, 1)
    garment = views.half(views.frame(item, root, "garment"), views.grey_mask(item, root, "garment_mask"), "cloth")
    worn = views.label_mask(item, root, "parse", (Cihp.UPPER_CLOTHES,))
    yield views.pair(
        item, settings, terms, "garment", garment, views.half(views.frame(item, root, "person"), worn, "image", 1)
    )
