"""Pictures, masks and latents: ranges, scaling, sampling, and sizes brought to a network's."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from diffusers import AutoencoderKL  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models.catvton import composite  # noqa: E402
from vton_models.networks import crops, latents, pictures, sizes, stable_diffusion, weights  # noqa: E402


@pytest.fixture(scope="module")
def vae():
    return weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)


def photo(height=40, width=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_and_back():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    pixels = latents.to_pixels(levels)
    assert pixels.min() == -1 and pixels.max() == 1 and latents.to_pixels(pixels) is pixels
    assert np.array_equal(pictures.to_array(pixels[0] / 2 + 0.5), levels[0].permute(1, 2, 0).numpy())


def test_half_counts_as_set():
    assert latents.to_binary(torch.tensor([0, 127, 128, 255], dtype=torch.uint8)).tolist() == [0, 0, 1, 1]
    assert latents.to_binary(torch.tensor([0, 0.49, 0.5, 1])).tolist() == [0, 0, 1, 1]


def test_encode_is_mean_plus_deviation_times_noise(vae):
    pixels = latents.to_pixels(pictures.to_tensor(photo())[None])
    posterior = vae.encode(pixels).latent_dist
    noise = torch.randn(latents.latent_shape(vae, pixels), generator=torch.Generator().manual_seed(1))
    assert torch.equal(latents.encode(vae, pixels), posterior.mode() * 0.18215)
    wanted = (posterior.mean + torch.exp(0.5 * posterior.logvar) * noise) * 0.18215
    assert torch.allclose(latents.encode(vae, pixels, noise), wanted)
    assert torch.equal(latents.encode(vae, pixels, scaled=False), posterior.mode())
    assert not latents.encode(vae, pixels, noise).requires_grad


def test_decode_undoes_the_scaling(vae):
    given_latents = torch.randn(2, 4, 10, 8, generator=torch.Generator().manual_seed(0))
    wanted = (vae.decode(given_latents / 0.18215).sample / 2 + 0.5).clamp(0, 1)
    image = latents.decode(vae, given_latents)
    assert torch.equal(image, wanted) and image.shape == (2, 3, 40, 32) and latents.downscale(vae) == 4


def test_masks_take_each_cells_top_left_pixel():
    mask = torch.zeros(1, 1, 16, 16)
    mask[0, 0, 8, 0] = mask[0, 0, 7, 15] = 1
    small = latents.mask_to_latent(mask, 8)
    assert small.tolist() == [[[[0, 0], [1, 0]]]]
    assert torch.equal(small, torch.nn.functional.interpolate(mask, size=(2, 2), mode="nearest"))


def test_stretch_keeps_equal_sizes_and_binarises_masks():
    image = photo()
    assert pictures.stretch(image, (40, 32)) is image
    assert pictures.stretch(image, (20, 24)).shape == (20, 24, 3)
    mask = np.zeros((40, 32), np.uint8)
    mask[:21] = 255
    small = pictures.binary(pictures.stretch(mask, (10, 8)))
    assert set(np.unique(small)) == {0, 255} and (small[:5] == 255).all() and (small[6:] == 0).all()


@given(st.integers(8, 60), st.integers(8, 60), st.integers(8, 40), st.integers(8, 40))
def test_crop_and_pad_give_the_size(height, width, wanted_height, wanted_width):
    size = (wanted_height, wanted_width)
    image = np.full((height, width, 3), 10, np.uint8)
    cropped = pictures.stretch(crops.cut(image, pictures.centre(image.shape[:2], size)), size)
    assert (cropped == 10).all() and cropped.shape[:2] == size
    padded = pictures.fit_on_white(image, size)
    assert padded.shape[:2] == size and set(np.unique(padded)) <= {10, 255}
    assert (padded[(wanted_height - 1) // 2, (wanted_width - 1) // 2] == 10).all()


def test_crop_takes_the_middle_and_pad_keeps_all():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 200
    assert (crops.cut(image, pictures.centre(image.shape[:2], (10, 10))) == 200).all()
    padded = pictures.fit_on_white(image, (30, 30))
    assert (padded[:10] == 255).all() and (padded[20:] == 255).all() and (padded[14:16, 14:16] == 200).all()


def test_repaint_leaves_the_far_outside_and_takes_the_far_inside():
    person, result = photo(100, 80, 1), photo(100, 80, 2)
    mask = np.zeros((100, 80), np.uint8)
    mask[:, 40:] = 255
    mixed = composite.repaint(person, mask, result)
    assert np.array_equal(mixed[:, :20], person[:, :20]) and np.array_equal(mixed[:, 60:], result[:, 60:])
    assert not np.array_equal(mixed[:, 38:42], result[:, 38:42])


def test_repaint_brings_person_and_mask_to_the_results_size():
    person, mask = np.full((200, 160, 3), 90, np.uint8), np.zeros((50, 40), np.uint8)
    assert (composite.repaint(person, mask, photo(100, 80)) == 90).all()


@pytest.mark.parametrize("height, width, best", [(512, 383, "512x384"), (500, 384, "512x384"), (1, 1, "32x64")])
def test_the_nearest_legal_size_is_named(height, width, best):
    with pytest.raises(UsageError, match=f"{height}x{width}.*nearest is {best}"):
        sizes.check("X", height, width, (32, 64))
    sizes.check("X", 512, 384, (32, 64))
