"""Bytes and back: lossless where promised, one clear error where not."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from schemas import codecs, labels
from schemas.foreign import keypoints, label_maps, masks

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@given(sizes.flatmap(lambda s: hnp.arrays(np.uint8, s, elements=st.sampled_from([0, 255]))))
def test_masks_round_trip_as_one_bit(mask: np.ndarray) -> None:
    data = codecs.encode_mask(mask)
    assert Image.open(io.BytesIO(data)).mode == "1"
    assert (codecs.decode_mask(data) == mask).all()


@given(sizes.flatmap(lambda s: hnp.arrays(np.uint8, s, elements=st.integers(0, 17))), st.sampled_from(["cihp", "atr"]))
def test_label_maps_round_trip(label_map: np.ndarray, space: str) -> None:
    data = codecs.encode_label_map(label_map, space)
    image = Image.open(io.BytesIO(data))
    assert image.mode == "P"
    assert image.getpalette("RGB")[:60] == labels.PALETTES[space][:20].ravel().tolist()
    assert (codecs.decode_label_map(data, space) == label_map).all()


@given(sizes.flatmap(lambda s: hnp.arrays(np.uint8, (*s, 3))))
def test_pictures_round_trip(pixels: np.ndarray) -> None:
    photo = codecs.decode_photo(codecs.encode_png(pixels))
    assert (photo.pixels == pixels).all()
    assert photo.bytes_can_stay


@given(sizes.flatmap(lambda s: hnp.arrays(np.uint8, s)))
def test_other_decoders_read_the_same_from_what_is_encoded(grey: np.ndarray) -> None:
    colours, mask = np.stack([grey, 255 - grey, grey // 2], axis=2), np.where(grey >= 128, np.uint8(255), np.uint8(0))
    assert (_by_opencv(codecs.encode_png(grey), cv2.IMREAD_UNCHANGED) == grey).all()
    assert (_by_opencv(codecs.encode_png(colours), cv2.IMREAD_COLOR_RGB) == colours).all()
    assert (_by_opencv(codecs.encode_mask(grey), cv2.IMREAD_GRAYSCALE) == mask).all()
    assert (np.asarray(Image.open(io.BytesIO(codecs.encode_label_map(grey, "lip")))) == grey).all()


def _by_opencv(data: bytes, flags: int) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert decoded is not None
    return decoded


@pytest.mark.parametrize("shape", [(0, 4), (4, 0, 3), (4, 4, 4), (4,)])
def test_what_is_no_picture_is_not_encoded(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"allowed is uint8 \[h w 3\] or \[h w\]"):
        codecs.encode_png(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="picture is float32"):
        codecs.encode_png(np.zeros((4, 4, 3), np.float32))


@given(sizes.flatmap(lambda s: hnp.arrays(np.uint8, s, elements=st.integers(0, 24))))
def test_part_maps_in_every_form_give_their_ids(parts: np.ndarray) -> None:
    parts.flat[0] = 24  # else grey levels can't be told from ids
    palette = Image.fromarray(parts)
    palette.putpalette(labels.voc_palette().tobytes())
    shuffled = Image.fromarray(24 - parts)
    shuffled.putpalette(labels.DENSEPOSE_COLOURS[::-1].tobytes())
    levels = (parts.astype(int) * 255 // 24).astype(np.uint8)
    rounded = np.rint(parts * (255 / 24)).astype(np.uint8)
    for image in (Image.fromarray(parts), palette, shuffled, Image.fromarray(levels), Image.fromarray(rounded)):
        assert (codecs.decode_parts(saved(image, "PNG")) == parts).all()


def test_other_pictures_are_no_part_maps() -> None:
    grey = Image.fromarray(np.full((8, 8), 100, np.uint8))
    for data, message in (
        (saved(grey, "PNG"), "up to 100 are neither part ids"),
        (saved(grey, "JPEG"), "JPEG in mode L; allowed are P and L, lossless"),
        (saved(grey.convert("RGB"), "PNG"), "mode RGB"),
    ):
        with pytest.raises(codecs.CodecError, match=message):
            codecs.decode_parts(data)


def gradient(mode: str) -> Image.Image:
    grey = Image.fromarray(np.tile(np.arange(0, 250, 10, dtype=np.uint8), (20, 1)))
    return grey.convert(mode)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (saved(gradient("CMYK"), "JPEG"), "mode CMYK"),
        (saved(gradient("L"), "PNG"), "mode L"),
        (saved(gradient("P"), "PNG"), "mode P"),
        (saved(gradient("RGBA"), "PNG"), "mode RGBA"),
        (saved(gradient("LA"), "PNG"), "mode LA"),
        (saved(Image.fromarray(np.tile(np.arange(0, 64000, 2560, dtype=np.uint16), (20, 1))), "PNG"), "mode I;16"),
    ],
)
def test_unusual_modes_are_converted_and_said(data: bytes, note: str) -> None:
    photo = codecs.decode_photo(data)
    assert photo.pixels.shape == (20, 25, 3) and note in photo.notes[0] and not photo.bytes_can_stay
    assert photo.pixels[:, 20:].mean() > photo.pixels[:, :5].mean() + 100, "brightness is kept"


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_mask_is_set_from_128_on(file_format: str, mode: str) -> None:
    levels = np.array([[0, 1, 127, 128, 129, 255]] + [[0] * 6] * 40, np.uint8)  # few greys, as in a JPEG mask
    mask = codecs.decode_mask(saved(Image.fromarray(levels).convert(mode), file_format))
    assert mask[0].tolist() == [0, 0, 0, 255, 255, 255] and not mask[1:].any()
    assert (codecs.decode_mask(codecs.encode_mask(levels)) == mask).all()


def test_alpha_is_laid_on_white() -> None:
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    assert (codecs.decode_image(saved(image, "PNG")) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:5, :10] = 255
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = Image.fromarray(upright)
    stored = stored if back is None else stored.transpose(Image.Transpose(back))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = codecs.decode_photo(saved(stored, "PNG", exif=exif))
    assert (photo.pixels == upright).all()
    assert photo.bytes_can_stay == (orientation == 1)


def test_bad_pictures_are_refused_in_words() -> None:
    whole = saved(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    cases = {b"": "empty file", b"hello": "not a picture", whole[: len(whole) // 2]: "truncated"}
    for data, message in cases.items():
        with pytest.raises(codecs.CodecError, match=message) as caught:
            codecs.decode_photo(data)
        assert "0x" not in str(caught.value)


def test_a_bomb_is_refused_by_its_header() -> None:
    png = bytearray(saved(Image.new("L", (1, 1)), "PNG"))
    png[16:24] = (50_000).to_bytes(4, "big") * 2
    import zlib

    png[29:33] = zlib.crc32(bytes(png[12:29])).to_bytes(4, "big")
    with pytest.raises(codecs.CodecError, match="2500000000 pixels; at most"):
        codecs.decode_photo(bytes(png))


@pytest.mark.parametrize("file_format", ["GIF", "TIFF"])
def test_a_damaged_second_frame_leaves_the_first(file_format: str) -> None:
    first = Image.new("RGB", (40, 30), (200, 10, 10))
    whole = saved(first, file_format, save_all=True, append_images=[Image.new("RGB", (40, 30), (10, 200, 10))])
    photo = codecs.decode_photo(whole)
    assert photo.pixels[5, 5].tolist() == [200, 10, 10] and "first frame of several" in photo.notes
    for cut in range(len(whole) - 12, len(whole) - 2, 3):
        try:
            photo = codecs.decode_photo(whole[:cut])
        except codecs.CodecError:
            continue
        assert photo.pixels.shape == (30, 40, 3)


def test_a_palette_picture_without_its_palette_is_refused() -> None:
    image = Image.new("P", (9, 9))
    image.putpalette([9] * 30)
    data = saved(image, "PNG")
    start = data.index(b"PLTE") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    with pytest.raises(codecs.CodecError):
        codecs.decode_photo(data[:start] + data[start + 12 + length :])


def test_formats_that_start_programs_are_no_pictures() -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    icon = saved(Image.new("RGB", (16, 16)), "ICO")
    for data in (eps, icon):
        with pytest.raises(codecs.CodecError, match="not a picture"):
            codecs.decode_photo(data)


def test_the_first_picture_of_an_mpo_is_a_jpeg() -> None:
    photo, other = Image.new("RGB", (32, 24), (90, 120, 30)), Image.new("RGB", (32, 24))
    found = codecs.decode_photo(saved(photo, "MPO", save_all=True, append_images=[other]))
    assert found.format == "JPEG" and found.bytes_can_stay and abs(int(found.pixels[0, 0, 1]) - 120) < 3


def wide_gamut_profile() -> bytes:
    """Linear light with sRGB's primaries: mid-grey becomes much lighter."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    curve = profile.index(b"para")
    gamma_one = b"curv" + bytes(4) + (0).to_bytes(4, "big")
    return profile[:curve] + gamma_one + profile[curve + len(gamma_one) :]


def test_colours_of_another_profile_are_converted() -> None:
    image = Image.new("RGB", (8, 8), (128, 128, 128))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = codecs.decode_photo(saved(image, "PNG", icc_profile=srgb))
    assert same.bytes_can_stay and same.pixels[0, 0].tolist() == [128, 128, 128]
    other = codecs.decode_photo(saved(image, "PNG", icc_profile=wide_gamut_profile()))
    assert other.pixels[0, 0].min() > 170 and "colour profile" in other.notes[0] and not other.bytes_can_stay
    broken = codecs.decode_photo(saved(image, "PNG", icc_profile=b"no profile"))
    assert broken.pixels[0, 0].tolist() == [128, 128, 128] and "damaged" in broken.notes[0]


def test_alpha_comes_along_upright() -> None:
    pixels = np.full((6, 4, 4), 255, np.uint8)
    pixels[0, 0] = (10, 20, 30, 0)
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = codecs.decode_photo(saved(Image.fromarray(pixels), "PNG", exif=exif))
    assert photo.alpha is not None and np.argwhere(photo.alpha == 0).tolist() == [[5, 3]]
    assert photo.pixels[5, 3].tolist() == [255, 255, 255]
    assert codecs.decode_photo(saved(Image.new("RGBA", (4, 4), (1, 2, 3, 255)), "PNG")).alpha is None


def test_a_photo_is_no_mask() -> None:
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    with pytest.raises(codecs.CodecError, match="not a mask"):
        codecs.decode_mask(codecs.encode_png(grey))


def test_label_maps_in_colour_are_refused() -> None:
    with pytest.raises(codecs.CodecError, match="mode RGB; allowed are P and L"):
        codecs.decode_label_map(codecs.encode_png(np.zeros((4, 4, 3), np.uint8)), "cihp")
    with pytest.raises(codecs.CodecError, match=r"ids \[77\] outside cihp"):
        codecs.decode_label_map(codecs.encode_png(np.full((4, 4), 77, np.uint8)), "cihp")


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF", b"II*\0"]))
def test_hostile_bytes_raise_only_codec_errors(tail: bytes, head: bytes) -> None:
    readers = (keypoints.read, masks.read, lambda data: label_maps.read(data, "cihp"))
    for decode in (codecs.decode_photo, codecs.decode_mask, codecs.decode_parts, *readers):
        with pytest.raises(codecs.CodecError):
            decode(head + tail)


def test_shipped_files_decode(data: Path) -> None:
    for path in sorted((data / "vitonhd_mini").glob("*/image-parse*/*.png")):
        label_map = codecs.decode_label_map(path.read_bytes(), "cihp")
        again = codecs.encode_label_map(label_map, "cihp")
        assert (codecs.decode_label_map(again, "cihp") == label_map).all()
        assert Image.open(io.BytesIO(again)).getpalette("RGB")[:60] == Image.open(path).getpalette("RGB")[:60]
    for path in sorted((data / "vitonhd_mini").glob("*/openpose_json/*.json")):
        assert keypoints.read(path.read_bytes()).columns["keypoints_face"].shape == (70, 3)
