"""From a pair of pictures, or a try-on record, to what AnyDoor's networks take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from annotators.functional import boxes
from annotators.functional.placement import acceptance, collage, outlines
from annotators.functional.placement.acceptance import Rule
from annotators.functional.placement.collage import Composite, Form, Placement, Reference
from schemas.kinds.object_pair import DYNAMICS
from vton_models.anydoor.ablations import CONTENTS
from vton_models.networks import object_pairs, pictures
from vton_models.networks.object_pairs import SHAPE, Pair
from vton_models.system import Box, Record

_TRYON = Rule(both_sides=True, largest_box=1.0)
_FIXED = Form((12, 13), (20, 21), padded_by_cast=False, margin=3)  # `run_inference.py`'s room, the paper's crop
_LEVELS = {collage.PAD: 0, collage.KEEP: 128, collage.GENERATE: 255}  # of the mask as a picture


@dataclass(frozen=True)
class Prepare:
    """One record → uint8 tensors: reference [3 224 224], scene and collage [3 s s], mask [1 s s], and the dynamics.

    The mask is 0 in the padding, 128 where the scene is kept, 255 where it is generated. The high-frequency map in the
    collage is that of the augmented reference. Where it `declines`, a try-on record that AnyDoor's rule turns down
    raises ValueError, as does a record with parts that are absent or of sizes that differ.
    """

    side: int
    augments: bool
    declines: bool
    contents: str = "high_frequency"  # of the collage's box, by the names of `ablations.CONTENTS`
    background: bool = False  # whether what is around the reference's object is seen too

    def __call__(self, record: Record, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        pair = object_pairs.of_record(record)
        if self.declines and pair.is_tryon:
            reason = acceptance.declined(pair.reference_mask, pair.scene_mask, _TRYON)
            if reason:
                raise ValueError(f"declined by AnyDoor's rules: {reason}")
        chance = self._chance(generator)
        if chance is None:
            ratio = outlines.ratio(_FIXED.reference_ratios, _nothing())
            reference = cut(pair, ratio)
            composite = self._composite(pair, reference, record.get(SHAPE))
        else:
            ratio = outlines.ratio(collage.TRAINING.reference_ratios, chance)
            change = augmentation(chance)
            reference = change(cut(pair, ratio))
            composite = self._drawn_composite(pair, reference, chance)
        if self.background:
            reference = cut(pair, ratio, background=True)
            reference = reference if chance is None else change(reference)
        mask = np.zeros(composite.mask.shape, np.uint8)
        for value, level in _LEVELS.items():
            mask[composite.mask == value] = level
        shown = {"reference": reference.image, "scene": composite.scene, "collage": composite.collage, "mask": mask}
        tensors = {name: pictures.to_tensor(picture) for name, picture in shown.items()}
        return tensors | {"dynamics": torch.tensor(DYNAMICS.index(pair.dynamics))}

    def seen(self, prepared: Mapping[str, Any]) -> dict[str, Any]:
        """All of them are what the networks see."""
        return dict(prepared)

    def visible(self, record: Record) -> Box:
        """The crop of the scene, as it is where nothing is drawn."""
        return _placement(object_pairs.of_record(record)).crop

    def _chance(self, generator: torch.Generator | None) -> np.random.Generator | None:
        if not self.augments or generator is None:
            return None
        return np.random.default_rng(int(torch.randint(1 << 62, (1,), generator=generator)))

    def _composite(self, pair: Pair, reference: Reference, shape: np.ndarray | None) -> Composite:
        placement = _placement(pair)
        shown = None if shape is None else boxes.crop(shape, placement.crop)
        contents = CONTENTS[self.contents](reference, _nothing())
        return collage.compose(pair.scene, contents, placement, shown, side=self.side)

    def _drawn_composite(self, pair: Pair, reference: Reference, draws: np.random.Generator) -> Composite:
        placement = collage.around(pair.box, pair.scene_mask.shape, collage.TRAINING.crop_ratios, draws)
        shape = collage.training_shape(pair.scene_mask, placement, draws)
        contents = CONTENTS[self.contents](reference, draws)
        return collage.compose(pair.scene, contents, placement, shape, side=self.side)


def _placement(pair: Pair) -> Placement:
    """Without chance."""
    return collage.around(pair.box, pair.scene_mask.shape, _FIXED.crop_ratios, _nothing())


def cut(pair: Pair, ratio: float, background: bool = False) -> Reference:
    """The reference's object on white, or with its background."""
    return collage.cut_reference(pair.reference, pair.reference_mask, ratio, background)


def augmentation(draws: np.random.Generator) -> Callable[[Reference], Reference]:
    """Mirrors, and makes lighter or darker with the white margin, each in half of the draws (albumentations 1.3.0)."""
    mirrors, lights = draws.random() < 0.5, draws.random() < 0.5
    contrast, brightness = (draws.uniform(0.8, 1.2), draws.uniform(-0.2, 0.2)) if lights else (1.0, 0.0)
    table = np.clip(np.arange(256) * contrast + 255 * brightness, 0, 255).astype(np.uint8)

    def changed(reference: Reference) -> Reference:
        image, mask = reference.image, reference.mask
        if mirrors:
            image, mask = (np.ascontiguousarray(one[:, ::-1]) for one in (image, mask))
        return Reference(cv2.LUT(image, table), mask)

    return changed


def _nothing() -> np.random.Generator:
    """For forms whose ratios leave no choice."""
    return np.random.default_rng(0)
