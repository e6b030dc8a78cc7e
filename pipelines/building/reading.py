"""One planned record → decoded arrays: read once, check, turn upright, bring to the stored size."""

import hashlib
import importlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath

import numpy as np

from annotators import category as categories
from annotators.common import decoding
from annotators.functional import canvas, densepose
from annotators.functional import geometry as shapes
from pipelines.building import crosschecks, garments, shipped
from pipelines.building.columns import DERIVED, HALVES
from pipelines.building.configuration import Configuration
from pipelines.sources.outcomes import Planned, Reading
from schemas import codecs, record
from schemas.folders import InputFolder
from schemas.kinds import TRYON
from schemas.messages import clean

HEIF_ENDINGS = (".heic", ".heif")


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
    photos = {column: _photo(column, reading, root) for column in TRYON.photos}
    placed = {
        "person_image": _fitted(photos["person_image"], configuration),
        "garment_image": _garment(photos["garment_image"], reading, configuration, parse),
    }
    for column, photo in photos.items():
        _store_photo(column, photo, placed[column], reading)
    cut_out = reading.columns.get("garment_mask") if "garment_mask" in reading.planned.references else None
    _add_all_shipped(reading, photos, placed, root)
    _derive(reading, configuration)
    _forget_recomputed(reading, configuration)
    crosschecks.settle(reading, cut_out)
    _complete_halves(reading, configuration)
    _note_unreadable(reading)
    _decide_category(reading, configuration)
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

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), upright."""
        height, width = self.decoded.pixels.shape[:2]
        return height, width


def _photo(column: str, reading: Reading, root: InputFolder) -> _Photo:
    path = reading.planned.references[column][0]
    try:
        data = _bytes(path, reading, root)
        if path.lower().endswith(HEIF_ENDINGS) and not _reads_heif():
            raise codecs.CodecError("HEIC needs the package pillow-heif, which is not installed")
        return _Photo(decoding.photo(data), data, path)
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
    if not shipped.moves(geometry):
        return _Placed(pixels, geometry)
    return _Placed(shapes.photo(pixels, geometry), geometry, (f"resized from {height}x{width}",))


def _garment(photo: _Photo, reading: Reading, configuration: Configuration, parse: garments.Parse) -> _Placed:
    """On its canvas where one is asked for and the garment can be cut out; else fitted, with a note."""
    view, pixels = reading.columns.get("garment_view"), photo.decoded.pixels
    own = photo.decoded if "garment_mask" not in configuration.recompute else replace(photo.decoded, alpha=None)
    cut = garments.by_alpha(own, view)
    left_out = (cut.note,) if cut.note and cut.mask is None else ()
    if cut.mask is None and configuration.garment_canvas == "none" and view != garments.WORN:
        fitted = _fitted(photo, configuration)
        return replace(fitted, notes=(*left_out, *fitted.notes))
    if cut.mask is None:
        cut = garments.cut(pixels, reading.columns, configuration, parse)
    if cut.mask is None:
        fitted = _fitted(photo, configuration)
        return replace(fitted, notes=(*left_out, *fitted.notes, f"not cut out: {cut.note}"))
    if configuration.garment_canvas == "none":
        placed = _fitted(photo, configuration)
        mask = shapes.mask(cut.mask, placed.geometry) if shipped.moves(placed.geometry) else cut.mask
    else:
        geometry = canvas.geometry(cut.mask, configuration.size or pixels.shape[:2])
        image, mask = canvas.place(pixels, cut.mask, geometry)
        placed = _Placed(image, geometry, _canvas_notes(cut.mask, geometry))
    _take_garment_mask(mask, cut, photo, reading, configuration)
    return replace(placed, notes=(*left_out, *placed.notes))


def _take_garment_mask(
    mask: np.ndarray, cut: garments.Cut, photo: _Photo, reading: Reading, configuration: Configuration
) -> None:
    if not cut.annotator:
        reading.columns["garment_mask"] = mask
        reading.came_from("garment_mask", "dataset", None, reading.digests[photo.path], cut.note)
    elif "garment_mask" in configuration.columns and "garment_mask" not in configuration.skip:
        reading.columns["garment_mask"] = mask
        digest = dict(configuration.digests).get(cut.annotator)
        reading.came_from("garment_mask", "annotator", cut.annotator, digest, cut.note)


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
        pixels = decoding.photo(data).pixels  # annotators see what the shard holds
        reading.kept[column] = {"bytes": data, "path": name}
    else:
        notes.append("written again as PNG")
        reading.kept[column] = {"bytes": codecs.encode_png(pixels), "path": _png(photo.path)}
    reading.columns[column] = pixels
    reading.came_from(column, "dataset", None, reading.digests[photo.path], "; ".join(notes))


def _add_all_shipped(
    reading: Reading, photos: dict[str, _Photo], placed: dict[str, _Placed], root: InputFolder
) -> None:
    references = reading.planned.references
    for name, (path, _) in sorted(references.items()):
        if name not in (*TRYON.photos, "densepose_uv"):
            about = TRYON.photo_of(name)
            _add_shipped(name, path, photos[about], placed[about].geometry, reading, root)
    if {shipped.PARTS, "densepose_uv"} <= set(references):
        _add_iuv(photos["person_image"], placed["person_image"].geometry, reading, root)


def _add_shipped(
    name: str, path: str, about: _Photo, geometry: shapes.Geometry, reading: Reading, root: InputFolder
) -> None:
    try:
        data = _bytes(path, reading, root)
        decoded = shipped.decode(name, data, about.size)
    except (codecs.CodecError, OSError) as error:
        reading.unreadable["densepose_image" if name == shipped.PARTS else name] = (_reason(error), path)
        return
    _take(decoded, path, geometry, reading)
    if decoded.bytes_can_stay and not shipped.moves(geometry):
        reading.kept[name] = {"bytes": data, "path": PurePosixPath(path).name}


def _add_iuv(about: _Photo, geometry: shapes.Geometry, reading: Reading, root: InputFolder) -> None:
    """`densepose` from a part map and its UV, two files."""
    paths = [reading.planned.references[name][0] for name in (shipped.PARTS, "densepose_uv")]
    try:
        parts, uv = (_bytes(path, reading, root) for path in paths)
        decoded = shipped.decode_iuv(parts, uv, about.size)
    except (codecs.CodecError, OSError) as error:
        blamed = paths[0] if shipped.PARTS not in reading.columns else paths[1]
        reading.unreadable["densepose"] = (_reason(error), blamed)
        return
    origin = f"U, V from {PurePosixPath(paths[1]).name}"
    _take(replace(decoded, note="; ".join(filter(None, (decoded.note, origin)))), paths[0], geometry, reading)


def _take(decoded: shipped.Found, path: str, geometry: shapes.Geometry, reading: Reading) -> None:
    moved = f"resized from {geometry.source_height}x{geometry.source_width}" if shipped.moves(geometry) else ""
    note = "; ".join(filter(None, (decoded.note, moved)))
    for name, value in decoded.columns.items():
        reading.columns[name] = shipped.moved(name, value, geometry)
        reading.came_from(name, "dataset", None, reading.digests[path], note)


def _derive(reading: Reading, configuration: Configuration) -> None:
    """`parse` from shipped LIP and ATR maps, and DensePose's picture from its parts, where they aren't shipped."""
    columns = reading.columns
    unwanted = set(configuration.skip) | set(configuration.recompute)
    derived = {name for name in DERIVED - unwanted if columns.get(name) is None}
    maps = {space: columns[f"parse_{space}"] for space in ("atr", "lip") if columns.get(f"parse_{space}") is not None}
    if "parse" in derived and maps:
        columns["parse"], note = shipped.cihp(maps)
        digest = reading.provenance[f"parse_{next(iter(maps))}"]["digest"]
        reading.came_from("parse", "dataset", None, digest, note)
    parts = columns.pop(shipped.PARTS, None)
    entry = reading.provenance.pop(shipped.PARTS, None) or reading.provenance.get("densepose")
    if parts is None and columns.get("densepose") is not None:
        parts = columns["densepose"][..., 0]
    if "densepose_image" in derived and parts is not None and entry:
        columns["densepose_image"] = densepose.render(parts)
        notes = (entry["note"], "drawn from the shipped part map")
        reading.came_from("densepose_image", "dataset", None, entry["digest"], "; ".join(filter(None, notes)))


def _forget_recomputed(reading: Reading, configuration: Configuration) -> None:
    """Shipped values of columns that are to be computed anew: their file was read for another column's sake."""
    for name in configuration.recompute:
        computed = reading.provenance.get(name, {}).get("origin") == "annotator"
        if reading.columns.get(name) is not None and not computed:
            for held in (reading.columns, reading.kept, reading.provenance):
                held.pop(name, None)


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


def _note_unreadable(reading: Reading) -> None:
    """A column whose own file was unreadable, but which followed from another one, says so."""
    for column in [name for name in reading.unreadable if reading.columns.get(name) is not None]:
        message, _ = reading.unreadable.pop(column)
        entry = reading.provenance[column]
        entry["note"] = "; ".join(filter(None, (f"{record.SHIPPED_UNREADABLE}: {message}", entry["note"])))


def _decide_category(reading: Reading, configuration: Configuration) -> None:
    """What the garment covers, by what was shipped, where no annotator is there to say it later."""
    unwanted = "category" in configuration.skip or "category" in configuration.configs()
    if unwanted or reading.columns.get("category") is not None:
        return
    decided = categories.decide(reading.columns)
    for column, note in decided.pop("notes", {}).items():
        reading.came_from(column, "annotator", "category", None, note)
    reading.columns |= decided


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
    if isinstance(error, codecs.CodecError):
        return clean(str(error))
    return clean(": ".join(filter(None, (type(error).__name__, getattr(error, "strerror", None)))))
