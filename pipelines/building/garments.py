"""Which part of a photo is the garment, known while the photo is read: before it is placed on its canvas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from annotators import category as categories
from annotators.common import registry
from annotators.functional import canvas, masks
from annotators.functional import garment_mask as garment_masks
from pipelines.building.configuration import Configuration
from schemas import codecs, record
from schemas.cli import options
from schemas.labels import Category, Cihp

WORN = "worn"
Parse = Callable[[np.ndarray], np.ndarray | None]  # photo uint8 [h w 3] → CIHP ids uint8 [h w]; None without a parser

# Of somebody who wears the garment; specs/annotations.md §6 for the upper body.
_WORN_LABELS: dict[str, tuple[Cihp, ...]] = {
    Category.UPPER_BODY: (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT),
    Category.LOWER_BODY: (Cihp.PANTS, Cihp.SKIRT),
    Category.DRESSES: (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.SKIRT),
}
_SMALLEST_PART = 0.02  # of the largest component


@dataclass(frozen=True)
class Cut:
    """A garment's mask uint8 [h w], which annotator's it is ("": the dataset's), and a note; None where it failed."""

    mask: np.ndarray | None
    annotator: str
    note: str


def by_alpha(photo: codecs.Photo, view: str | None) -> Cut:
    """The picture's own transparency as the garment's mask; around somebody who wears it, it isn't that."""
    if photo.alpha is None or view == WORN:
        return Cut(None, "", "")
    mask, note = garment_masks.of_alpha(photo.alpha, photo.pixels)
    return Cut(
        mask, "", note if mask is not None else f"{record.ALPHA_LEFT_OUT}: {note}" if note and photo.alpha.any() else ""
    )


def cut(photo: np.ndarray, record: Mapping[str, Any], configuration: Configuration, parse: Parse) -> Cut:
    """The garment of a photo uint8 [h w 3] of any size: a flat one by its colours, a worn one by a parse of the photo.

    `record`: the garment's view, and its category or what tells it.
    """
    small = canvas.reduce(photo)  # the masks' thresholds are made for this size
    cut_out = _worn(small, record, parse) if record.get("garment_view") == WORN else _flat(small, configuration)
    return cut_out if cut_out.mask is None else replace(cut_out, mask=canvas.enlarge(cut_out.mask, *photo.shape[:2]))


def _flat(photo: np.ndarray, configuration: Configuration) -> Cut:
    config = configuration.configs().get("garment_mask") or registry.config("garment_mask")
    settings = "; ".join(f"{key}={value}" for key, value in options.settings(config).items())
    if config.backend != "classical":
        (columns,) = _segmenter(config)([{"garment_image": photo}])
        return Cut(columns["garment_mask"], "garment_mask", columns.get("notes", {}).get("garment_mask", settings))
    mask = garment_masks.find(photo, config.refine)
    reason = garment_masks.doubt(mask, photo)
    return Cut(None, "garment_mask", reason) if reason else _unless_doubtful(Cut(mask, "garment_mask", settings))


@lru_cache(maxsize=1)
def _segmenter(config: Any) -> Any:
    """The annotator of a model, loaded once."""
    return config.build()


def _worn(photo: np.ndarray, record: Mapping[str, Any], parse: Parse) -> Cut:
    label_map = parse(photo)
    category = categories.decide({**record, "parse": label_map, "paired": True})["category"]  # of this very photo
    if category is None:
        return Cut(None, "parsing", "worn, and no category says which clothes to cut out")
    if label_map is None:
        return Cut(None, "parsing", "worn, and no parse to cut it out by")
    mask = masks.keep_components(masks.of_labels(label_map, _WORN_LABELS[category]), _SMALLEST_PART)
    return _unless_doubtful(Cut(mask, "parsing", f"worn: {category} of the photo's parse"))


def _unless_doubtful(cut_out: Cut) -> Cut:
    if cut_out.mask is None or not garment_masks.is_doubtful(cut_out.mask):
        return cut_out
    return Cut(None, cut_out.annotator, f"a mask of {masks.share(cut_out.mask):.0%} of the photo is doubtful")
