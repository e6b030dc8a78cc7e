"""A small synthetic dataset in VITON-HD layout, and what a finished command says."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schemas import codecs, shards

HEIGHT, WIDTH = 128, 96
WEIGHTLESS = "parse,keypoints,densepose,caption"


def draw(seed: int) -> dict[str, Any]:
    """A crude person and garment, every annotation of the right kind and size; different for every seed."""
    generator = np.random.default_rng(seed)
    noise = generator.integers(0, 40, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    person = noise + np.array(generator.integers(60, 200, 3), np.uint8)
    garment = np.full((HEIGHT, WIDTH, 3), 246, np.uint8)
    top, left = int(generator.integers(10, 30)), int(generator.integers(10, 30))
    garment[top:110, left:80] = generator.integers(0, 180, 3)
    garment[top + 10 :: 7, left:80] = generator.integers(0, 180, 3)
    garment[110:] = 246
    mask = np.where((garment < 230).any(axis=2), np.uint8(255), np.uint8(0))
    parse = np.zeros((HEIGHT, WIDTH), np.uint8)
    parse[10:30, 38:58] = 13
    parse[34:90, 30:66] = 5
    parse[40:80, 20:30], parse[40:80, 66:76] = 15, 14
    parse[90:, 32:64] = 9
    keypoints = np.zeros((25, 3), np.float32)
    places = {0: (48, 20), 1: (48, 33), 2: (33, 36), 3: (25, 55), 4: (24, 76), 5: (63, 36), 6: (71, 55), 7: (72, 76)}
    places |= {8: (48, 88), 9: (40, 88), 12: (56, 88)}
    for joint, (x, y) in places.items():
        keypoints[joint] = (x, y, 0.9)
    return {"person": person, "garment": garment, "mask": mask, "parse": parse, "keypoints": keypoints}


class Dataset:
    """A dataset in VITON-HD layout that tests may change."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, name: str, seed: int, split: str = "test", annotated: bool = True) -> None:
        drawn = draw(seed)
        self.put(f"{split}/image/{name}.jpg", codecs.encode_jpeg(drawn["person"]))
        self.put(f"{split}/cloth/{name}.jpg", codecs.encode_jpeg(drawn["garment"]))
        self.put(f"{split}/cloth-mask/{name}.jpg", codecs.encode_jpeg(np.repeat(drawn["mask"][..., None], 3, axis=2)))
        if annotated:
            self.put(f"{split}/image-parse-v3/{name}.png", codecs.encode_label_map(drawn["parse"], "cihp"))
            self.put(f"{split}/openpose_json/{name}_keypoints.json", codecs.encode_keypoints(drawn["keypoints"]))
            self.put(f"{split}/image-densepose/{name}.jpg", codecs.encode_jpeg(drawn["person"] // 4))

    def put(self, name: str, content: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def pairs(self, *lines: str, split: str = "test") -> None:
        self.put(f"{split}_pairs.txt", "".join(f"{line}\n" for line in lines).encode())


@dataclass(frozen=True)
class Result:
    """What a finished command left."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.stdout.strip(), self.stderr
        return json.loads(self.stdout.strip().splitlines()[-1])

    @property
    def error(self) -> str:
        """The one line that a failure ends with."""
        return self.stderr.strip().splitlines()[-1]


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of a finished build, cells as stored."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*-of-*")):
        with path.open("rb") as file:
            found += list(shards.ShardReader(file, path.name).rows())
    return found


def digests(folder: Path) -> dict[str, bytes]:
    """Everything that design.md §4 calls deterministic."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and p.name != "_run.json"}


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target
