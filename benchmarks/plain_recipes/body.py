"""HR-VITON and VITON-HD: joint by joint and label by label, on the photo itself."""

import numpy as np
from PIL import Image, ImageDraw


def hrviton(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask); 768 × 1024 only."""
    photo, joints = Image.fromarray(person_image), keypoints[:, :2].astype(np.float64)
    r = _spread_hips(joints)
    picture, mask = photo.copy(), Image.new("L", photo.size)
    for image, grey in ((picture, "gray"), (mask, 255)):
        _draw_body(ImageDraw.Draw(image), joints, r, grey)
        _draw_shoulders(ImageDraw.Draw(image), joints, r, grey)
    return _pasted(photo, picture, mask, _hands(parse, joints, r) + _kept(parse))


def vitonhd(person_image: np.ndarray, parse: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(agnostic_image, agnostic_mask); 768 × 1024 only."""
    photo, joints = Image.fromarray(person_image), keypoints[:, :2].astype(np.float64)
    _spread_hips(joints)
    picture, mask, r = photo.copy(), Image.new("L", photo.size), 20
    for image, grey in ((picture, "gray"), (mask, 255)):
        draw = ImageDraw.Draw(image)
        _draw_body(draw, joints, r, grey)
        x, y = joints[1]
        draw.rectangle((x - 7 * r, y - 7 * r, x + 7 * r, y + 7 * r), grey, grey)
        _line(draw, joints, 2, 5, 10 * r, grey)
        for shoulder in (2, 5):
            _disc(draw, joints[shoulder], 5 * r, 5 * r, grey)
    return _pasted(photo, picture, mask, _kept(parse))


def _pasted(
    photo: Image.Image, picture: Image.Image, mask: Image.Image, kept: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The photo's own pixels back wherever a label is kept."""
    untouched = Image.new("L", photo.size)
    for region in kept:
        pasted = Image.fromarray((region.astype(np.float32) * 255).astype(np.uint8))
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
    for i in (3, 4, 6, 7):
        if joints[i - 1].any() and joints[i].any():
            _line(draw, joints, i - 1, i, 10 * r, grey)
            _disc(draw, joints[i], 5 * r, 5 * r, grey)


def _draw_shoulders(draw: ImageDraw.ImageDraw, joints: np.ndarray, r: int, grey: str | int) -> None:
    x, y = joints[1]
    draw.rectangle((x - 5 * r, y - 9 * r, x + 5 * r, y), grey, grey)
    _line(draw, joints, 2, 5, 12 * r, grey)
    for shoulder in (2, 5):
        _disc(draw, joints[shoulder], 5 * r, 6 * r, grey)


def _hands(parse: np.ndarray, joints: np.ndarray, r: int) -> list[np.ndarray]:
    """One mask per arm label: what lies beyond the arm's stroke."""
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
    return kept


def _kept(parse: np.ndarray) -> list[np.ndarray]:
    """One mask per kept label of head and lower body."""
    return [parse == label for label in (4, 13, 9, 12, 16, 17, 18, 19)]
