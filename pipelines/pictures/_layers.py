"""What lies over a picture: a label map, a mask's outline, joints and bones, a box; in the pixels of what is shown."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from annotators.functional import drawing, skeletons
from annotators.functional.boxes import Box
from pipelines.pictures import PALETTES, Drawing
from schemas import pages
from schemas.labels import Body25
from schemas.pages import Layer, Outline, Point


def label_map(name: str, ids: np.ndarray, space: str, width: int, height: int) -> Layer:
    """Ids uint8 [h w] of a label space; the background is left clear."""
    data = pages.label_png(ids, PALETTES[space], (width, height))
    return Layer(name, source=pages.data_uri(data, "png"), space=space)


def outline(name: str, mask: np.ndarray, width: int, height: int, colour: int) -> Layer:
    """Along the edges of a mask [h w], non-zero = set."""
    lines = drawing.contours(mask, height, width)
    path = "".join(f"M{'L'.join(f'{x} {y}' for x, y in polygon.tolist())}Z" for polygon in lines)
    return Layer(name, outlines=[Outline(path, colour)] if path else [])


def box(name: str, sides: Box, photo: tuple[int, int], width: int, height: int, colour: int) -> Layer:
    """Around a box in pixels of a photo of (height, width)."""
    x0, y0, x1, y1 = (
        round(side * scale, 1) for side, scale in zip(sides, 2 * _scales(photo, width, height), strict=True)
    )
    return Layer(name, outlines=[Outline(f"M{x0} {y0}L{x1} {y0}L{x1} {y1}L{x0} {y1}Z", colour)])


def joints(name: str, keypoints: np.ndarray, photo: tuple[int, int], width: int, height: int) -> Layer:
    """BODY_25 [25 3] in pixels of a photo of (height, width): its bones, and a point for each joint that is seen."""
    points = np.asarray(keypoints[:, :2], np.float64) * _scales(photo, width, height)
    seen = np.isfinite(points).all(axis=1) & keypoints[:, :2].any(axis=1) & (keypoints[:, 2] > skeletons.MIN_SCORE)
    ends = [(points[a], points[b]) for a, b in skeletons.BODY_25_BONES if seen[a] and seen[b]]
    path = "".join(f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" for a, b in ends)
    return Layer(
        name,
        outlines=[Outline(path, 5)] if path else [],
        points=[
            Point(
                round(float(points[joint][0]), 1), round(float(points[joint][1]), 1), _told(joint, keypoints[joint, 2])
            )
            for joint in np.flatnonzero(seen).tolist()
        ],
    )


def _scales(photo: tuple[int, int], width: int, height: int) -> tuple[float, float]:
    """Of x and y, from pixels of the photo to pixels of what is shown."""
    return width / photo[1], height / photo[0]


def _told(joint: int, score: float) -> str:
    return f"{Body25(joint).name.lower().replace('_', ' ')} {score:.2f}"


def outlines(
    columns: Sequence[str], values: Callable[[str], np.ndarray], first: int = 0
) -> Iterator[tuple[str, Drawing]]:
    """(column, what draws its outline) for masks, each in a colour of its own."""
    for number, column in enumerate(columns, start=first):

        def draw(width: int, height: int, column: str = column, colour: int = number % 10) -> Layer:
            return outline(column, values(column), width, height, colour)

        yield column, draw
