"""The PNGs that are written here are read here, to what Pillow reads; all others are left to it."""

import io
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from schemas import labels, png

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
READERS = (png.read_colours, png.read_bits, png.read_ids)


@given(sizes.flatmap(lambda s: hnp.arrays(np.uint8, s)))
def test_what_is_written_is_read(levels: np.ndarray) -> None:
    colours, mask = np.stack([levels, 255 - levels, levels // 2], axis=2), levels >= 128
    files = png.colours(colours), png.bits(mask), png.ids(levels, labels.PALETTES["lip"])
    for number, (data, pixels) in enumerate(zip(files, (colours, mask, levels), strict=True)):
        read = [reader(data) for reader in READERS]
        assert [value is not None for value in read] == [number == other for other in range(3)]
        assert (read[number] == pixels).all() and (np.asarray(Image.open(io.BytesIO(data))) == pixels).all()
        assert read[number].dtype == np.uint8 and read[number].flags.writeable


@pytest.mark.parametrize(
    "view", [np.asfortranarray, lambda a: a[::-1], lambda a: a[:, ::2], lambda a: a.swapaxes(0, 1)]
)
def test_however_it_lies_in_memory(view: Callable[[np.ndarray], np.ndarray]) -> None:
    levels = np.random.default_rng(0).integers(0, 20, (13, 17), dtype=np.uint8)
    for write, pixels in (
        (png.colours, np.stack([levels] * 3, axis=2)),
        (png.colours, levels),
        (png.bits, levels >= 10),
        (lambda shown: png.ids(shown, labels.PALETTES["lip"]), levels),
    ):
        assert write(view(pixels)) == write(np.ascontiguousarray(view(pixels)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "I;16"])
def test_other_programs_files_are_not(mode: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((30, 20), 80).convert(mode).save(buffer, "PNG")
    assert all(reader(buffer.getvalue()) is None for reader in READERS)


def test_damage_is_never_read_as_a_picture() -> None:
    chance, levels = random.Random(1), np.arange(600, dtype=np.uint32).astype(np.uint8).reshape(20, 30)
    for data in (png.colours(np.dstack([levels] * 3)), png.bits(levels > 99), png.ids(levels, labels.PALETTES["lip"])):
        cut = [data[:end] for end in range(len(data))]
        changed = []
        for at in range(len(data)):
            other = bytearray(data)
            other[at] ^= 1 << chance.randrange(8)
            changed.append(bytes(other))
        assert all(reader(damaged) is None for damaged in [*cut, *changed, data + b"\0"] for reader in READERS)
