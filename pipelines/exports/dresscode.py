"""Dress Code's layout (Morelli et al., CVPRW 2022): a folder per category, with IDM-VTON's and CatVTON's additions.

What it can't hold is reported as lost: BODY_25 becomes COCO-18 in a 384 × 512 frame, a CIHP parse becomes ATR.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.exports import File, Item, Layout, _cells, _keypoints, need, need_kind
from pipelines.exports._names import Names, plain
from schemas import codecs, labels
from schemas.cli.options import option
from schemas.kinds import TRYON
from schemas.labels import Atr, Category

TRAIN = "train"
NEEDED = ("split", "category", "person_id", "garment_id", "person_image", "garment_image")
CATEGORIES = tuple(Category)  # the third column of the lists at the root is the place in this order
OF_GARMENT = ("garment_image", "garment_mask")
OTHERS = (
    *("record_id", "dataset", "height", "width", "parse", "parse_atr", "keypoints", "pose_image", "densepose"),
    *("densepose_image", "agnostic_mask", "garment_mask", "garment_caption"),
)
CAPTIONS = "dc_caption.txt"
NECK_LOSS = "the neck (18) became face: Dress Code's ids end at 17"
CIHP_LOSS = f"made from CIHP ids: lost are {', '.join(labels.losses('cihp', 'atr')).lower()}; the neck became face"


@dataclass(frozen=True)
class Config:
    ids: str = option(
        "kept",
        "dashed: with -0 for _0 inside, which IDM-VTON's reader replaces wherever it stands",
        choices=("kept", "dashed"),
    )


@dataclass(frozen=True)
class Place:
    """Where a record's files go: its place in order, the category's folder, the stems of its two photos."""

    order: int
    split: str
    category: str
    person: str
    garment: str
    paired: bool


class Export(Layout):
    def __init__(self, config: Config, schema: pa.Schema, items: Sequence[Item]) -> None:
        super().__init__(config, schema, items)
        need_kind(schema, "dresscode", TRYON)
        need(schema, "dresscode", NEEDED)
        self.names = Names()
        self.places: dict[str, Place] = {}
        self._pairs: set[tuple[str, str, str, str]] = set()
        for order, item in enumerate(items):
            reason = self._place(order, item)
            if reason:
                self.left_out[item.record_id] = reason
        self.renamed = len(self.names.changed)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.schema.names if name in {*NEEDED, *OTHERS})

    def files(self, row: dict[str, Any]) -> Iterator[File]:
        place = self.places.get(row["record_id"])
        if place is not None:
            yield from self._photos(place, row)
            yield from self._body(place, row)
            yield from self._masks(place, row)

    def entry(self, row: dict[str, Any]) -> dict[str, Any] | None:
        place = self.places.get(row["record_id"])
        if place is None:
            return None
        return {"place": place, "caption": " ".join((row.get("garment_caption") or "").split())}

    def lists(self, entries: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
        """In every category the same files, empty where it has no record: readers open all three."""
        places = [entry["place"] for entry in entries]
        kinds = [kind for split in dict.fromkeys(place.split for place in places) for kind in _kinds(split)]
        for split, paired, name in kinds:
            rows: dict[str, list[str]] = {category: [] for category in CATEGORIES}
            for category in CATEGORIES:
                own = [place for place in places if (place.split, place.category) == (split, category)]
                rows[category] = list(dict.fromkeys(_pairs(own, split, paired)))
                yield f"{category}/{name}", _lines(rows[category])
            yield name, _lines([f"{row} {i}" for i, own_rows in enumerate(rows.values()) for row in own_rows])
        for category in CATEGORIES:
            yield f"{category}/{CAPTIONS}", _lines(self._captions(category, entries))

    def _stem(self, identity: str) -> str:
        name = plain(identity)
        return name.replace("_0", "-0") if self.config.ids == "dashed" else name

    def _place(self, order: int, item: Item) -> str | None:
        """Gives a record its names, or returns why it has none."""
        if item.category not in CATEGORIES:
            self.problems.append(f"{item.record_id}: category {item.category!r}; allowed are {', '.join(CATEGORIES)}")
            return "without a category"
        if not item.person_id or not item.garment_id or not item.split:
            return "without a split, a person_id or a garment_id"
        paired = item.person_id == item.garment_id if item.paired is None else item.paired
        split = self.names.take("split", item.split, plain(item.split), 0)
        if split == TRAIN and not paired:
            return "unpaired, in the split train, which every trainer reads as pairs"
        pair = (split, item.category, item.person_id, item.garment_id)
        if pair in self._pairs:
            return "another record has the same person and garment"
        self._pairs.add(pair)
        person = self.names.take(f"{item.category}/person", item.person_id, self._stem(item.person_id), order)
        garment = self.names.take(f"{item.category}/garment", item.garment_id, self._stem(item.garment_id), order)
        self.places[item.record_id] = Place(order, split, item.category, person, garment, paired)
        return None

    def _photos(self, place: Place, row: dict[str, Any]) -> Iterator[File]:
        for column, folder, ending in (
            ("person_image", "images", "_0.jpg"),
            ("garment_image", "images", "_1.jpg"),
            ("densepose_image", "image-densepose", "_0.jpg"),
        ):
            if row.get(column) is not None:
                make, loss = _cells.jpeg(row[column])
                yield self._file(place, column, f"{folder}/%s{ending}", make, row[column], loss)

    def _body(self, place: Place, row: dict[str, Any]) -> Iterator[File]:
        """Keypoints, skeleton, label map and DensePose."""
        points, picture = row.get("keypoints"), row.get("pose_image")
        if points is not None:
            numbers = partial(_numbers, row, self.schema)
            yield self._file(place, "keypoints", "keypoints/%s_2.json", numbers, points, _keypoints.DRESS_CODE_LOSS)
        if picture is not None and (points is None or row.get("dataset") == "dresscode"):
            make, loss = _cells.jpeg(picture)
            yield self._file(place, "pose_image", "skeletons/%s_5.jpg", make, picture, loss)
        elif points is not None:
            drawn = partial(_skeleton, row, self.schema)
            yield self._file(place, "pose_image", "skeletons/%s_5.jpg", drawn, points, derived=True)
        parse = row.get("parse_atr") or row.get("parse")
        if parse is not None:
            column = "parse_atr" if row.get("parse_atr") is not None else "parse"
            make, loss = _label_map(parse) if column == "parse_atr" else (partial(_crosswalk, parse), CIHP_LOSS)
            yield self._file(place, column, "label_maps/%s_4.png", make, parse, loss)
        surface = row.get("densepose")
        if surface is not None:
            yield self._file(place, "densepose", "dense/%s_5.png", partial(_parts, surface), surface)
            yield self._file(place, "densepose", "dense/%s_5_uv.npz", partial(_uv, surface), surface)

    def _masks(self, place: Place, row: dict[str, Any]) -> Iterator[File]:
        for column, path in (("garment_mask", "masks/%s_1.png"), ("agnostic_mask", "agnostic_masks/%s_0.png")):
            if row.get(column) is not None:
                yield self._file(place, column, path, partial(_cells.mask_png, row[column]), row[column])

    def _file(
        self,
        place: Place,
        column: str,
        path: str,
        make: Callable[[], bytes],
        cell: Any,
        loss: str = "",
        derived: bool = False,
    ) -> File:
        about, stem = ("garment", place.garment) if column in OF_GARMENT else ("person", place.person)
        claim = self.names.claim(f"{place.category}/{about}", stem, place.order)
        return File(f"{place.category}/{path.replace('%s', stem)}", make, column, loss, derived, claim, cell)

    def _captions(self, category: str, entries: list[dict[str, Any]]) -> list[str]:
        """IDM-VTON's lines, garment file and words; the first record's where several differ."""
        found: dict[str, str] = {}
        for entry in entries:
            if entry["place"].category != category or not entry["caption"]:
                continue
            name = f"{entry['place'].garment}_1.jpg"
            if found.setdefault(name, entry["caption"]) != entry["caption"]:
                self.problems.append(f"{category}/{name}: its records give different captions")
        return [f"{name} {caption}" for name, caption in found.items()]


def _kinds(split: str) -> list[tuple[str, bool, str]]:
    """(split, paired, name) of a split's lists."""
    if split == TRAIN:
        return [(split, True, f"{split}_pairs.txt")]
    return [(split, True, f"{split}_pairs_paired.txt"), (split, False, f"{split}_pairs_unpaired.txt")]


def _pairs(places: list[Place], split: str, paired: bool) -> Iterator[str]:
    """Lines of the records; among the paired ones also persons whose own garment, by its name, is there."""
    garments = {place.garment for place in places}
    for place in places:
        if place.paired == paired:
            yield f"{place.person}_0.jpg {place.garment}_1.jpg"
        elif paired and place.person in garments:
            yield f"{place.person}_0.jpg {place.person}_1.jpg"


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _numbers(row: dict[str, Any], schema: pa.Schema) -> bytes:
    return _keypoints.dress_code(_keypoints.points(row, "keypoints", schema), row["height"], row["width"])


def _skeleton(row: dict[str, Any], schema: pa.Schema) -> bytes:
    from annotators.functional import skeletons

    body = labels.body25_to_coco18(_keypoints.points(row, "keypoints", schema))
    return codecs.encode_jpeg(skeletons.coco18(body, row["height"], row["width"], "blended"))


def _label_map(cell: dict[str, Any]) -> tuple[Callable[[], bytes], str]:
    """ATR's ids as they are stored; the neck, which OOTDiffusion adds, becomes face. Raises codecs.CodecError."""
    atr = codecs.decode_label_map(cell["bytes"], "atr")
    if not (atr == Atr.NECK).any():
        return _cells.stored(cell), ""
    return partial(codecs.encode_label_map, _without_neck(atr), "atr"), NECK_LOSS


def _crosswalk(cell: dict[str, Any]) -> bytes:
    cihp = codecs.decode_label_map(cell["bytes"], "cihp")
    return codecs.encode_label_map(_without_neck(labels.crosswalk(cihp, "cihp", "atr")), "atr")


def _without_neck(atr: np.ndarray) -> np.ndarray:
    return np.where(atr == Atr.NECK, np.uint8(Atr.FACE), atr)


def _parts(cell: dict[str, Any]) -> bytes:
    """DensePose's part ids as one channel."""
    return codecs.encode_png(np.ascontiguousarray(codecs.decode_image(cell["bytes"])[..., 0]))


def _uv(cell: dict[str, Any]) -> bytes:
    """Surface coordinates as Dress Code's npz: `uv`, float32 [2 h w], 0–1."""
    surface = codecs.decode_image(cell["bytes"])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, uv=np.moveaxis(surface[..., 1:], 2, 0).astype(np.float32) / 255)
    return buffer.getvalue()
