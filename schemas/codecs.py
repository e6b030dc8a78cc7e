"""Arrays to bytes and back, lossless where promised.

In memory: photos uint8 [h w 3] RGB, masks uint8 [h w] 0/255, label maps uint8 [h w] ids. On disk: the source's own
bytes for photos, PNG for what we compute, 1-bit PNG for masks, palette PNG for label maps. Everything is decoded
with Pillow, but for the PNGs that we write: OpenCV returns a palette PNG's colours instead of its ids.
"""

import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from schemas import jpeg, labels, png

MAX_PIXELS = png.MAX_PIXELS
KEPT_FORMATS = {"JPEG", "PNG", "WEBP"}  # bytes of these in 8-bit RGB go into a shard unchanged
# Of Pillow's plug-ins: others start programs (EPS), or hold several pictures whose sizes no header check sees (ICO).
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "HEIF", "PPM", "JPEG2000")
JPEG_QUALITY = 95
MAX_GREY = 0.1  # of a mask's pixels; a JPEG mask has 0.02
DARK, LIGHT = 40, 215  # what lies between is grey
_EXIF_ORIENTATION = 0x0112
WHOLLY_TRANSPARENT = "wholly transparent"  # how the note on such a photo begins

Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow refuses twice as many by itself; `_open` refuses from here on
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")  # remarks on odd EXIF data; what matters is raised


DecodeJpeg = Callable[[bytes], np.ndarray | None]  # a plain JPEG (`jpeg.is_plain`) → uint8 [h w 3] RGB


class CodecError(ValueError):
    """Bytes that are not what their column says; the message holds no address and no path."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo: upright uint8 [h w 3] RGB in sRGB; `notes` says what had to be converted.

    `alpha`, uint8 [h w], is there where some of it isn't opaque.
    """

    pixels: np.ndarray
    format: str
    notes: tuple[str, ...]
    alpha: np.ndarray | None = None

    @property
    def bytes_can_stay(self) -> bool:
        """True when every reader that ignores EXIF and profiles decodes the file's own bytes to these pixels."""
        return self.format in KEPT_FORMATS and not self.notes


def decode_photo(data: bytes, decode_jpeg: DecodeJpeg | None = None) -> Photo:
    """Any picture Pillow reads → upright sRGB. CMYK, grey, palette and 16-bit are converted, alpha laid on white.

    A plain JPEG goes to `decode_jpeg`, and to Pillow where that gives None.
    Raises CodecError for empty, truncated or unreadable bytes and for more than MAX_PIXELS pixels (not decoded).
    """
    pixels = png.read_colours(data)
    if pixels is not None:
        return Photo(pixels, "PNG", ())
    image = _open(data)
    pixels = decode_jpeg(data) if decode_jpeg and image.format == "JPEG" and jpeg.is_plain(data) else None
    if pixels is not None:
        return Photo(pixels, "JPEG", ())
    _load(image)  # before getexif, which loads a PNG itself and raises OSError for a cut one
    try:
        return _photo(image)
    except Exception as error:  # palettes without colours, profiles and EXIF data that are none
        raise CodecError(f"damaged picture ({type(error).__name__})") from None


def _photo(image: Image.Image) -> Photo:
    source_format, notes = image.format or "unknown", []
    profile = image.info.get("icc_profile")
    if source_format == "MPO":
        source_format = "JPEG"  # its first picture is an ordinary JPEG, and the only one that readers look at
    elif _several_frames(image):
        notes.append("first frame of several")
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation in range(2, 9):
        image = ImageOps.exif_transpose(image)
        notes.append(f"turned upright (EXIF orientation {orientation})")
    alpha = _alpha(image)
    if image.mode != "RGB":
        notes.append(f"converted from mode {image.mode}")
    elif alpha is not None:
        notes.append("transparency laid on white")
    if alpha is not None and not alpha.any():
        notes.append(f"{WHOLLY_TRANSPARENT}: nothing of it shows")
    pixels = _rgb(image, alpha)
    if profile:
        pixels, note = to_srgb(pixels, image.mode, profile)
        notes += [note] if note else []
    return Photo(pixels, source_format, tuple(notes), alpha)


def _several_frames(image: Image.Image) -> bool:
    """Raises what Pillow meets in further frames: a file that breaks off in them isn't whole."""
    several = getattr(image, "n_frames", 1) > 1
    image.seek(0)
    return bool(several)


_SAME = 1  # of 255: profiles that differ from sRGB by no more are sRGB


def to_srgb(pixels: np.ndarray, mode: str, profile: bytes) -> tuple[np.ndarray, str]:
    """uint8 [h w 3] in sRGB, and a note where that changed colours; pixels of a profile that isn't for RGB stay."""
    if mode not in ("RGB", "RGBA", "P", "PA"):
        return pixels, ""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        probe = _apply(transform, _PROBE)
        if np.abs(probe.astype(int) - _PROBE).max() <= _SAME:
            return pixels, ""
        name = " ".join(ImageCms.getProfileDescription(source).split()) or "unnamed"
        return _apply(transform, pixels), f"converted from the colour profile {name[:60]} to sRGB"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return pixels, "the colour profile is damaged and was left out"


def _apply(transform: ImageCms.ImageCmsTransform, pixels: np.ndarray) -> np.ndarray:
    converted = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    assert converted is not None
    return np.array(converted)


_LEVELS = np.array([0, 64, 128, 192, 255], np.uint8)
_PROBE = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS), axis=-1).reshape(1, -1, 3)


def decode_image(data: bytes) -> np.ndarray:
    """uint8 [h w 3] RGB of a stored picture. Raises CodecError as `decode_photo` does."""
    return decode_photo(data).pixels


def encode_png(pixels: np.ndarray) -> bytes:
    """uint8 [h w 3] RGB or [h w] grey as PNG, lossless."""
    return png.colours(pixels)


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """uint8 [h w 3] RGB as JPEG, quality 95, no chroma subsampling: for photos that must be written again."""
    return _save(Image.fromarray(pixels), "JPEG", quality=JPEG_QUALITY, subsampling=0)


def decode_mask(data: bytes) -> np.ndarray:
    """uint8 [h w] 0/255: first channel ≥ 128, whatever the file's mode.

    Raises CodecError, also where so many pixels are grey that the file is a photo and no mask (a JPEG mask has 2 %).
    """
    bits = png.read_bits(data)
    if bits is not None:
        return bits * np.uint8(255)
    image = open_picture(data)
    if image.mode in ("RGBA", "LA", "PA"):
        image = _flatten(image)
    if image.mode not in ("1", "L"):
        image = image.convert("RGB").getchannel(0) if image.mode != "I;16" else from_16_bit(np.asarray(image))
    pixels = np.asarray(image)
    return np.where(pixels, np.uint8(255), np.uint8(0)) if pixels.dtype == bool else to_mask(pixels)


def to_mask(levels: np.ndarray) -> np.ndarray:
    """Grey uint8 [h w] → 0/255, set from 128 on. Raises CodecError where too much is grey for a mask."""
    grey = float(np.mean((levels > DARK) & (levels < LIGHT)))
    if grey > MAX_GREY:
        raise CodecError(f"not a mask: {grey:.0%} of its pixels are neither dark nor light")
    return np.where(levels >= 128, np.uint8(255), np.uint8(0))


def encode_mask(mask: np.ndarray) -> bytes:
    """uint8 [h w], ≥ 128 set, as 1-bit PNG, white = set."""
    return png.bits(np.asarray(mask) >= 128)


def decode_label_map(data: bytes, space: str) -> np.ndarray:
    """uint8 [h w] ids of a palette or grey PNG; the ids are taken as stored, never through colours.

    Raises CodecError for other modes and for ids that `space` (see `labels.SPACES`) doesn't have.
    """
    label_map = png.read_ids(data)
    if label_map is None:
        image = open_picture(data)
        if image.mode not in ("P", "L"):
            raise CodecError(f"label map in mode {image.mode}; allowed are P and L")
        label_map = np.array(image)
    try:
        labels.check_ids(label_map, space)
    except ValueError as error:
        raise CodecError(str(error)) from None
    return label_map


def decode_parts(data: bytes) -> np.ndarray:
    """uint8 [h w] DensePose part ids 0–24 of a picture with one channel, which holds the ids or grey levels 255·I/24.

    A palette of DensePose's own colours tells the ids better than its indices. Raises CodecError for everything else,
    also for JPEG, which blurs ids.
    """
    image = open_picture(data)
    if image.mode not in ("P", "L") or image.format == "JPEG":
        raise CodecError(f"part map as {image.format} in mode {image.mode}; allowed are P and L, lossless")
    values = np.array(image)
    if image.mode == "P":
        values = _ids_by_colour(image, values)
    if not values.size or values.max() <= max(labels.DensePose):
        return values
    level = 255 / max(labels.DensePose)
    parts = np.rint(values / level)
    if np.abs(parts * level - values).max() > 1:
        raise CodecError(f"values up to {values.max()} are neither part ids 0 to 24 nor their grey levels")
    return parts.astype(np.uint8)


def _ids_by_colour(image: Image.Image, indices: np.ndarray) -> np.ndarray:
    """Part ids where every used palette entry is one of DensePose's colours, else the indices as they are."""
    palette = image.getpalette("RGB") or []
    used = [tuple(palette[3 * int(i) : 3 * int(i) + 3]) for i in np.unique(indices)]
    ids = {tuple(colour): number for number, colour in enumerate(labels.DENSEPOSE_COLOURS.tolist())}
    if not set(used) <= set(ids):
        return indices
    table = np.zeros(256, np.uint8)
    table[np.unique(indices)] = [ids[colour] for colour in used]
    return table[indices]


def mode_of(data: bytes) -> str:
    """Pillow's mode from the header alone, such as "RGB", "L", "P". Raises CodecError."""
    return _open(data).mode


def has_transparency(data: bytes) -> bool:
    """Whether a picture's header speaks of any. Raises CodecError."""
    return _open(data).has_transparency_data


def encode_label_map(label_map: np.ndarray, space: str) -> bytes:
    """uint8 [h w] ids as palette PNG with the colours customary for `space`."""
    return png.ids(np.asarray(label_map, np.uint8), labels.PALETTES[space])


def encode_keypoints(
    keypoints: np.ndarray, face: np.ndarray | None = None, hands: np.ndarray | None = None, exact: bool = False
) -> bytes:
    """Keypoints [25 3] (face [70 3], hands [42 3]) as the OpenPose JSON that VITON-HD ships.

    Six decimals; with `exact` as many digits as give the same float32 again.
    """

    def numbers(points: np.ndarray | None) -> list[float]:
        if points is None:
            return []
        if exact:
            return [float(str(v)) for v in np.asarray(points, np.float32).ravel()]
        return [round(float(v), 6) for v in np.asarray(points).ravel()]

    person = {
        "person_id": [-1],
        "pose_keypoints_2d": numbers(keypoints),
        "face_keypoints_2d": numbers(face),
        "hand_left_keypoints_2d": numbers(None if hands is None else hands[:21]),
        "hand_right_keypoints_2d": numbers(None if hands is None else hands[21:]),
    }
    person |= {f"{part}_keypoints_3d": [] for part in ("pose", "face", "hand_left", "hand_right")}
    return json.dumps({"version": 1.3, "people": [person]}).encode()


def image_size(data: bytes) -> tuple[int, int]:
    """(height, width) from the header alone, as stored (before any EXIF turn). Raises CodecError."""
    width, height = _open(data).size
    return height, width


def upright_size(data: bytes) -> tuple[int, int]:
    """(height, width) that `decode_photo` gives, without decoding what need not be. Raises CodecError."""
    image = _open(data)
    width, height = image.size
    try:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) in range(5, 9)
    except Exception as error:  # as in `decode_photo`
        raise CodecError(f"damaged picture ({type(error).__name__})") from None
    return (width, height) if turned else (height, width)


def open_picture(data: bytes) -> Image.Image:
    """A picture whose pixels are decoded, not converted. Raises CodecError as `decode_photo` does."""
    return _load(_open(data))


def _formats() -> tuple[str, ...]:
    """Those of FORMATS that Pillow reads by now: plug-ins may have been added."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise CodecError("empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except UnidentifiedImageError:
        raise CodecError("not a picture") from None
    except Image.DecompressionBombError as error:
        count = "".join(re.findall(r"\((\d+) pixels\)", str(error)))
        raise CodecError(f"{count or 'too many'} pixels; at most {MAX_PIXELS} are decoded") from None
    except Exception as error:  # Pillow's plug-ins raise many types on hostile headers
        raise CodecError(f"unreadable picture ({type(error).__name__})") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise CodecError(f"{width}x{height} pixels; at most {MAX_PIXELS} are decoded")
    return image


def _load(image: Image.Image) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # zlib, struct, EOF and syntax errors, by plug-in
        reason = "truncated" if "truncated" in str(error) else type(error).__name__
        raise CodecError(f"damaged picture ({reason})") from None
    return image


def _alpha(image: Image.Image) -> np.ndarray | None:
    """uint8 [h w] of any kind of transparency: a channel, a palette's, or a colour that counts as see-through.

    None where all of it is opaque.
    """
    if not image.has_transparency_data:
        return None
    see_through: Any = image.info.get("transparency")  # a level, one for each channel, or a palette's alphas
    if image.mode.startswith("I"):  # 16-bit grey, whose see-through level Pillow's own conversion forgets
        alpha = np.where(np.asarray(image) == see_through, np.uint8(0), np.uint8(255))
    else:
        if image.mode == "RGB" and max(see_through) > 255:  # 16-bit colours, of which Pillow keeps the high bytes
            image = image.copy()
            image.info["transparency"] = tuple(level >> 8 for level in see_through)
        alpha = np.array(image.convert("RGBA").getchannel("A"))
    return alpha if alpha.min(initial=255) < 255 else None


def _rgb(image: Image.Image, alpha: np.ndarray | None) -> np.ndarray:
    """uint8 [h w 3], laid on white by its alpha."""
    if image.mode.startswith("I") or image.mode == "F":
        image = from_16_bit(np.asarray(image))
    if alpha is None and image.has_transparency_data:
        image = image.convert("RGBA")
    if alpha is None:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return np.array(_flatten(image))


def _flatten(image: Image.Image) -> Image.Image:
    """Alpha laid on white."""
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def from_16_bit(levels: np.ndarray) -> Image.Image:
    """16-bit grey [h w] to 8-bit by its high byte; Pillow's own conversion clips at 255."""
    pixels = np.nan_to_num(levels.astype(np.float64))
    scale = 1 / 257 if pixels.size and pixels.max() > 255 else 1
    return Image.fromarray(np.clip(np.rint(pixels * scale), 0, 255).astype(np.uint8))


def _save(image: Image.Image, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
