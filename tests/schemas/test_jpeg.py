"""Plain JPEGs: which files are, and that two decoders give the same of them, damaged or not."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotators.common import decoding
from schemas import codecs, jpeg


def saved(size: tuple[int, int] = (61, 43), seed: int = 0, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("options", [{}, {"quality": 100, "subsampling": 0}, {"subsampling": 1}, {"comment": b"a"}])
def test_a_plain_file_is_known_by_its_markers(options: dict[str, object]) -> None:
    assert jpeg.is_plain(saved(**options))


@pytest.mark.parametrize(
    "data",
    [
        b"", saved()[:-2], saved()[:-200], saved() + b"\0", saved(mode="L"), saved(mode="CMYK"),
        saved(progressive=True), saved(exif=turned(6)), saved(exif=turned(1)), saved(icc_profile=b"profile"),
        saved(restart_marker_blocks=1),
        saved(xmp=b"<x/>"), saved(keep_rgb=True), saved()[:-2] + saved(), saved()[:40] + b"\xff\xd9",
    ],
    ids=lambda data: f"{len(data)} bytes",
)  # fmt: skip
def test_everything_else_goes_to_pillow(data: bytes) -> None:
    assert not jpeg.is_plain(data)
    assert outcome(decoding.photo, data) == outcome(codecs.decode_photo, data)


def test_photos_decode_to_pillows_pixels(data: Path) -> None:
    files = sorted((data / "vitonhd_mini").rglob("image*/*.jpg"))
    assert files and sum(jpeg.is_plain(path.read_bytes()) for path in files) >= len(files) - 1
    for path in files:
        pixels = decoding.photo(path.read_bytes()).pixels
        assert (pixels == np.asarray(Image.open(path).convert("RGB"))).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (33, 65)], ids=str)
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_damage_ends_as_with_pillow(size: tuple[int, int], subsampling: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Where OpenCV differed from Pillow on a file, that file must not count as plain."""
    chance, plain = random.Random(f"{size} {subsampling}"), 0
    whole = saved(size, subsampling=subsampling)
    for _ in range(120):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.3:
            start = chance.randrange(2, len(damaged) - 2)
            del damaged[start : start + chance.randrange(1, 100)]
        plain += jpeg.is_plain(bytes(damaged))
        assert outcome(decoding.photo, bytes(damaged)) == outcome(codecs.decode_photo, bytes(damaged))
    assert plain > 10, "some damage passes for plain, or nothing is tested here"


def outcome(decode: Callable[[bytes], codecs.Photo], data: bytes) -> tuple[object, ...]:
    try:
        photo = decode(data)
    except codecs.CodecError as error:
        return (str(error),)
    return photo.pixels.shape, photo.pixels.tobytes(), photo.format, photo.notes, photo.alpha
