"""The region to repaint of a photo that comes without a mask, by CatVTON's AutoMasker on `annotators.annotate`."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import annotators
from annotators.common import registry, weights
from annotators.functional import canvas
from schemas.cli.flags import UsageError, one_line

RECIPE = "catvton"
COLUMN = "agnostic_mask"
_CATEGORIES = {"lower": "lower_body", "overall": "dresses"}


def check(folder: str, device: str, mask_flags: str) -> None:
    """Raises UsageError naming both ways on when weights that a mask takes aren't on this machine; loads nothing."""
    lacking = list(dict.fromkeys(_missing(_configs("upper", folder, device), COLUMN)))
    if lacking:
        option = f" --weights {folder}" if folder else ""
        raise UsageError(
            f"the photo needs a mask, and weights that draw one are missing ({', '.join(lacking)});"
            f" ways on: {mask_flags} (white = repaint), or `python -m annotators fetch {' '.join(lacking)}{option}`"
        )


def draw(photo: np.ndarray, types: tuple[str, ...], folder: str, device: str, mask_flags: str) -> dict[str, np.ndarray]:
    """Type → mask uint8 [h w] 0/255 of a photo uint8 [h w 3]; drawn on at most 1024 pixels, as the maps are coarser.

    Raises UsageError when nobody is found in the photo or nothing of that type.
    """
    height, width = photo.shape[:2]
    found: dict[str, Any] = {"person_image": canvas.reduce(photo)}
    drawn = {}
    for kind in types:
        found |= {"category": _CATEGORIES.get(kind, "upper_body"), COLUMN: None}
        configs = {"agnostic": _configs(kind, folder, device)["agnostic"]}
        try:
            (found,) = annotators.annotate([found], (COLUMN,), weights=folder or None, device=device, configs=configs)
        except (ValueError, RuntimeError) as error:
            raise UsageError(
                f"no {kind} mask can be drawn of the photo: {one_line(error)}; allowed is {mask_flags}"
            ) from None
        if found.get(COLUMN) is None:
            raise UsageError(f"no {kind} mask can be drawn of the photo; allowed is {mask_flags}")
        drawn[kind] = canvas.enlarge(found[COLUMN], height, width)
    return drawn


def _configs(kind: str, folder: str, device: str) -> dict[str, Any]:
    """Every annotator's Config, as `annotate` would make it for a mask of this type."""
    common = {"weights_dir": folder or None, "device": device}
    made = {name: registry.config(name, **common) for name in registry.names()}
    return made | {"agnostic": registry.config("agnostic", recipe=RECIPE, mask_type=kind)}


def _missing(configs: Mapping[str, Any], column: str) -> Iterator[str]:
    """Weights that lack, of the annotators that a column needs, inputs first."""
    writers = registry.owners(dict(configs)).get(column, [])
    if writers:
        made = configs[writers[0]]
        for needed in registry.inputs(writers[0], made):
            yield from _missing(configs, needed)
        folder = getattr(made, "weights_dir", None) or ""
        yield from (name for name in registry.needs_weights(made) if not weights.available(name, folder))
