"""What `sample` leaves: PNG files that say a model made them, and the table of them.

OUT/NAME.png          the results
OUT/samples.parquet   a row per result, sorted by record
OUT/rejects.parquet   what could not be sampled, and why
OUT/config.json       what they were made with
OUT/samples.html      what went in beside what came out, to look at; OUT/grid.png the first of it as one picture
"""

import dataclasses
import io
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, PngImagePlugin

from schemas import package
from schemas.finished import tables
from schemas.folders import atomic
from schemas.folders.owned import Owned
from vton_models.system import Sampling

SAMPLES_FILE, PAGE_FILE = "samples.parquet", "samples.html"
BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' Iptc4xmpExt:DigitalSourceType="{BY_A_MODEL}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


_TYPES = {int: pa.int32(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}


def samples_schema(sampling: type[Sampling], ids: Sequence[str], facts: Sequence[str]) -> pa.Schema:
    """Of samples.parquet: the columns of the kind of task stand around those of the system's sampling settings."""
    hints = typing.get_type_hints(sampling)
    settings = [(item.name, _type(hints[item.name])) for item in dataclasses.fields(sampling)]
    return pa.schema(
        [
            *((name, pa.string()) for name in ("record_id", *ids)),
            *(("seed", pa.int64()), *settings),
            *((name, pa.string()) for name in (*facts, "weights_digest", "file")),
            *(("width", pa.int32()), ("height", pa.int32())),
        ]
    )


def _type(hint: Any) -> pa.DataType:
    """Of a column; the settings' own None stands for a default that depends on another setting."""
    return next(_TYPES[member] for member in typing.get_args(hint) or (hint,) if member in _TYPES)


def marked_png(picture: np.ndarray, notes: Mapping[str, str]) -> bytes:
    """uint8 [h w 3] as PNG that says, in text and in IPTC's XMP, that a model made it; `notes` are further texts."""
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, text in {"DigitalSourceType": BY_A_MODEL, **notes}.items():
        info.add_itxt(key, text) if not text.isascii() else info.add_text(key, text)
    info.add_itxt("XML:com.adobe.xmp", _XMP)
    Image.fromarray(picture).save(buffer, "PNG", pnginfo=info, compress_level=6)
    return buffer.getvalue()


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) from the file's header."""
    with Image.open(path) as image:
        return image.size


def file_name(record_id: str, number: int | None = None) -> str:
    """Letters, digits and ._+- as they are, an underscore for all else; never a path, never hidden."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "_", record_id)[:120].lstrip(".") or "_"
    return f"{name}.png" if number is None else f"{number:05d}-{name}.png"


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Sorted by the schema's columns in order; the same rows give the same bytes."""
    atomic.write(path, tables.encode(tables.ordered(rows, schema), schema))


def is_ours(path: Path) -> bool:
    """Whether a PNG is a result that `sample` wrote under this name."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            notes = dict(image.info)
    except (OSError, ValueError, SyntaxError):
        return False
    numberless = file_name(str(notes.get("Record", "")))
    by_us = str(notes.get("Software", "")).startswith(f"{package.NAME} ")
    return by_us and path.name in (numberless, f"{path.name[:5]}-{numberless}", notes.get("File"))


def samples_folder(folder: Path) -> Owned:
    """The folder that `sample` writes."""
    names = ("*.png", SAMPLES_FILE, tables.REJECTS_FILE, PAGE_FILE)
    return Owned(folder, "sample", "folder of samples", names, lambda path: path.suffix != ".png" or is_ours(path))
