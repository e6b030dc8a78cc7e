"""Drawn garments and their photos, whose mask is known."""

import cv2
import numpy as np

WHITE = (255, 255, 255)


def shirt(height=1024, width=768):
    """Mask of a shirt with a gap between sleeve and body."""
    mask = np.zeros((height, width), np.uint8)
    scale = width / 384
    points = np.array([(110, 90), (274, 90), (360, 200), (345, 300), (300, 300), (280, 200), (280, 420), (104, 420)])
    points = np.vstack([points, [(104, 200), (84, 300), (39, 300), (24, 200)]])
    cv2.fillPoly(mask, [(points * scale).astype(np.int32)], 255)
    return mask


def photo(mask, colour, background, jpeg=95, shade=0):
    height, width = mask.shape
    ground = np.broadcast_to(np.float32(background), (height, width, 3)).copy()
    ground += shade * np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    cloth = np.float32(colour) + 6 * np.sin(np.arange(height, dtype=np.float32) / 9)[:, None, None]
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None] / np.float32(255)
    image = np.clip(ground * (1 - soft) + cloth * soft, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


def trousers(height=1024, width=768):
    mask = np.zeros((height, width), np.uint8)
    outline = [(280, 80), (490, 80), (540, 940), (410, 940), (385, 330), (360, 940), (230, 940)]
    cv2.fillPoly(mask, [(np.array(outline) * height / 1024).astype(np.int32)], 255)
    return mask


def straps(height=1024, width=768):
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (220, 300), (548, 900), 255, -1)
    for x in (280, 476):
        cv2.line(mask, (x, 80), (x, 320), 255, 16)
    return mask


def with_shadow(mask, colour, ground=WHITE, depth=0.35, jpeg=92):
    """A photo with a soft shadow that falls right and down."""
    height = len(mask) / 1024
    moved = np.roll(mask, (round(8 * height), round(5 * height)), (0, 1)).astype(np.float32) / 255
    shade = 1 - depth * cv2.GaussianBlur(moved, (0, 0), 9 * height)[..., None]
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None] / np.float32(255)
    image = np.float32(ground) * shade * (1 - soft) + np.float32(colour) * soft
    return recompressed(np.rint(image).astype(np.uint8), jpeg)


def recompressed(image, quality):
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
