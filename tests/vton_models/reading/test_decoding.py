"""The fast decoder gives what `schemas.record.decode` gives, and refuses what that refuses."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas import codecs, fields, kinds, png, record
from vton_models.reading import decoding

PHOTO = (np.add.outer(np.arange(61), np.arange(45))[..., None] * (1, 2, 3) % 256).astype(np.uint8)
MASK = np.where(np.add.outer(np.arange(61), np.arange(45)) % 17 > 8, np.uint8(255), np.uint8(0))
PARSE = (np.add.outer(np.arange(61), np.arange(45)) // 9 % 20).astype(np.uint8)


def saved(pixels: np.ndarray, file_format: str, mode: str | None = None, **options: object) -> bytes:
    image = Image.fromarray(pixels)
    out = io.BytesIO()
    (image.convert(mode) if mode else image).save(out, file_format, **options)
    return out.getvalue()


def cell(data: bytes | None) -> pa.Scalar:
    return pa.scalar(None if data is None else {"bytes": data}, pa.struct([("bytes", pa.binary())]))


@pytest.mark.parametrize(
    "data",
    [
        saved(PHOTO, "JPEG", quality=95, subsampling=0),
        saved(PHOTO, "JPEG", quality=80, subsampling=2),
        saved(PHOTO, "JPEG", progressive=True),
        saved(PHOTO, "JPEG", "L"),
        saved(PHOTO, "JPEG", "CMYK"),
        saved(PHOTO, "JPEG") + b"\0\0\0",
        saved(PHOTO, "PNG"),
        saved(PHOTO, "PNG", "P"),
        saved(PHOTO, "PNG", "L"),
        saved(PHOTO, "PNG", "RGBA"),
        saved(PHOTO, "PNG", transparency=(0, 0, 0)),
        saved(PHOTO, "WEBP"),
        saved(PHOTO, "BMP"),
    ],
    ids=lambda data: f"{data[:4]!r} {len(data)}",
)
def test_photos_equal_the_codecs(data: bytes) -> None:
    decoded = decoding.decoder(fields.image("person_image"))(cell(data))
    np.testing.assert_array_equal(decoded, codecs.decode_image(data))
    assert decoded.flags.writeable and decoded.flags.c_contiguous


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=60)
def test_masks_and_label_maps_equal_the_codecs(height: int, width: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask = generator.integers(0, 2, (height, width), dtype=np.uint8) * np.uint8(255)
    parse = generator.integers(0, 20, (height, width), dtype=np.uint8)
    stored = codecs.encode_mask(mask), saved(mask, "PNG")
    assert all(np.array_equal(decoding.decode_mask(data), mask) for data in stored)
    stored = codecs.encode_label_map(parse, "cihp"), saved(parse, "PNG")
    assert all(np.array_equal(decoding.decode_label_map(data, "cihp"), parse) for data in stored)
    half = decoding.decode_mask(codecs.encode_mask(mask), (-(-height // 2), -(-width // 2)))
    np.testing.assert_array_equal(half, mask[::2, ::2])


def test_pictures_are_reduced_alike() -> None:
    """61 × 45 at half size is 31 × 23 whatever the kind and the format."""
    photos = [saved(PHOTO, "JPEG"), saved(PHOTO, "PNG"), saved(PHOTO, "WEBP")]
    shapes = {decoding.decode_image(data, (31, 23)).shape for data in photos}
    masks = {decoding.decode_mask(data, (30, 20)).shape for data in (codecs.encode_mask(MASK), saved(MASK, "PNG"))}
    parse = decoding.decode_label_map(codecs.encode_label_map(PARSE, "cihp"), "cihp", (31, 23))
    assert shapes == {(31, 23, 3)} and masks == {(31, 23)} and parse.shape == (31, 23)
    np.testing.assert_array_equal(parse, PARSE[::2, ::2])
    assert decoding.decode_image(photos[0], (32, 23)).shape == PHOTO.shape  # never smaller than asked


def test_a_halved_photo_resembles_the_whole() -> None:
    smooth = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], 3, axis=2).repeat(48, axis=1)
    expected = smooth.reshape(32, 2, 24, 2, 3).mean(axis=(1, 3))
    for data in (saved(smooth, "JPEG", quality=95), saved(smooth, "PNG")):
        half = decoding.decode_image(data, (32, 24))
        assert np.abs(half - expected).max() < 4


def test_ids_are_never_averaged() -> None:
    parts = np.zeros((60, 44, 3), np.uint8)
    parts[1::2] = 24
    stored = saved(parts, "PNG")
    assert decoding.decoder(fields.image("densepose"), (30, 22))(cell(stored)).max() == 0
    assert decoding.decoder(fields.image("densepose_image"), (30, 22))(cell(stored)).max() == 12


@pytest.mark.parametrize("size, least, step", [((1024, 768), (512, 384), 2), ((1024, 768), (513, 384), 1)])
def test_reduction(size: tuple[int, int], least: tuple[int, int], step: int) -> None:
    assert decoding.reduction(size, least) == step
    assert decoding.reduction(size, None) == 1
    assert decoding.reduction((4096, 4096), (512, 384)) == 8


DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "cut with its end": lambda data: data[: len(data) // 2] + data[-12:],
    "empty": lambda data: b"",
    "text": lambda data: b"not a picture",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("kind", ["jpeg", "png", "mask", "label_map"])
def test_damage_is_refused_where_the_codecs_refuse_it(kind: str, damage: object) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole, field = {
        "jpeg": (saved(noise, "JPEG"), kinds.TRYON.fields["person_image"]),
        "png": (saved(noise, "PNG"), kinds.TRYON.fields["person_image"]),
        "mask": (codecs.encode_mask(noise[..., 0]), kinds.TRYON.fields["agnostic_mask"]),
        "label_map": (codecs.encode_label_map(noise[..., 0] % 20, "cihp"), kinds.TRYON.fields["parse"]),
    }[kind]
    data = damage(whole)
    try:
        expected = record.decode(field, {"bytes": data})
    except codecs.CodecError:
        with pytest.raises(codecs.CodecError):
            decoding.decoder(field)(cell(data))
    else:
        assert decoding.decoder(field)(cell(data)).shape == expected.shape


def test_foreign_ids_are_refused() -> None:
    data = saved(PARSE + np.uint8(100), "PNG")
    with pytest.raises(codecs.CodecError, match="outside cihp"):
        decoding.decode_label_map(data, "cihp")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("depth, colour", [(8, 2), (8, 3), (1, 0)])
def test_too_many_pixels_are_refused_before_decoding(depth: int, colour: int) -> None:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, depth, colour, 0, 0, 0))
    palette = _chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    body = _chunk(b"IDAT", zlib.compress(bytes(100)))
    data = b"\x89PNG\r\n\x1a\n" + header + palette + body + _chunk(b"IEND", b"")
    decoders = decoding.decode_image, decoding.decode_mask, lambda x: decoding.decode_label_map(x, "cihp")
    for decode in decoders:
        with pytest.raises(codecs.CodecError):
            decode(data)


@pytest.mark.parametrize(
    ("form", "palette", "read"),
    [((1, 0), b"", png.read_bits), ((8, 3), bytes(768), png.read_ids)],
    ids=["mask", "labels"],
)
def test_a_bomb_inside_a_small_picture_is_not_unpacked(
    form: tuple[int, int], palette: bytes, read: Callable[[bytes], np.ndarray | None]
) -> None:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, *form, 0, 0, 0))
    body = (_chunk(b"PLTE", palette) if palette else b"") + _chunk(b"IDAT", zlib.compress(bytes(50_000_000)))
    data = b"\x89PNG\r\n\x1a\n" + header + body + _chunk(b"IEND", b"")
    assert read(data) is None


def test_null_and_plain_values() -> None:
    assert decoding.decoder(kinds.TRYON.fields["person_image"])(cell(None)) is None
    keypoints = decoding.decoder(kinds.TRYON.fields["keypoints"])
    points = keypoints(pa.scalar([1.0] * 75, pa.list_(pa.float32())))
    assert points.shape == (25, 3) and points.dtype == np.float32
    with pytest.raises(codecs.CodecError):
        keypoints(pa.scalar([1.0] * 74, pa.list_(pa.float32())))
    assert decoding.decoder(kinds.TRYON.fields["caption"])(pa.scalar("a coat")) == "a coat"
