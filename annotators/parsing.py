"""One class per pixel: SegFormer (arXiv:2105.15203) or SCHP (arXiv:1910.09777), as CIHP ids like VITON-HD's.

FASHN's SegFormer has no left and right: joints, where a record has them, tell its arms and legs apart.

ATR, which most clothes parsers speak, calls the neck face. SCHP's second parser (LIP) tells them apart, so its `parse`
has CIHP's neck (10); one parser alone does not, and its `parse` has the neck in the face (13).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
import pyarrow as pa

from annotators.common.batching import Staged
from annotators.functional import fashn, parsing
from annotators.functional.keypoints import person_box
from annotators.networks import schp, segmentation
from schemas import fields
from schemas.cli.options import option, runtime
from schemas.record import SIDES_ASSUMED

READS = ("person_image",)
MAY_READ = ("person_box", "keypoints")

# Settings that write columns which are not written otherwise.
ASKED_BY = {"parse_lip": {"lip": True, "backend": "schp"}, "parse_atr": {"atr": True}}

BACKENDS = ("segformer", "fashn", "schp")
SEGFORMER, FASHN = "mattmdjaga/segformer_b2_clothes", "fashn-ai/fashn-human-parser"

Maps = dict[str, np.ndarray]  # label space → uint8 [h w]


class Parsers(Protocol):
    """Networks that parse photos in the steps of `Staged`; `maps` are of one photo, in whatever spaces they know."""

    @property
    def accelerated(self) -> bool: ...
    def prepare(self, photos: Sequence[np.ndarray]) -> Any: ...
    def compute(self, prepared: Any) -> Sequence[Any]: ...
    def maps(self, computed: Any) -> Maps: ...


@dataclass(frozen=True)
class Config:
    """Raises ValueError for a batch size below 1."""

    backend: str = option(
        "segformer", "segformer (any transformers segmentation model), fashn (FASHN's human parser) or schp", BACKENDS
    )
    model_id: str = option(SEGFORMER, "for segformer: hub id or folder; ATR, LIP, CIHP or FASHN's classes")
    channels: str = option("bgr", "for schp: the order it sees; rgb as CatVTON's app feeds it", ("bgr", "rgb"))
    smooth: bool = option(False, "borders of parse as smooth and coarse as in VITON-HD's files")
    lip: bool = option(False, "also write parse_lip, the LIP parser's own map")
    atr: bool = option(False, "also write parse_atr, the ATR parser's own map")
    device: str = runtime("cpu", "cpu, cuda, cuda:N or mps")
    batch_size: int = runtime(8, "photos at once")
    weights_dir: str = runtime("", "folder that holds the weights")

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size}; allowed is 1 or more")

    @property
    def model(self) -> str:
        """Of segformer and fashn: what `model_id` names, or FASHN's own."""
        return FASHN if self.backend == "fashn" and self.model_id == SEGFORMER else self.model_id

    def fields(self) -> tuple[pa.Field, ...]:
        own = [space for space, asked in (("lip", self.lip), ("atr", self.atr)) if asked]
        return (fields.label_map("parse", "cihp"), *(fields.label_map(f"parse_{space}", space) for space in own))

    def weights(self) -> tuple[str, ...]:
        if self.backend != "schp":
            return (self.model,)
        return tuple(schp.weights_name(space, self.weights_dir) for space in ("atr", "lip"))

    def build(self) -> "HumanParser":
        """Raises weights.MissingWeights, and ValueError for a device, or weights, that can't be used."""
        return HumanParser(self, _schp(self) if self.backend == "schp" else _segformer(self))


class HumanParser(Staged[Any, Any]):
    """{"parse": uint8 [h w] CIHP ids} per record, at the photo's size; parse_lip, parse_atr where asked for.

    Where a record tells its person (person_box or keypoints), the others in the photo become background. Raises
    ValueError where nobody is left.
    """

    def __init__(self, config: Config, parsers: Parsers) -> None:
        self.config = config
        self.parsers = parsers

    @property
    def accelerated(self) -> bool:
        return self.parsers.accelerated

    def prepare(self, records: Sequence[dict[str, Any]]) -> Any:
        return self.parsers.prepare([record["person_image"] for record in records])

    def compute(self, prepared: Any) -> list[Any]:
        return list(self.parsers.compute(prepared))

    def finish(self, record: dict[str, Any], computed: Any) -> dict[str, Any]:
        return self._columns(self.parsers.maps(computed), record)

    def _columns(self, maps: Maps, record: dict[str, Any]) -> dict[str, Any]:
        box, joints = person_box(record), record.get("keypoints")
        if box is not None:
            maps = {space: parsing.keep_person(label_map, box) for space, label_map in maps.items()}
        notes: dict[str, Any] = {}
        if "fashn" in maps:
            atr = fashn.to_atr(maps["fashn"], joints)
            maps = {"atr": atr, "cihp": parsing.to_cihp(atr, "atr")}
            notes = (
                {}
                if joints is not None and joints.any()
                else {"notes": {"parse": f"{SIDES_ASSUMED}: no joints tell them"}}
            )
        parse = maps["cihp"]
        if not parse.any():
            raise ValueError("nobody found: the parser sees background only")
        columns = {"parse": parsing.smooth_borders(parse) if self.config.smooth else parse}
        own = [space for space, asked in (("lip", self.config.lip), ("atr", self.config.atr)) if asked]
        return columns | {f"parse_{space}": maps[space] for space in own} | notes


@dataclass(frozen=True)
class _Segformer:
    """A segmentation model whose class numbers `table` uint8 [256] turns into ids of `space`."""

    model: segmentation.Segmenter
    space: str
    table: np.ndarray

    @property
    def accelerated(self) -> bool:
        return self.model.accelerated

    def prepare(self, photos: Sequence[np.ndarray]) -> Any:
        return self.model.prepare(photos)

    def compute(self, prepared: Any) -> list[np.ndarray]:
        return self.model.compute(prepared)

    def maps(self, computed: np.ndarray) -> Maps:
        label_map = cv2.LUT(computed, self.table)
        cihp = {} if self.space == "fashn" else {"cihp": parsing.to_cihp(label_map, self.space)}
        return {self.space: label_map} | cihp


def _segformer(config: Config) -> Parsers:
    """Maps in the model's own space and in CIHP. Raises ValueError for one whose space lacks what is asked for."""
    model = segmentation.load(config.model, config.weights_dir, config.device)
    names = [model.names[number] for number in range(len(model.names))]
    classes = fashn.class_table(names)
    if classes is None and config.backend == "fashn":
        raise ValueError(f"{config.model} has other classes than FASHN's: {', '.join(names[:5])}")
    if classes is not None:
        from annotators.networks import photo_steps

        _check_spaces(config, "atr")
        steps = photo_steps.Tabled(fashn.stretched, photo_steps.level_table(fashn.normalised))
        return _Segformer(replace(model, steps=steps), "fashn", _padded(classes))
    try:
        space, table = parsing.label_table(names)
    except ValueError as error:
        raise ValueError(f"{config.model}: {error}") from None
    _check_spaces(config, space)
    return _Segformer(model, space, _padded(table))


def _padded(table: np.ndarray) -> np.ndarray:
    """uint8 [256], as OpenCV looks up."""
    return np.pad(table, (0, 256 - len(table)))


def _check_spaces(config: Config, space: str) -> None:
    """Raises ValueError where a map of another label space than the model's is asked for."""
    for name, asked in (("lip", config.lip), ("atr", config.atr)):
        if asked and name != space:
            raise ValueError(f"{config.model} knows {space} labels, not {name}: parse_{name} needs backend schp")


@dataclass(frozen=True)
class _Schp:
    """ATR's and LIP's maps as they are, and from both the CIHP map: ATR's with small holes filled, neck from LIP."""

    atr: schp.Parser
    lip: schp.Parser

    @property
    def accelerated(self) -> bool:
        return self.atr.accelerated

    def prepare(self, photos: Sequence[np.ndarray]) -> Any:
        return self.atr.prepare(photos), self.lip.prepare(photos)

    def compute(self, prepared: Any) -> list[Any]:
        return list(zip(self.atr.compute(prepared[0]), self.lip.compute(prepared[1]), strict=True))

    def maps(self, computed: Any) -> Maps:
        atr, lip = self.atr.finish(computed[0]), self.lip.finish(computed[1])
        return {"atr": atr, "lip": lip, "cihp": parsing.join_schp(atr, lip)}


def _schp(config: Config) -> Parsers:
    own = (config.weights_dir, config.device, config.channels)
    return _Schp(*(schp.load(space, *own) for space in ("atr", "lip")))
