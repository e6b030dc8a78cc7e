"""How fast the agnostic recipe is against a plain version written from its description, at equal output.

    python -m benchmarks.recipes [--repeats 20]

The plain version draws every shape on the full photo and pastes the kept labels back one by one. Both run on every
person of VITON_DATA (default ../shared/data, folder vitonhd_mini) that has a parse and keypoints. Runs are interleaved,
and the plain version runs twice per round: the ratio between these two shows what the machine's noise is worth.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from annotators.functional import agnostic
from schemas import codecs

Case = tuple[np.ndarray, np.ndarray, np.ndarray]
Recipe = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def plain(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask) of the hrviton recipe, joint by joint and label by label; 768 × 1024 only."""
    photo, joints = Image.fromarray(person_image), keypoints[:, :2].astype(np.float64)
    r = _spread_hips(joints)
    picture, mask = photo.copy(), Image.new("L", photo.size)
    for image, grey in ((picture, "gray"), (mask, 255)):
        _draw_body(ImageDraw.Draw(image), joints, r, grey)
    untouched = Image.new("L", photo.size)
    for kept in _kept(parse, joints, r):
        pasted = Image.fromarray((kept.astype(np.float32) * 255).astype(np.uint8))
        picture.paste(photo, None, pasted)
        mask.paste(untouched, None, pasted)
    return np.array(picture), np.array(mask)


def _spread_hips(joints: np.ndarray) -> int:
    span = np.linalg.norm(joints[5] - joints[2])
    middle, distance = (joints[9] + joints[12]) / 2, np.linalg.norm(joints[12] - joints[9])
    for hip in (9, 12):
        joints[hip] = middle + (joints[hip] - middle) / distance * span
    return int(span / 16) + 1


def _disc(draw: ImageDraw.ImageDraw, point: np.ndarray, a: int, b: int, fill: str | int) -> None:
    x, y = point
    draw.ellipse((x - a, y - b, x + a, y + b), fill, fill)


def _line(draw: ImageDraw.ImageDraw, joints: np.ndarray, i: int, j: int, width: int, fill: str | int) -> None:
    draw.line([tuple(joints[i]), tuple(joints[j])], fill, width)


def _draw_body(draw: ImageDraw.ImageDraw, joints: np.ndarray, r: int, grey: str | int) -> None:
    for hip in (9, 12):
        _disc(draw, joints[hip], 3 * r, 6 * r, grey)
    for i, j, width in ((2, 9, 6), (5, 12, 6), (9, 12, 12)):
        _line(draw, joints, i, j, width * r, grey)
    draw.polygon([tuple(joints[i]) for i in (2, 5, 12, 9)], grey, grey)
    x, y = joints[1]
    draw.rectangle((x - 5 * r, y - 9 * r, x + 5 * r, y), grey, grey)
    _line(draw, joints, 2, 5, 12 * r, grey)
    for shoulder in (2, 5):
        _disc(draw, joints[shoulder], 5 * r, 6 * r, grey)
    for i in (3, 4, 6, 7):
        if joints[i - 1].any() and joints[i].any():
            _line(draw, joints, i - 1, i, 10 * r, grey)
            _disc(draw, joints[i], 5 * r, 5 * r, grey)


def _kept(parse: np.ndarray, joints: np.ndarray, r: int) -> list[np.ndarray]:
    """One mask per kept label: the two hands, then head and lower body."""
    kept = []
    for label, chain in ((14, (5, 6, 7)), (15, (2, 3, 4))):
        outside = Image.new("L", parse.shape[::-1], 255)
        draw, last = ImageDraw.Draw(outside), chain[0]
        _disc(draw, joints[last], 5 * r, 6 * r, 0)
        for i in chain[1:]:
            if joints[i - 1].any() and joints[i].any():
                _line(draw, joints, i - 1, i, 10 * r, 0)
                if i != chain[-1]:
                    _disc(draw, joints[i], 5 * r, 5 * r, 0)
                last = i
        _disc(draw, joints[last], 4 * r, 4 * r, 0)
        kept.append((parse == label) & (np.array(outside) > 0))
    return kept + [parse == label for label in (4, 13, 9, 12, 16, 17, 18, 19)]


def cases(folder: Path) -> list[Case]:
    """(photo, parse, keypoints) of every person under a VITON-HD folder that has all three."""
    found = []
    for path in sorted(folder.glob("*/openpose_json/*_keypoints.json")):
        name, split = path.name.removesuffix("_keypoints.json"), path.parent.parent
        photo, parse = split / "image" / f"{name}.jpg", split / "image-parse-v3" / f"{name}.png"
        if photo.exists() and parse.exists():
            keypoints = codecs.decode_keypoints(path.read_bytes())["keypoints"]
            label_map = codecs.decode_label_map(parse.read_bytes(), "cihp")
            found.append((codecs.decode_image(photo.read_bytes()), label_map, keypoints))
    return found


def milliseconds(recipes: list[Recipe], inputs: list[Case], repeats: int) -> list[float]:
    """Median ms per photo of each recipe; within a round they run one after another on the same photo."""
    spent: list[list[float]] = [[] for _ in recipes]
    for _ in range(repeats):
        for case in inputs:
            for times, recipe in zip(spent, recipes, strict=True):
                start = time.perf_counter()
                recipe(*case)
                times.append(1000 * (time.perf_counter() - start))
    return [statistics.median(times) for times in spent]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="rounds over all photos")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VTON_DATA", "../shared/data")))
    arguments = parser.parse_args()
    inputs = cases(arguments.data / "vitonhd_mini")
    if not inputs:
        parser.error(f"no person with parse and keypoints under {arguments.data}/vitonhd_mini; set VTON_DATA")
    for case in inputs:
        for made, expected in zip(agnostic.hrviton(*case), plain(*case), strict=True):
            np.testing.assert_array_equal(made, expected)
    ours, theirs, control = milliseconds([agnostic.hrviton, plain, plain], inputs, arguments.repeats)
    print(f"{len(inputs)} photos, output equal")
    print(f"plain {theirs:.2f} ms, again {control:.2f} ms (ratio {theirs / control:.2f})")
    print(f"agnostic.hrviton {ours:.2f} ms: {min(theirs, control) / ours:.1f} times as fast")


if __name__ == "__main__":
    main()
