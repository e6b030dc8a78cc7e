"""The refiner of coarse masks, by its published numbers; the released weights aren't here."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from annotators.networks.mask_refiner import MaskRefiner, load  # noqa: E402


@pytest.fixture(scope="module")
def refiner():
    torch.manual_seed(0)
    return MaskRefiner().eval()


def test_published_number_of_parameters_and_names(refiner):
    assert sum(p.numel() for p in refiner.parameters()) == 1_901_475
    names = set(refiner.state_dict())
    assert {
        "feature_extractor.backbone.conv1.conv.weight",
        "feature_extractor.backbone.block5.3.conv.3.running_var",
        "feature_extractor.lraspp.b1.1.weight",
        "feature_extractor.aux_head.bias",
        "maps_transform.3.scale",
    } <= names


@pytest.mark.parametrize("size", [(97, 130), (64, 64), (33, 200)])
def test_masks_have_the_pictures_size_and_follow_picture_and_mask(refiner, size):
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
    coarse = np.zeros(size, np.uint8)
    coarse[10:30, 10:40] = 255
    assert refiner.refine(picture, coarse).shape == size
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    masks = torch.from_numpy(coarse > 0)[None, None].float()
    with torch.no_grad():
        first, without, other = refiner(pixels, masks), refiner(pixels, masks * 0), refiner(1 - pixels, masks)
    assert first.min() >= 0 and first.max() <= 1
    assert not torch.equal(first, without) and not torch.equal(first, other)


def test_a_file_is_loaded_and_others_are_refused(refiner, tmp_path):
    torch.save(refiner.state_dict(), tmp_path / "coarse_mask_refine.pth")
    again = load(tmp_path / "coarse_mask_refine.pth")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in refiner.state_dict().items())
    torch.save({"other": torch.ones(1)}, tmp_path / "other.pth")
    for name in ("other.pth", "absent.pth"):
        with pytest.raises(ValueError, match="isn't the refiner's file"):
            load(tmp_path / name)
