"""IGPair, DeepFashion and tables of paths in miniature, drawn as the embedded sample is."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.drawing.flat import draw_garment
from pipelines.drawing.garments import GARMENTS
from pipelines.drawing.people import PEOPLE, draw_person
from pipelines.sources.tryon.table import Table
from schemas import codecs, labels
from schemas.labels import Category

SIZE = (256, 192)


@dataclass(frozen=True, eq=False)
class Person:
    """One person of the embedded sample and the garment worn, at a quarter of its size; uint8, keypoints [25 3]."""

    photo: np.ndarray
    garment: np.ndarray
    mask: np.ndarray
    parse: np.ndarray
    densepose_image: np.ndarray
    keypoints: np.ndarray


def ids() -> list[str]:
    """One person of each category."""
    return [min(i for i in PEOPLE if GARMENTS[i].category == category) for category in Category]


@cache
def person(person_id: str) -> Person:
    scene = draw_person(person_id)
    keypoints = scene.keypoints.copy()
    keypoints[:, :2] /= 4
    return Person(
        photo=_reduced(scene.image, cv2.INTER_AREA),
        garment=_reduced(draw_garment(person_id).image, cv2.INTER_AREA),
        mask=_reduced(np.where(scene.parse > 0, np.uint8(255), np.uint8(0))),
        parse=_reduced(scene.parse),
        densepose_image=_reduced(labels.DENSEPOSE_COLOURS[scene.densepose]),
        keypoints=keypoints,
    )


def _reduced(pixels: np.ndarray, how: int = cv2.INTER_NEAREST) -> np.ndarray:
    return cv2.resize(pixels, SIZE[::-1], interpolation=how)


def put(root: Path, name: str, content: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


IGPAIR_TYPES = ("T-shirts", "shorts", "lingerie")  # the last is no word that tells a category


def igpair_entries() -> list[dict[str, Any]]:
    """Paths are written in the ways that are in circulation."""
    entries: list[dict[str, Any]] = [
        {
            "image_file": ("IGPair/images/", "images/", "")[number] + f"image_{number:06d}_00.jpg",
            "cloth_file": ("IGPair/clothes/", "clothes/", "")[number] + f"cloth_{number:06d}.jpg",
            "text": [f"caption {number}", "a model"],
            "cloth_type": IGPAIR_TYPES[number],
        }
        for number in range(3)
    ]
    return [*entries, entries[0] | {"image_file": "images/image_000000_01.jpg", "text": "one caption"}, entries[1]]


def igpair(root: Path) -> dict[str, Any]:
    """Three garments, four persons, five entries of which one is a repetition."""
    for number, person_id in enumerate(ids()):
        drawn, name = person(person_id), f"image_{number:06d}_00"
        put(root, f"images/{name}.jpg", codecs.encode_jpeg(drawn.photo))
        put(root, f"clothes/cloth_{number:06d}.jpg", codecs.encode_jpeg(drawn.garment))
        put(root, f"openpose/{name}.json", codecs.encode_keypoints(drawn.keypoints))
        put(root, f"densepose/{name}.png", codecs.encode_png(drawn.densepose_image))
        put(root, f"body_mask/{name}.png", codecs.encode_mask(drawn.mask))
    put(root, "images/image_000000_01.jpg", codecs.encode_jpeg(person(ids()[0]).photo[:, ::-1]))
    put(root, "openpose/image_000000_01.png", codecs.encode_png(person(ids()[0]).densepose_image))
    put(root, "IGPair_Test/cloth_000009.jpg", codecs.encode_jpeg(person(ids()[0]).garment))
    put(root, "IGPair.json", json.dumps(igpair_entries()).encode())
    return {}


# Folder word, item, views and split of its colours.
DEEPFASHION_ITEMS = (
    ("WOMEN", "Dresses", "id_00000002", "02", ("1_front", "2_side", "3_back", "4_full", "7_additional"), "train"),
    ("WOMEN", "Dresses", "id_00000002", "03", ("1_front", "2_side"), "train"),
    ("MEN", "Denim", "id_00000080", "01", ("4_full", "2_side", "6_flat"), "query"),
    ("WOMEN", "Hats", "id_00000090", "01", ("1_front", "4_full"), "gallery"),
    ("MEN", "Pants", "id_00000100", "01", ("2_side", "3_back"), "train"),
)


def deepfashion(root: Path, flat: bool = False, partition: bool = True) -> dict[str, Any]:
    lines = []
    for number, (gender, word, item, colour, views, status) in enumerate(DEEPFASHION_ITEMS):
        photo = person(ids()[number % 3]).photo
        for shift, view in enumerate(views):
            name = f"{gender}/{word}/{item}/{colour}_{view}.jpg"
            shown = np.roll(photo, 5 * shift + number, axis=1)
            put(root, f"images/{name.replace('/', '-')}" if flat else f"img/{name}", codecs.encode_jpeg(shown))
            lines.append(f"img/{name:<70}{item} {status}     ")
    if partition:
        text = "\n".join([str(len(lines)), "image_name item_id evaluation_status", *lines, ""])
        put(root, "Eval/list_eval_partition.txt", text.encode())
    return {}


def table_rows() -> list[dict[str, Any]]:
    """A row per category, cells as JSON and Parquet hold them."""
    rows: list[dict[str, Any]] = []
    for number, person_id in enumerate(ids()):
        rows.append(
            {
                "person_image": f"photos/{person_id}.jpg",
                "garment_image": f"clothes/{person_id}.jpg",
                "parse": f"labels/{person_id}.png",
                "keypoints": f"labels/{person_id}.json",
                "densepose_image": f"labels/{person_id}-dense.png",
                "split": ("train", "test", "train")[number],
                "category": ("upper_body", "jeans", "Evening dress")[number],
                "garment_id": f"g{number}",
                "captions": [f"caption {number}", "other, words"],
                "tags": {"item": "Top", "looks": None},
                "paired": number != 1,
            }
        )
    return rows


def table_files(root: Path) -> None:
    for person_id in ids():
        drawn = person(person_id)
        put(root, f"photos/{person_id}.jpg", codecs.encode_jpeg(drawn.photo))
        put(root, f"clothes/{person_id}.jpg", codecs.encode_jpeg(drawn.garment))
        put(root, f"labels/{person_id}.png", codecs.encode_label_map(drawn.parse, "cihp"))
        put(root, f"labels/{person_id}.json", codecs.encode_keypoints(drawn.keypoints))
        put(root, f"labels/{person_id}-dense.png", codecs.encode_png(drawn.densepose_image))


def table_bytes(rows: list[dict[str, Any]], ending: str) -> bytes:
    """The rows as a file of that ending."""
    if ending == ".parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if ending == ".json":
        return json.dumps(rows).encode()
    if ending in (".jsonl", ".ndjson"):
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if ending == ".tsv" else ",")
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in rows])
    return text.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, (list, dict, bool)) else str(value)


def table(root: Path) -> dict[str, Any]:
    table_files(root)
    data = table_bytes(table_rows(), ".csv")
    put(root, "pairs.csv", data)
    return {"table": Table("pairs.csv", data)}


# Source → writes its layout into a folder, returns what `listing` takes beside split and pairing.
LAYOUTS: dict[str, Callable[[Path], dict[str, Any]]] = {"deepfashion": deepfashion, "igpair": igpair, "table": table}
