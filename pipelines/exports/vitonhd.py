"""VITON-HD's layout (Choi et al., CVPR 2021) with every folder and list that public code reads in it.

CatVTON, OOTDiffusion, IDM-VTON, StableVITON, HR-VITON, DCI-VTON and MV-VTON find what their dataset classes open, and
`pipelines.build_vitonhd` reads it back. Only `SPLIT/SPLIT_captions.json` is our own: the layout has no captions.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from pipelines.exports import File, Item, Layout, _cells, _keypoints, need, need_kind
from pipelines.exports._names import Names, plain
from schemas import codecs
from schemas.cli.options import option
from schemas.kinds import TRYON

TRAIN = "train"
NEEDED = ("split", "person_id", "garment_id", "person_image", "garment_image")
# Column → folder; the files are called after the person, those of `OF_GARMENT` after the garment.
JPEGS = {
    "person_image": "image",
    "garment_image": "cloth",
    "agnostic_image": "agnostic-v3.2",
    "densepose_image": "image-densepose",
    "warped_garment_image": "cloth-warp",
}
JPEG_MASKS = {
    "garment_mask": "cloth-mask",
    "worn_garment_mask": "gt_cloth_warped_mask",
    "warped_garment_mask": "cloth-warp-mask",
}
LABEL_MAPS = {"parse": "image-parse-v3", "parse_agnostic": "image-parse-agnostic-v3.2"}
OF_GARMENT = ("garment_image", "garment_mask")
# Folders that the first release called otherwise.
FIRST_NAMES = {"image-parse-v3": "image-parse", "openpose_img": "openpose-img", "openpose_json": "openpose-json"}
POINTS = ("keypoints", "keypoints_face", "keypoints_hands")
TEXTS = ("caption", "garment_caption", "captions")
OTHERS = ("record_id", "category", "height", "width", "agnostic_mask", "pose_image", "tags")


@dataclass(frozen=True)
class Config:
    names: str = option("current", "folder names of today's archive, or of the first release", ("current", "first"))


@dataclass(frozen=True)
class Place:
    """Where a record's files go: its place in order, the split's folder, the stems of its two photos."""

    order: int
    split: str
    person: str
    garment: str
    paired: bool


class Export(Layout):
    def __init__(self, config: Config, schema: pa.Schema, items: Sequence[Item]) -> None:
        super().__init__(config, schema, items)
        need_kind(schema, "vitonhd", TRYON)
        need(schema, "vitonhd", NEEDED)
        self.names = Names()
        self.places: dict[str, Place] = {}
        self._own: dict[tuple[str, str], str] = {}
        self._pairs: set[tuple[str, str, str]] = set()
        for order, item in enumerate(items):
            reason = self._place(order, item)
            if reason:
                self.left_out[item.record_id] = reason
        self.renamed = len(self.names.changed)

    @property
    def columns(self) -> tuple[str, ...]:
        read = {*NEEDED, *JPEGS, *JPEG_MASKS, *LABEL_MAPS, *POINTS, *TEXTS, *OTHERS}
        return tuple(name for name in self.schema.names if name in read)

    def files(self, row: dict[str, Any]) -> Iterator[File]:
        place = self.places.get(row["record_id"])
        if place is not None:
            yield from self._pictures(place, row)
            yield from self._pose(place, row)
            yield from self._masks(place, row)

    def entry(self, row: dict[str, Any]) -> dict[str, Any] | None:
        from pipelines.exports import _tags

        place = self.places.get(row["record_id"])
        if place is None:
            return None
        person, garment = f"{place.person}.jpg", f"{place.garment}.jpg"
        texts = {name: row[name] for name in TEXTS if row.get(name) is not None}
        tags = _tags.entry(garment, row, place.paired)
        return {"split": place.split, "person": person, "garment": garment, "texts": texts, "tags": tags}

    def lists(self, entries: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
        from pipelines.exports import _tags

        for split in dict.fromkeys(entry["split"] for entry in entries):
            own = [entry for entry in entries if entry["split"] == split]
            pairs = "".join(f"{entry['person']} {entry['garment']}\n" for entry in own)
            yield f"{split}_pairs.txt", pairs.encode()
            if split != TRAIN:
                yield f"{split}_pairs_unpaired.txt", pairs.encode()
                yield f"{split}_pairs_paired.txt", _own_garments(own).encode()
            tags, differing = _tags.merged(entry["tags"] for entry in own if entry["tags"])
            self.problems += [f"{split}/{name}: its records give different tags or categories" for name in differing]
            yield f"{split}/vitonhd_{split}_tagged.json", _json({"data": tags})
            texts = [{"person": e["person"], "garment": e["garment"], **e["texts"]} for e in own if e["texts"]]
            if texts:
                yield f"{split}/{split}_captions.json", _json({"data": texts})

    def _place(self, order: int, item: Item) -> str | None:
        """Gives a record its names, or returns why it has none. In pairs both photos have the person's name."""
        if not item.person_id or not item.garment_id or not item.split:
            return "without a split, a person_id or a garment_id"
        paired = item.person_id == item.garment_id if item.paired is None else item.paired
        split = self.names.take("split", item.split, plain(item.split), 0)
        if split == TRAIN and not paired:
            return "unpaired, in the split train, which every trainer reads as pairs"
        if paired and self._own.setdefault((split, item.person_id), item.garment_id) != item.garment_id:
            return "its person is paired with another garment already"
        pair = (split, item.person_id, item.person_id if paired else item.garment_id)
        if pair in self._pairs:
            return "another record has the same person and garment"
        self._pairs.add(pair)
        person = self.names.take(f"{split}/person", item.person_id, plain(item.person_id), order)
        stem = person if paired else plain(item.garment_id)
        garment = self.names.take(f"{split}/garment", item.garment_id, stem, order)
        self.places[item.record_id] = Place(order, split, person, garment, paired)
        return None

    def _pictures(self, place: Place, row: dict[str, Any]) -> Iterator[File]:
        for column, folder in JPEGS.items():
            if row.get(column) is not None:
                make, loss = _cells.jpeg(row[column])
                yield self._file(place, column, folder, ".jpg", make, row[column], loss=loss)
        for column, folder in LABEL_MAPS.items():
            if row.get(column) is not None:
                yield self._file(place, column, folder, ".png", _cells.stored(row[column]), row[column])

    def _pose(self, place: Place, row: dict[str, Any]) -> Iterator[File]:
        points = [row.get(name) for name in POINTS]
        if points[0] is not None:
            numbers = partial(_keypoints.vitonhd, row, self.schema)
            yield self._file(place, "keypoints", "openpose_json", "_keypoints.json", numbers, points)
        picture = row.get("pose_image")
        if picture is not None:
            yield self._file(
                place, "pose_image", "openpose_img", "_rendered.png", partial(_cells.png, picture), picture
            )
        elif points[0] is not None:
            drawn = partial(_skeleton, row, self.schema)
            yield self._file(place, "pose_image", "openpose_img", "_rendered.png", drawn, points, derived=True)

    def _masks(self, place: Place, row: dict[str, Any]) -> Iterator[File]:
        for column, folder in JPEG_MASKS.items():
            if row.get(column) is not None:
                yield self._file(place, column, folder, ".jpg", partial(_cells.mask_jpeg, row[column]), row[column])
        agnostic = row.get("agnostic_mask")
        if agnostic is not None:
            make = partial(_cells.mask_rgb, agnostic)
            yield self._file(place, "agnostic_mask", "agnostic-mask", "_mask.png", make, agnostic)
        if row.get("worn_garment_mask") is None and row.get("parse") is not None and place.paired:
            folder, worn = JPEG_MASKS["worn_garment_mask"], partial(_worn, row)
            yield self._file(place, "worn_garment_mask", folder, ".jpg", worn, row["parse"], derived=True)

    def _file(
        self,
        place: Place,
        column: str,
        folder: str,
        ending: str,
        make: Callable[[], bytes],
        cell: Any,
        loss: str = "",
        derived: bool = False,
    ) -> File:
        about, stem = ("garment", place.garment) if column in OF_GARMENT else ("person", place.person)
        if folder.startswith("cloth-warp") and not place.paired:
            folder = f"unpaired-{folder}"
        if self.config.names == "first":
            folder = FIRST_NAMES.get(folder, folder)
        claim = self.names.claim(f"{place.split}/{about}", stem, place.order)
        return File(f"{place.split}/{folder}/{stem}{ending}", make, column, loss, derived, claim, cell)


def _worn(row: dict[str, Any]) -> bytes:
    from pipelines.exports import _tags

    return _cells.grey_jpeg(_tags.worn(row))


def _skeleton(row: dict[str, Any], schema: pa.Schema) -> bytes:
    from annotators.functional import skeletons

    body, hands = (_keypoints.points(row, name, schema) for name in ("keypoints", "keypoints_hands"))
    return codecs.encode_png(skeletons.body25(body, row["height"], row["width"], hands))


def _own_garments(entries: list[dict[str, Any]]) -> str:
    """Lines of the persons whose own garment is there."""
    garments = {entry["garment"] for entry in entries}
    persons = dict.fromkeys(entry["person"] for entry in entries if entry["person"] in garments)
    return "".join(f"{person} {person}\n" for person in persons)


def _json(document: dict[str, Any]) -> bytes:
    """ASCII, since readers open it in whatever encoding their system has."""
    return (json.dumps(document, indent=1) + "\n").encode()
