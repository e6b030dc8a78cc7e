"""The embedded sample: a small drawn dataset in VITON-HD layout, with annotations that are exact by construction.

The project ships no photographs. `render` draws people and garments (`pipelines.drawing`) into a folder
that the ordinary `vitonhd` source reads; `truth` returns what that layout cannot hold, for tests.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.drawing.flat import draw_garment
from pipelines.drawing.garments import CATEGORY_NAMES, GARMENTS
from pipelines.drawing.people import PEOPLE, draw_person
from pipelines.sources.cached import cached_folder
from schemas import codecs, labels
from schemas.labels import Category

VERSION = "1"  # changes whenever a pixel changes: it names the cache folder
SPLITS = ("train", "test")
_FOLDERS = ("image", "cloth", "cloth-mask", "image-parse-v3", "openpose_json", "image-densepose")
_SHUFFLE_SEED = 7


@dataclass(frozen=True, eq=False)
class Truth:
    """One person and the garment of the same id, as drawn: arrays before any lossy file.

    person_image, garment_image uint8 [1024 768 3] RGB; parse uint8 [1024 768] CIHP; densepose uint8 [1024 768]
    I 0-24; keypoints float32 [25 3] BODY_25; person_mask, garment_mask (of the flat garment) uint8 0/255.
    """

    person_image: np.ndarray
    garment_image: np.ndarray
    parse: np.ndarray
    densepose: np.ndarray
    keypoints: np.ndarray
    person_mask: np.ndarray
    garment_mask: np.ndarray
    category: Category
    split: str


def render(folder: Path) -> None:
    """Writes the dataset into an existing empty folder; the same bytes every time. Raises OSError."""
    for split in SPLITS:
        for name in _FOLDERS:
            (folder / split / name).mkdir(parents=True)
    tags: dict[str, list[dict[str, object]]] = {split: [] for split in SPLITS}
    for person_id, drawn in _drawn():
        _write_record(folder / drawn.split, person_id, drawn)
        tags[drawn.split].append(_tag_entry(person_id, drawn))
    for split in SPLITS:
        text = json.dumps({"data": tags[split]}, indent=4)
        (folder / split / f"vitonhd_{split}_tagged.json").write_text(text + "\n", encoding="utf-8")
        (folder / f"{split}_pairs.txt").write_bytes(_pair_lines(split).encode())


@cache
def truth() -> dict[str, Truth]:
    """Person id → exact arrays, read-only; drawn once per process (some 150 MB)."""
    columns = dict(_drawn())
    for drawn in columns.values():
        for value in vars(drawn).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
    return columns


def cached_root() -> Path:
    """The rendered sample, drawn on first use. Raises OSError."""
    return cached_folder(f"sample-{VERSION}", render)


def _drawn() -> Iterator[tuple[str, Truth]]:
    for person_id in sorted(PEOPLE):
        scene, flat = draw_person(person_id), draw_garment(person_id)
        yield (
            person_id,
            Truth(
                person_image=scene.image,
                garment_image=flat.image,
                parse=scene.parse,
                densepose=scene.densepose,
                keypoints=scene.keypoints,
                person_mask=np.where(scene.parse > 0, np.uint8(255), np.uint8(0)),
                garment_mask=flat.mask,
                category=GARMENTS[person_id].category,
                split=PEOPLE[person_id].split,
            ),
        )


def _write_record(folder: Path, person_id: str, drawn: Truth) -> None:
    files = {
        f"image/{person_id}.jpg": _jpeg(drawn.person_image, 95),
        f"cloth/{person_id}.jpg": _jpeg(drawn.garment_image, 95),
        f"cloth-mask/{person_id}.jpg": _jpeg(drawn.garment_mask, 75),
        f"image-parse-v3/{person_id}.png": _palette_png(drawn.parse),
        f"openpose_json/{person_id}_keypoints.json": codecs.encode_keypoints(drawn.keypoints),
        f"image-densepose/{person_id}.jpg": _jpeg(labels.DENSEPOSE_COLOURS[drawn.densepose], 95),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """uint8 [h w 3] RGB or [h w] as VITON-HD stores it: 4:2:0, quality 95 for pictures, 75 for masks."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _palette_png(parse: np.ndarray) -> bytes:
    """uint8 [h w] CIHP as VITON-HD stores it, by Pillow: these bytes stay whatever shards are written by."""
    image, buffer = Image.fromarray(parse), io.BytesIO()
    image.putpalette(labels.PALETTES["cihp"].tobytes())
    image.save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()


def _tag_entry(person_id: str, drawn: Truth) -> dict[str, object]:
    garment = GARMENTS[person_id]
    return {
        "file_name": f"{person_id}.jpg",
        "category_name": CATEGORY_NAMES[garment.category],
        "tag_info": [{"tag_name": name, "tag_category": value} for name, value in garment.tag_values().items()],
        "image": [_boxed("image", drawn.parse == garment.label), _boxed("cloth", drawn.garment_mask > 0)],
    }


def _boxed(path: str, mask: np.ndarray) -> dict[str, object]:
    """The garment's box as a share of the picture, as the tag files give it."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = {
        "left": columns[0] / width,
        "top": rows[0] / height,
        "width": (columns[-1] + 1 - columns[0]) / width,
        "height": (rows[-1] + 1 - rows[0]) / height,
    }
    box = {name: round(float(value), 6) for name, value in box.items()}
    return {"image_path": path, "image_width": width, "image_height": height, "bbox": box}


def _pair_lines(split: str) -> str:
    """Train: a shuffled second column, as in the real file, where it is noise. Test: another of the same category."""
    ids = sorted(person_id for person_id, person in PEOPLE.items() if person.split == split)
    if split == "train":
        others = dict(zip(ids, np.random.default_rng(_SHUFFLE_SEED).permutation(ids), strict=True))
    else:
        others = {person_id: _next_of_category(person_id, ids) for person_id in ids}
    return "".join(f"{person_id}.jpg {others[person_id]}.jpg\n" for person_id in ids)


def _next_of_category(person_id: str, ids: list[str]) -> str:
    same = [other for other in ids if GARMENTS[other].category == GARMENTS[person_id].category]
    return same[(same.index(person_id) + 1) % len(same)]
