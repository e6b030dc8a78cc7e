"""Garment foreground of a flat garment photo: by what its plain background leaves, or by a segmentation model.

Also, when asked, the worn garment: cut out of the person's photo by its parse onto white, which is what IDM-VTON's
customization from a worn garment needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from annotators.common import weights
from annotators.functional import garment_mask
from schemas import fields
from schemas.cli.options import option, runtime
from schemas.record import TORN

READS = ("garment_image",)
VERSION = 2  # raised when masks change under the same settings, so that shards with older ones are built anew
MAY_READ = ("garment_view", "person_image", "parse", "category")

Segment = Callable[[Sequence[np.ndarray]], list[np.ndarray]]  # photos uint8 [h w 3] RGB → masks uint8 [h w] 0/255


BACKENDS = ("classical", "u2net", "transformers", "auto")


@dataclass(frozen=True)
class Config:
    backend: str = option("classical", "what finds the garment; auto: a model whose weights are there", BACKENDS)
    refine: bool = option(False, "for classical: refine the edge with GrabCut, about a second more per garment")
    model_id: str = option("mattmdjaga/segformer_b2_clothes", "for transformers: hub id or folder")
    garment_from_person: bool = option(False, "also write worn_garment_image and _mask, cut by parse onto white")
    device: str = runtime("cpu", "cpu, cuda, cuda:N or mps")
    batch_size: int = runtime(8, "photos at once")
    weights_dir: str = runtime("", "folder that holds the weights")

    def fields(self) -> tuple[pa.Field, ...]:
        worn = (fields.image("worn_garment_image"), fields.mask("worn_garment_mask"))
        return (fields.mask("garment_mask"), *(worn if self.garment_from_person else ()))

    def weights(self) -> tuple[str, ...]:
        return _WEIGHTS.get(self.resolved().backend, lambda config: ())(self)

    def resolved(self) -> "Config":
        """With `auto` made the first backend whose weights are on this machine, classical where none has any."""
        if self.backend != "auto":
            return self
        here = [
            name
            for name, needed in _WEIGHTS.items()
            if all(weights.available(item, self.weights_dir) for item in needed(self))
        ]
        return replace(self, backend=here[0] if here else "classical")

    def build(self) -> "GarmentMask":
        """Raises weights.MissingWeights, and ValueError for a device, or weights, that can't be used."""
        return GarmentMask(self)


class GarmentMask:
    def __init__(self, config: Config) -> None:
        config = config.resolved()
        self.from_person, self.any_view = config.garment_from_person, config.backend != "classical"
        self.segment: Segment = _BACKENDS[config.backend](config)

    def __call__(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """{"garment_mask": uint8 [h w] 0/255} per record; worn_garment_image (white outside) and _mask where asked for.

        None for a worn garment by colour, which can't tell cloth from body, and, with a note, where nothing stands out
        or the mask can't be right.
        """
        seen = [
            number for number, record in enumerate(records) if self.any_view or record.get("garment_view") != "worn"
        ]
        masks = dict(zip(seen, self.segment([records[number]["garment_image"] for number in seen]), strict=True))
        return [self._columns(record, masks.get(number)) for number, record in enumerate(records)]

    def _columns(self, record: dict[str, Any], mask: np.ndarray | None) -> dict[str, Any]:
        columns: dict[str, Any] = {"garment_mask": mask}
        by_model = mask is not None and self.any_view and mask.any()  # rifts and fullness are faults of colours' masks
        if mask is not None and not by_model and (doubt := garment_mask.doubt(mask, record["garment_image"])):
            columns = {"garment_mask": None, "notes": {"garment_mask": f"{TORN}: {doubt}"}}
        if self.from_person and record.get("parse") is not None:
            worn = garment_mask.worn(record["parse"], record.get("category"))
            if worn.any():
                cut = garment_mask.on_white(record["person_image"], worn)
                columns |= {"worn_garment_image": cut, "worn_garment_mask": worn}
        return columns


# Backend → the weights that it needs, in the order in which `auto` looks.
_WEIGHTS: dict[str, Callable[[Config], tuple[str, ...]]] = {
    "u2net": lambda config: ("u2net_cloth",),
    "transformers": lambda config: (config.model_id,),
}


def _classical(config: Config) -> Segment:
    return lambda photos: [garment_mask.find(photo, config.refine) for photo in photos]


def _u2net(config: Config) -> Segment:
    from annotators.networks import u2net

    return u2net.load(weights.locate("u2net_cloth", config.weights_dir), config.device).masks


def _transformers(config: Config) -> Segment:
    """Everything that is neither background nor body, in the model's own class names."""
    from annotators.networks import segmentation

    model = segmentation.load(config.model_id, config.weights_dir, config.device)
    garment = [number for number, name in model.names.items() if _is_garment(name)]
    if not garment:
        raise ValueError(f"{config.model_id} has no class of clothes among {', '.join(model.names.values())}")
    return lambda photos: [np.where(np.isin(m, garment), np.uint8(255), np.uint8(0)) for m in model(photos)]


_CLOTHES = ("cloth", "upper", "top", "shirt", "coat", "jacket", "dress", "skirt", "pants", "jumpsuit", "garment")


def _is_garment(name: str) -> bool:
    return any(word in name.lower() for word in _CLOTHES)


_BACKENDS: dict[str, Callable[[Config], Segment]] = {
    "classical": _classical,
    "u2net": _u2net,
    "transformers": _transformers,
}
