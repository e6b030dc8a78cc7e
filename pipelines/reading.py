"""One planned record → decoded arrays: read once, check, turn upright, bring to the stored size."""

import hashlib
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from annotators.functional import canvas
from annotators.functional import geometry as shapes
from pipelines import garments
from pipelines.configuration import Configuration
from pipelines.plan import Planned
from pipelines.preflight import HALVES
from pipelines.storage import InputFolder
from schemas import codecs, fields, record

PHOTOS = ("person_image", "garment_image")
HEIF_ENDINGS = (".heic", ".heif")


@dataclass
class Rejection(Exception):
    """A record that can't be made: stage, kind of error, message without paths or addresses, and the file to blame."""

    record_id: str
    stage: str
    error: str
    message: str
    source: str


@dataclass
class Reading:
    """A record on its way: decoded columns, the bytes that stay as they are, where each column comes from."""

    planned: Planned
    columns: dict[str, Any]
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    provenance: dict[str, dict[str, str | None]] = field(default_factory=dict)
    unreadable: dict[str, tuple[str, str]] = field(default_factory=dict)  # column → (message, path)
    digests: dict[str, str] = field(default_factory=dict)  # path → sha256

    def came_from(self, column: str, origin: str, annotator: str | None, digest: str | None, note: str) -> None:
        values = {"column": column, "origin": origin, "annotator": annotator, "digest": digest, "note": note or None}
        self.provenance[column] = values

    def reject(self, stage: str, error: str, message: str, source: str) -> Rejection:
        return Rejection(self.planned.record_id, stage, error, message, source)


def _no_parse(photo: np.ndarray) -> np.ndarray | None:
    return None


def read(
    planned: Planned, root: InputFolder, configuration: Configuration, parse: garments.Parse = _no_parse
) -> Reading:
    """Raises Rejection when one of the two photos can't be used; other faults are kept in `unreadable`.

    `parse` is what worn garments are cut out by.
    """
    reading = Reading(
        planned, {"record_id": planned.record_id, "dataset": configuration.dataset, "split": planned.split}
    )
    values = {key: value for key, value in planned.values.items() if key != "notes"}
    reading.columns |= values
    for column, note in planned.values.get("notes", {}).items():
        reading.came_from(column, "dataset", None, None, note)
    photos = {column: _photo(column, reading, root) for column in PHOTOS}
    placed = {
        "person_image": _fitted(photos["person_image"], configuration),
        "garment_image": _garment(photos["garment_image"], reading, configuration, parse),
    }
    for column, photo in photos.items():
        _store_photo(column, photo, placed[column], reading)
    for column, (path, _) in sorted(planned.references.items()):
        if column not in PHOTOS:
            about = "garment_image" if column in record.GARMENT_ALIGNED else "person_image"
            geometry = placed[about].geometry
            _add_shipped(column, path, photos[about], geometry, reading, root, configuration.recompute)
    _complete_halves(reading, configuration)
    _describe(reading, placed["person_image"].geometry)
    return reading


def _bytes(path: str, reading: Reading, root: InputFolder) -> bytes:
    data = root.read(path)
    reading.digests[path] = hashlib.sha256(data).hexdigest()
    return data


@dataclass(frozen=True)
class _Photo:
    decoded: codecs.Photo
    data: bytes
    path: str


def _photo(column: str, reading: Reading, root: InputFolder) -> _Photo:
    path = reading.planned.references[column][0]
    try:
        data = _bytes(path, reading, root)
        if path.lower().endswith(HEIF_ENDINGS) and not _reads_heif():
            raise codecs.CodecError("HEIC needs the package pillow-heif, which is not installed")
        return _Photo(codecs.decode_photo(data), data, path)
    except codecs.CodecError as error:
        raise reading.reject("read", "unreadable", f"{column}: {error}", path) from None
    except OSError as error:
        raise reading.reject("read", "unreadable", f"{column}: {_reason(error)}", path) from None


@cache
def _reads_heif() -> bool:
    """Teaches Pillow to read HEIC; False where the plug-in isn't installed."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class _Placed:
    """A photo as it will be stored, how it came there, and notes on that."""

    pixels: np.ndarray
    geometry: shapes.Geometry
    notes: tuple[str, ...] = ()


def _fitted(photo: _Photo, configuration: Configuration) -> _Placed:
    pixels = photo.decoded.pixels
    height, width = pixels.shape[:2]
    if configuration.size is None:
        return _Placed(pixels, shapes.identity(height, width))
    geometry = shapes.fit((height, width), configuration.size, configuration.fit)
    if not _moves(geometry):
        return _Placed(pixels, geometry)
    return _Placed(shapes.photo(pixels, geometry), geometry, (f"resized from {height}x{width}",))


def _garment(photo: _Photo, reading: Reading, configuration: Configuration, parse: garments.Parse) -> _Placed:
    """On its canvas where one is asked for and the garment can be cut out; else fitted, with a note."""
    view = reading.columns.get("garment_view")
    if configuration.garment_canvas == "none" and view != garments.WORN:
        return _fitted(photo, configuration)
    pixels = photo.decoded.pixels
    cut = garments.cut(pixels, view, reading.columns["category"], configuration, parse)
    if cut.mask is None:
        fitted = _fitted(photo, configuration)
        return replace(fitted, notes=(*fitted.notes, f"not cut out: {cut.note}"))
    if configuration.garment_canvas == "none":
        placed = _fitted(photo, configuration)
        mask = shapes.mask(cut.mask, placed.geometry) if _moves(placed.geometry) else cut.mask
    else:
        geometry = canvas.geometry(cut.mask, configuration.size or pixels.shape[:2])
        image, mask = canvas.place(pixels, cut.mask, geometry)
        placed = _Placed(image, geometry, _canvas_notes(cut.mask, geometry))
    if "garment_mask" in configuration.columns and "garment_mask" not in configuration.skip:
        reading.columns["garment_mask"] = mask
        digest = dict(configuration.digests).get(cut.annotator)
        reading.came_from("garment_mask", "annotator", cut.annotator, digest, cut.note)
    return placed


def _canvas_notes(mask: np.ndarray, geometry: shapes.Geometry) -> tuple[str, ...]:
    moved = f"({geometry.x0:.1f}, {geometry.y0:.1f}), scale {geometry.scale_x:.4f}"
    size = f"{geometry.source_height}x{geometry.source_width}"
    reached = canvas.edges(mask)
    notes = (f"cut out of {size} at {moved}, on grey {canvas.GREY}",)
    return (*notes, f"the garment reaches the photo's {', '.join(reached)} edge") if reached else notes


def _store_photo(column: str, photo: _Photo, placed: _Placed, reading: Reading) -> None:
    pixels, notes = placed.pixels, [*photo.decoded.notes, *placed.notes]
    if photo.decoded.bytes_can_stay and pixels is photo.decoded.pixels:
        reading.kept[column] = {"bytes": photo.data, "path": PurePosixPath(photo.path).name}
    elif photo.decoded.format == "JPEG":
        notes.append(f"written again as JPEG quality {codecs.JPEG_QUALITY}")
        name = PurePosixPath(photo.path).with_suffix(".jpg").name
        data = codecs.encode_jpeg(pixels)
        pixels = codecs.decode_image(data)  # annotators see what the shard holds
        reading.kept[column] = {"bytes": data, "path": name}
    else:
        notes.append("written again as PNG")
        reading.kept[column] = {"bytes": codecs.encode_png(pixels), "path": _png(photo.path)}
    reading.columns[column] = pixels
    reading.came_from(column, "dataset", None, reading.digests[photo.path], "; ".join(notes))


def _add_shipped(
    column: str,
    path: str,
    about: _Photo,
    geometry: shapes.Geometry,
    reading: Reading,
    root: InputFolder,
    recompute: tuple[str, ...],
) -> None:
    try:
        data = _bytes(path, reading, root)
        found, bytes_can_stay = _decode(column, data, about.decoded.pixels.shape[:2])
    except (codecs.CodecError, OSError) as error:
        reading.unreadable[column] = (_reason(error), path)
        return
    note = f"resized from {geometry.source_height}x{geometry.source_width}" if _moves(geometry) else ""
    for name, value in found.items():
        if name not in recompute:
            reading.columns[name] = _moved(name, value, geometry) if _moves(geometry) else value
            reading.came_from(name, "dataset", None, reading.digests[path], note)
    if bytes_can_stay and not _moves(geometry):
        reading.kept[column] = {"bytes": data, "path": PurePosixPath(path).name}


def _decode(column: str, data: bytes, size: tuple[int, int]) -> tuple[dict[str, Any], bool]:
    """A shipped file's columns, and whether its bytes may go into a shard as they are.

    Raises codecs.CodecError, also for a picture of another size than its photo.
    """
    kind = fields.kind(record.TRYON[column])
    if kind == "keypoints":
        return codecs.decode_keypoints(data), False
    photo = codecs.decode_photo(data) if kind == "image" else None
    value = photo.pixels if photo else record.decode(record.TRYON[column], {"bytes": data})
    if value.shape[:2] != size:
        raise codecs.CodecError(f"{value.shape[0]}x{value.shape[1]} pixels; its photo has {size[0]}x{size[1]}")
    return {column: value}, bool(photo and photo.bytes_can_stay)


_MOVES: dict[str, Callable[[np.ndarray, shapes.Geometry], np.ndarray]] = {
    "image": shapes.photo,
    "mask": shapes.mask,
    "label_map": shapes.label_map,
    "keypoints": shapes.keypoints,
}
# Pictures on black, and part ids, which must not be mixed by a filter.
_ON_BLACK = {"densepose_image": 0, "pose_image": 0}


def _moved(column: str, value: np.ndarray, geometry: shapes.Geometry) -> np.ndarray:
    if column == "densepose":
        return shapes.label_map(value, geometry)
    if column in _ON_BLACK:
        return shapes.photo(value, geometry, fill=_ON_BLACK[column])
    return _MOVES[fields.kind(record.TRYON[column])](value, geometry)


def _moves(geometry: shapes.Geometry) -> bool:
    return geometry != shapes.identity(geometry.source_height, geometry.source_width)


def _complete_halves(reading: Reading, configuration: Configuration) -> None:
    """A shipped half of the agnostic pair decides the other."""
    from annotators.functional import agnostic

    have = {name for name in HALVES if reading.columns.get(name) is not None}
    if len(have) != 1:
        return
    (half,) = have
    other = HALVES[half]
    if other in configuration.recompute or other in configuration.skip:
        return
    person = reading.columns["person_image"]
    if half == "agnostic_mask":
        reading.columns[other] = agnostic.paint(person, reading.columns[half])
    else:
        reading.columns[other] = agnostic.mask_from_agnostic(person, reading.columns[half])
    reading.came_from(other, "annotator", "agnostic", None, f"from the shipped {half}")
    if other in reading.unreadable:
        message, _ = reading.unreadable.pop(other)
        reading.provenance[other]["note"] = f"from the shipped {half}; the shipped {other} was unreadable: {message}"


def _describe(reading: Reading, geometry: shapes.Geometry) -> None:
    reading.columns["height"], reading.columns["width"] = geometry.height, geometry.width
    reading.columns["geometry"] = {
        "source_height": geometry.source_height,
        "source_width": geometry.source_width,
        "x0": geometry.x0,
        "y0": geometry.y0,
        "scale_x": geometry.scale_x,
        "scale_y": geometry.scale_y,
    }


def _png(path: str) -> str:
    return PurePosixPath(path).with_suffix(".png").name


def _reason(error: Exception) -> str:
    return clean(str(error)) if isinstance(error, codecs.CodecError) else type(error).__name__


_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:/[^\s/'\"]+)+/([^\s/'\"]+)")


def clean(message: str) -> str:
    """One line of at most 300 characters without addresses and without the folders of absolute paths."""
    text = _PATH.sub(r"\1", _ADDRESS.sub("0x", message))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
