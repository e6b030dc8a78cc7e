"""Masks given as files: of what is repainted, and of a thing or a garment."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import cutouts

pytest.importorskip("torch")
from schemas.cli.flags import UsageError
from vton_models.sampling import photos, prompted_photos

SIZE = (40, 30)


def saved(folder: Path, mask: np.ndarray) -> str:
    path = folder / "mask.png"
    Image.fromarray(mask).save(path)
    return str(path)


def test_a_thing_may_fill_its_photo_and_what_is_repainted_may_not(tmp_path: Path) -> None:
    """A bag may lie on its whole rim; a region to repaint that is set there is the wrong way round."""
    mask = np.full(SIZE, 255, np.uint8)
    mask[10:30, 10:20] = 0
    path = saved(tmp_path, mask)
    read = photos.read_object_mask(path, "--garment-mask", SIZE)
    assert np.array_equal(read.value, mask) and not read.note
    turned = photos.read_mask(path, "--mask", SIZE)
    assert np.array_equal(turned.value, 255 - mask) and "read as inverted" in turned.note
    with pytest.raises(UsageError, match="--garment-mask .* sets no pixel of its photo; white is what is taken"):
        photos.read_object_mask(saved(tmp_path, np.zeros(SIZE, np.uint8)), "--garment-mask", SIZE)


def test_of_a_cut_out_what_is_opaque_is_the_thing(tmp_path: Path) -> None:
    path = tmp_path / "shirt.png"
    path.write_bytes(cutouts.FORMS["rgba.png"]())
    size = (cutouts.HEIGHT, cutouts.WIDTH)
    assert np.array_equal(photos.read_object_mask(str(path), "--garment-mask", size).value > 0, cutouts.shirt())


@pytest.mark.parametrize("form", ["rgba.png", "palette.png", "key_colour.png", "lossless.webp"])
def test_a_garments_alpha_is_its_mask(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"shirt.{form.split('.')[-1]}"
    path.write_bytes(cutouts.FORMS[form]())
    mask = prompted_photos._told_apart(photos.read_photo(str(path), "--garment"), str(path))
    assert np.array_equal(mask > 0, cutouts.shirt())
