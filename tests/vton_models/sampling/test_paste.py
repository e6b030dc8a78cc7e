"""A result goes back exactly where the network's view of the photo lay, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from schemas import codecs
from schemas.cli.flags import UsageError
from vton_models.networks import pictures
from vton_models.sampling import paste, photos

SIDES = st.integers(16, 90)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def block(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : -height // 4, width // 4 : -width // 4] = 255
    return mask


@given(SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_outside_the_mask_and_the_box_no_bit_changes(height: int, width: int, seed: int) -> None:
    photo, size = noise(seed, height, width), (64, 48)
    mask = np.where(np.random.default_rng(seed).random((height, width)) < 0.5, np.uint8(255), np.uint8(0))
    before = photo.copy(), mask.copy()
    box = pictures.centre((height, width), size)
    pasted = paste.into_photo(photo, mask, noise(seed + 1, *size), box)
    visible = np.zeros((height, width), bool)
    visible[box[1] : box[3], box[0] : box[2]] = True
    kept = (mask == 0) | ~visible
    assert pasted.shape == photo.shape and np.array_equal(pasted[kept], photo[kept])
    assert np.array_equal(before[0], photo) and np.array_equal(before[1], mask), "inputs stay as they are"


def test_inside_it_is_the_result_at_the_photos_size_and_the_edge_is_soft() -> None:
    photo, result = noise(1, 512, 300), noise(2, 64, 48)
    mask, box = block(512, 300), pictures.centre((512, 300), (64, 48))
    pasted = paste.into_photo(photo, mask, result, box)
    x0, y0, x1, y1 = box
    shown = photo.copy()
    shown[y0:y1, x0:x1] = pictures.stretch(result, (y1 - y0, x1 - x0))
    share = paste.feathered(mask, box)
    assert (share == 1).mean() > 0.2 and np.array_equal(pasted[share == 1], shown[share == 1])
    row = share[256, 75:150]
    assert row[0] > 0 and (np.diff(row) >= 0).all() and 0 < row[0] < row[1] < 1, "it rises from the edge inwards"
    edge = (share > 0) & (share < 1)
    exact = photo + (shown.astype(np.float64) - photo) * share[..., None]
    assert edge.any() and np.abs(pasted - exact)[edge].max() <= 0.5 + 1e-4, "rounded to the nearest level"


def test_the_photos_border_is_no_edge_but_a_cut_is() -> None:
    mask = np.full((128, 96), 255, np.uint8)
    assert (paste.feathered(mask, (0, 0, 96, 128)) == 1).all()
    cut = paste.feathered(mask, (10, 0, 86, 128))
    assert cut[0, 48] == 1 and cut[64, 9] == 0 and cut[64, 10] > 0 and not (cut[:, 86:] > 0).any()


def test_what_was_padded_is_cut_off_again() -> None:
    photo, mask, result = noise(1, 40, 60), np.full((40, 60), 255, np.uint8), noise(2, 80, 60)
    pasted = paste.into_photo(photo, mask, result, (0, -20, 60, 60))
    assert np.array_equal(pasted, result[20:60])


def test_a_mask_of_another_size_fits_its_photo_by_aspect(tmp_path) -> None:
    Image.fromarray(block(32, 24)).save(tmp_path / "small.png")
    grown = photos.read_mask(str(tmp_path / "small.png"), "--mask", (128, 96)).value
    assert grown.shape == (128, 96) and np.array_equal(grown, block(128, 96))
    assert photos.read_mask(str(tmp_path / "small.png"), "--mask", (129, 96)).value.shape == (129, 96), "rounding"
    Image.fromarray(block(512, 384)).save(tmp_path / "nearly.png")
    nearly = photos.read_mask(str(tmp_path / "nearly.png"), "--mask", (512, 386))
    assert nearly.value.shape == (512, 386) and "512x384, stretched to its photo's 512x386" in nearly.note
    with pytest.raises(UsageError, match="--mask .*32x24.*128x128"):
        photos.read_mask(str(tmp_path / "small.png"), "--mask", (128, 128))
    Image.fromarray(np.zeros((32, 24), np.uint8)).save(tmp_path / "empty.png")
    with pytest.raises(UsageError, match="sets no pixel"):
        photos.read_mask(str(tmp_path / "empty.png"), "--mask", (32, 24))
    Image.fromarray(noise(3, 32, 24)).save(tmp_path / "photo.png")
    with pytest.raises(UsageError, match="not a mask"):
        photos.read_mask(str(tmp_path / "photo.png"), "--mask", (32, 24))


def test_a_mask_is_read_in_the_forms_that_editors_write(tmp_path) -> None:
    mask, photo = block(32, 24), noise(3, 32, 24)
    erased = np.dstack([photo, 255 - mask])
    for name, pixels in {"ids": mask // 255, "red": np.dstack([mask, mask * 0, mask * 0]), "erased": erased}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        assert np.array_equal(photos.read_mask(str(tmp_path / f"{name}.png"), "--mask", (32, 24)).value, mask), name


def test_an_inverted_mask_is_turned_and_one_that_may_be_is_named(tmp_path) -> None:
    mask = block(32, 24)
    Image.fromarray(255 - mask).save(tmp_path / "inverted.png")
    inverted = photos.read_mask(str(tmp_path / "inverted.png"), "--mask", (32, 24))
    assert np.array_equal(inverted.value, mask) and "75% of the photo" in inverted.note and "inverted" in inverted.note
    mask[:26] = 255
    Image.fromarray(mask).save(tmp_path / "large.png")
    large = photos.read_mask(str(tmp_path / "large.png"), "--mask", (32, 24))
    assert np.array_equal(large.value, mask) and "is it inverted?" in large.note
    Image.fromarray(block(32, 24)).save(tmp_path / "right.png")
    assert photos.read_mask(str(tmp_path / "right.png"), "--mask", (32, 24)).note == ""


def test_a_turned_photo_is_read_upright_and_a_broken_one_named(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(4, 40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert photos.read(str(tmp_path / "turned.jpg"), "--person").shape == (20, 40, 3)
    (tmp_path / "broken.jpg").write_bytes(codecs.encode_jpeg(noise(5, 40, 20))[:200])
    with pytest.raises(UsageError, match="--person .*broken.jpg"):
        photos.read(str(tmp_path / "broken.jpg"), "--person")
    with pytest.raises(UsageError, match="no such file"):
        photos.read(str(tmp_path / "absent.jpg"), "--person")
