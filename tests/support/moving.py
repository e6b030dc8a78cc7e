"""A rendered clip of one object whose exact masks are known: it moves, grows, turns, is half hidden, and leaves."""

from dataclasses import dataclass

import cv2
import numpy as np

HEIGHT, WIDTH = 240, 426


@dataclass(frozen=True, eq=False)
class Moving:
    """pictures: uint8 [h w 3] RGB; masks: uint8 [h w] 0/255, what is seen of the object; `gone`: first without any."""

    pictures: list[np.ndarray]
    masks: list[np.ndarray]
    gone: int


def render(frames: int = 48, seed: int = 0) -> Moving:
    """A chequered star in front of a textured wall; a post stands before it in the middle of its way."""
    rng = np.random.default_rng(seed)
    wall = cv2.resize(rng.integers(60, 160, (30, 54, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    skin = _skin(rng)
    pictures, masks = [], []
    for number in range(frames):
        share = number / (frames - 1)
        picture, mask = _frame(wall, skin, share)
        noise = rng.normal(0, 2, picture.shape)
        pictures.append(np.clip(picture + noise, 0, 255).astype(np.uint8))
        masks.append(mask)
    gone = next((number for number, mask in enumerate(masks) if not mask.any()), frames)
    return Moving(pictures, masks, gone)


def _skin(rng: np.random.Generator) -> np.ndarray:
    colours = np.array([(220, 60, 50), (240, 200, 60)], np.uint8)
    return np.repeat(np.repeat(colours[(np.add.outer(range(12), range(12)) // 1) % 2], 8, 0), 8, 1)


def _frame(wall: np.ndarray, skin: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    side = skin.shape[0]
    scale = 0.7 + 0.5 * np.sin(np.pi * share)
    x, y = 60 + share * (WIDTH + 40), HEIGHT / 2 + 30 * np.sin(4 * share)
    move = cv2.getRotationMatrix2D((side / 2, side / 2), 90 * share, scale)
    move[:, 2] += (x - side / 2, y - side / 2)
    star = np.zeros((side, side), np.uint8)
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    reach = np.where(np.arange(20) % 2, 0.34, 0.48) * side
    outline = np.stack([side / 2 + reach * np.cos(angles), side / 2 + reach * np.sin(angles)], 1)
    cv2.fillPoly(star, [outline.astype(np.int32)], 255)
    mask = cv2.warpAffine(star, move, (WIDTH, HEIGHT))
    picture = np.where(mask[..., None] >= 128, cv2.warpAffine(skin, move, (WIDTH, HEIGHT)), wall)
    mask = np.where(mask >= 128, np.uint8(255), np.uint8(0))
    post = slice(WIDTH // 2, WIDTH // 2 + 18)
    picture[:, post], mask[:, post] = (70, 90, 70), 0
    return picture, mask
