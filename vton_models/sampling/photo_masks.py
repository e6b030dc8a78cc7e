"""The region to repaint of a photo that comes without a mask, by the recipe that a system asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import annotators
from annotators.common import registry, weights
from annotators.functional import canvas, crosschecks
from annotators.functional.agnostic import RECIPES
from schemas.cli.flags import UsageError, one_line
from vton_models.reading.view import MASK
from vton_models.system import Reads


@dataclass(frozen=True)
class Drawn:
    """Mask type → mask uint8 [h w] 0/255 of a photo, and the mask of the whole person where that is known."""

    masks: Mapping[str, np.ndarray]
    person: np.ndarray | None


@dataclass(frozen=True)
class PhotoMasks:
    """What draws masks: the recipe and its settings, the folder of the annotators' weights, and their device.

    `mask_flags` is what a user may give instead, named in every error.
    """

    recipe: str
    options: Mapping[str, str]
    folder: str
    device: str
    mask_flags: str

    def check(self) -> None:
        """Raises UsageError naming the ways on when weights that a mask takes aren't on this machine; loads nothing."""
        if not self.recipe:
            raise UsageError(
                f"the photo needs a mask, and this system has no recipe for one; allowed is {self.mask_flags}"
            )
        lacking = list(dict.fromkeys(missing(self._configs(next(iter(regions(self.recipe)))), MASK)))
        if lacking:
            option = f" --weights {self.folder}" if self.folder else ""
            raise UsageError(
                f"the photo needs a mask, and weights that draw one are missing ({', '.join(lacking)}); ways on:"
                f" {self.mask_flags} (white = repaint), or `python -m annotators fetch {' '.join(lacking)}{option}`"
            )

    def draw(self, photo: np.ndarray, types: tuple[str, ...]) -> "Drawn":
        """Masks of a photo uint8 [h w 3], and the person where a recipe reads a parse.

        They are drawn on at most 1024 pixels, as the maps are coarser. Raises UsageError when nobody is found in the
        photo or nothing of that type.
        """
        height, width = photo.shape[:2]
        record: dict[str, Any] = {"person_image": canvas.reduce(photo)}
        drawn = {}
        for kind in types:
            record = self._annotated(record | {"category": regions(self.recipe)[kind], MASK: None}, kind)
            drawn[kind] = canvas.enlarge(record[MASK], height, width)
        parse = record.get("parse")
        body = crosschecks.person(parse if isinstance(parse, np.ndarray) else None, None, None)
        person = None if body is None else canvas.enlarge(body.astype(np.uint8) * np.uint8(255), height, width)
        return Drawn(drawn, person)

    def _annotated(self, record: dict[str, Any], kind: str) -> dict[str, Any]:
        configs = {"agnostic": self._configs(kind)["agnostic"]}
        folder, device = self.folder or None, self.device
        try:
            (annotated,) = annotators.annotate([record], (MASK,), weights=folder, device=device, configs=configs)
        except (ValueError, RuntimeError) as error:
            raise UsageError(
                f"no {kind} mask can be drawn of the photo: {one_line(error)}; allowed is {self.mask_flags}"
            ) from None
        if annotated.get(MASK) is None:
            raise UsageError(f"no {kind} mask can be drawn of the photo; allowed is {self.mask_flags}")
        return annotated

    def _configs(self, kind: str) -> dict[str, Any]:
        """Every annotator's Config, as `annotate` would make it for a mask of this type."""
        common = {"weights_dir": self.folder or None, "device": self.device}
        configs = {name: registry.config(name, **common) for name in registry.names()}
        agnostic = registry.config("agnostic", recipe=self.recipe, mask_type=kind, **self.options)
        return configs | {"agnostic": agnostic}


def of(reads: Reads, folder: str, device: str, mask_flags: str) -> PhotoMasks:
    """What draws the masks that a system reads."""
    return PhotoMasks(reads.mask_recipe, reads.mask_options, folder, device, mask_flags)


def regions(recipe: str) -> dict[str, str]:
    """The mask types of a recipe, with the category of the garment that each makes room for."""
    return dict(RECIPES[recipe].regions)


def missing(configs: Mapping[str, Any], column: str) -> Iterator[str]:
    """Weights that lack, of the annotators that a column needs, inputs first."""
    writers = registry.owners(dict(configs)).get(column, [])
    if writers:
        config = configs[writers[0]]
        for needed in registry.inputs(writers[0], config):
            yield from missing(configs, needed)
        folder = getattr(config, "weights_dir", None) or ""
        yield from (name for name in registry.needs_weights(config) if not weights.available(name, folder))
