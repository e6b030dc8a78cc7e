"""The embedded sample of clips: drawn garments that move before drawn rooms, in DAVIS layout, with exact masks.

Each clip has one or two objects, which go their ways, turn, come nearer, and pass behind one another.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from annotators.functional import boxes
from pipelines.drawing.backgrounds import background
from pipelines.drawing.flat import draw_garment
from pipelines.sources.cached import cached_folder

VERSION = "1"  # changes whenever a pixel changes: it names the cache folder
HEIGHT, WIDTH = 480, 640
FRAMES = 24
SIDE = 240  # pixels that an object is high at scale 1


@dataclass(frozen=True)
class Way:
    """An object's journey through a clip, from the first frame to the last: centre in shares of the frame, scale, turn.

    garment: the drawn garment that moves; turns are in degrees, anticlockwise.
    """

    garment: str
    x: tuple[float, float]
    y: tuple[float, float]
    scale: tuple[float, float]
    turn: tuple[float, float]


@dataclass(frozen=True)
class Clip:
    """split, background, and the objects from the hindmost to the foremost; their ids count from 1."""

    split: str
    behind: str
    ways: tuple[Way, ...]


CLIPS: dict[str, Clip] = {
    "stripes": Clip("train", "room", (Way("00001_00", (0.25, 0.75), (0.5, 0.55), (0.8, 1.2), (0, 25)),)),
    "tartan": Clip("train", "garden", (Way("00002_00", (0.7, 0.35), (0.6, 0.45), (1.2, 0.8), (10, -30)),)),
    "two": Clip(
        "train", "street",
        (Way("00003_00", (0.2, 0.7), (0.45, 0.5), (0.9, 0.9), (-10, 10)),
         Way("00004_00", (0.85, 0.3), (0.6, 0.6), (1.0, 1.0), (0, 20))),
    ),
    "leaving": Clip("val", "studio blue", (Way("00002_00", (0.3, 1.3), (0.5, 0.5), (1.1, 1.1), (0, 40)),)),
    "sun": Clip("val", "room", (Way("00004_00", (0.4, 0.6), (0.7, 0.4), (0.7, 1.3), (-20, 20)),)),
}  # fmt: skip


def render(folder: Path) -> None:
    """Writes the clips into an existing empty folder; the same bytes every time. Raises OSError."""
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for name, clip in CLIPS.items():
        images, annotations = (folder / kind / "480p" / name for kind in ("JPEGImages", "Annotations"))
        images.mkdir(parents=True)
        annotations.mkdir(parents=True)
        for number, (picture, ids) in enumerate(frames(clip)):
            (images / f"{number:05d}.jpg").write_bytes(_jpeg(picture))
            (annotations / f"{number:05d}.png").write_bytes(_palette(ids))
        lists[clip.split].append(name)
    (folder / "ImageSets").mkdir()
    for split, names in lists.items():
        (folder / "ImageSets" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def cached_root() -> Path:
    """The rendered sample, drawn on first use. Raises OSError."""
    return cached_folder(f"sample-clips-{VERSION}", render)


def frames(clip: Clip) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Picture uint8 [480 640 3] RGB and object ids uint8 [480 640] of each frame, before any lossy file."""
    scene = background(clip.behind, np.random.default_rng(len(clip.behind)), False)
    wall = _filling(np.clip(np.rint(scene), 0, 255).astype(np.uint8))
    objects = [_cut_out(way.garment) for way in clip.ways]
    for number in range(FRAMES):
        share = number / (FRAMES - 1)
        picture, ids = wall.copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
        for object_id, (way, (pixels, mask)) in enumerate(zip(clip.ways, objects, strict=True), start=1):
            move = _placed(way, share, pixels.shape[:2])
            over = cv2.warpAffine(pixels, move, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
            seen = cv2.warpAffine(mask, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR) >= 128
            picture[seen], ids[seen] = over[seen], object_id
        yield picture, ids


def _filling(scene: np.ndarray) -> np.ndarray:
    """A background over the whole frame: as wide as the frame, its lower part cut off."""
    height = WIDTH * scene.shape[0] // scene.shape[1]
    return cv2.resize(scene, (WIDTH, height), interpolation=cv2.INTER_AREA)[:HEIGHT]


def _cut_out(garment: str) -> tuple[np.ndarray, np.ndarray]:
    """A drawn garment uint8 [h w 3] and its mask uint8 [h w], SIDE pixels high."""
    drawn = draw_garment(garment)
    box = boxes.of_mask(drawn.mask)
    assert box is not None
    pixels, mask = boxes.crop(drawn.image, box), boxes.crop(drawn.mask, box)
    size = (round(SIDE * mask.shape[1] / mask.shape[0]), SIDE)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.resize(mask, size, interpolation=cv2.INTER_AREA)


def _placed(way: Way, share: float, size: tuple[int, int]) -> np.ndarray:
    """float [2 3]: where an object's pixels lie in the frame, `share` (0–1) of its way done."""
    x, y, scale, turn = (low + share * (high - low) for low, high in (way.x, way.y, way.scale, way.turn))
    height, width = size
    move = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale))
    move[:, 2] += np.array([x * WIDTH - width / 2, y * HEIGHT - height / 2])
    return move


def _jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def _palette(ids: np.ndarray) -> bytes:
    """An index mask as DAVIS stores it: a PNG whose palette tells the objects apart."""
    image = Image.fromarray(ids, "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
