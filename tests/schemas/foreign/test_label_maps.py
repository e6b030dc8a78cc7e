"""Label maps as palette, ids, colours or with a border: the ids that were meant, or one clear error."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from schemas import codecs, labels
from schemas.foreign import label_maps

IDS = np.arange(20, dtype=np.uint8).reshape(4, 5)
maps = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda size: hnp.arrays(np.uint8, size, elements=st.integers(0, 17))
)


def png(pixels: np.ndarray) -> bytes:
    return saved(Image.fromarray(pixels))


def saved(image: Image.Image, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


@given(maps, st.sampled_from(["cihp", "lip", "atr"]))
def test_what_we_store_is_read_without_a_note(ids: np.ndarray, space: str) -> None:
    found = label_maps.read(codecs.encode_label_map(ids, space), space)
    assert (found.value == ids).all() and found.note == ""


@given(maps, st.sampled_from(["cihp", "lip", "atr"]), st.booleans())
def test_colours_of_a_palette_are_read_back(ids: np.ndarray, space: str, with_alpha: bool) -> None:
    colours = labels.PALETTES[space][ids]
    if with_alpha:
        colours = np.dstack([colours, np.full(ids.shape, 255, np.uint8)])
    found = label_maps.read(png(colours), space)
    assert (found.value == ids).all()


def test_cihp_pgn_writes_colours_one_above_those_of_vitonhd() -> None:
    colours = labels.PALETTES["cihp"][IDS]
    colours = np.where(np.isin(colours, (254, 169, 220)), colours + 1, colours).astype(np.uint8)
    found = label_maps.read(png(colours), "cihp")
    assert (found.value == IDS).all() and found.note == "ids read from the palette's colours"


def test_vocs_colours_are_read_in_the_cihp_folder() -> None:
    assert (label_maps.read(png(labels.voc_palette()[IDS]), "cihp").value == IDS).all()


@pytest.mark.parametrize("channels", [3, 4])
def test_ids_in_equal_channels(channels: int) -> None:
    pixels = np.dstack([IDS] * 3 + [np.full(IDS.shape, 255, np.uint8)] * (channels - 3))
    assert (label_maps.read(png(pixels), "cihp").value == IDS).all()


def test_a_palette_sorted_anew_is_read_by_its_colours() -> None:
    image = Image.fromarray(19 - IDS)
    image.putpalette(labels.PALETTES["cihp"][:20][::-1].tobytes())
    found = label_maps.read(saved(image), "cihp")
    assert (found.value == IDS).all() and "colours" in found.note


def test_a_palette_of_other_colours_leaves_the_indices() -> None:
    image = Image.fromarray(IDS)
    image.putpalette(np.random.default_rng(0).integers(0, 255, 60).astype(np.uint8).tobytes())
    found = label_maps.read(saved(image), "cihp")
    assert (found.value == IDS).all() and found.note == ""


@pytest.mark.parametrize("form", ["L", "P", "RGB"])
def test_vocs_border_is_background(form: str) -> None:
    ids = IDS.copy()
    ids[0] = 255
    image = Image.fromarray(ids if form != "RGB" else np.dstack([ids] * 3))
    if form == "P":
        image.putpalette(labels.voc_palette().tobytes())
    found = label_maps.read(saved(image), "cihp")
    assert (found.value == np.where(ids == 255, 0, IDS)).all() and "border id 255" in found.note


def test_ids_in_wider_types() -> None:
    assert (label_maps.read(png(IDS.astype(np.uint16)), "cihp").value == IDS).all()
    with pytest.raises(codecs.CodecError, match="values from 0 to 5000"):
        label_maps.read(png(np.full((3, 3), 5000, np.uint16) * (IDS[:3, :3] > 0)), "cihp")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(np.full((4, 4), 77, np.uint8)), r"ids \[77\] outside cihp"),
        (png(np.random.default_rng(1).integers(0, 255, (9, 9, 3)).astype(np.uint8)), "colours that aren't those"),
        (saved(Image.fromarray(np.repeat(IDS, 8, axis=0)), "JPEG"), "JPEG, which mixes ids"),
        (saved(Image.new("1", (3, 3))), "mode 1; allowed are"),
    ],
)
def test_what_cannot_be_told_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(codecs.CodecError, match=message):
        label_maps.read(data, "cihp")
