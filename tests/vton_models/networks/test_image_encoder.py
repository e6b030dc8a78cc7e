"""CLIP's vision tower: pixels as transformers' PIL processor makes them, and where its weights may lie."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from support.tiny_models import save_clip  # noqa: E402

from vton_models.networks import image_encoder, weights  # noqa: E402
from vton_models.networks.components import Network  # noqa: E402

SIZES = [(64, 48), (48, 64), (32, 32), (33, 97), (31, 30), (300, 225), (1024, 768)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [32, 224])
def test_pixels_are_the_processors(size: tuple[int, int], side: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    edges = {"height": side, "width": side}
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=edges)
    processed = processor(picture, return_tensors="np")["pixel_values"][0]
    pixels = image_encoder.pixels(picture, side)
    assert pixels.dtype == np.float32 and pixels.shape == (3, side, side)
    np.testing.assert_array_equal(pixels, processed)
    shown = torch.from_numpy(image_encoder.shown(picture, side).transpose(2, 0, 1).copy())[None]
    assert torch.equal(image_encoder.normalized(shown)[0], torch.from_numpy(pixels))


def test_the_sides_of_a_long_picture_are_cut() -> None:
    """A 3:4 garment loses an eighth at top and at bottom."""
    picture = np.zeros((400, 300, 3), np.uint8)
    picture[:49], picture[-49:] = 255, 255
    shown = image_encoder.shown(picture, 300)
    assert shown.shape == (300, 300, 3) and not shown.any()
    assert image_encoder.shown(picture, 224)[1:-1].max() == 0


@pytest.mark.parametrize("arguments", [image_encoder.VIT_L, image_encoder.VIT_H])
def test_parameters_of_the_published_towers(arguments: image_encoder.Arguments) -> None:
    with torch.device("meta"):
        tower = weights.random(image_encoder.network(arguments).network_class, arguments)
    counts = {768: 303_966_208, 1024: 632_076_800}
    assert sum(parameter.numel() for parameter in tower.parameters()) == counts[arguments["projection_dim"]]


def test_a_whole_clip_repository_holds_it(tmp_path: Path) -> None:
    """As openai/clip-vit-large-patch14 does; what else is left over is refused."""
    save_clip(tmp_path / "whole", width=512)
    network: Network = image_encoder.network(image_encoder.TINY)
    tower = weights.component(network.network_class, tmp_path / "whole")
    whole = transformers.CLIPModel.from_pretrained(tmp_path / "whole")
    pixels = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = whole.get_image_features(pixel_values=pixels).pooler_output
        assert torch.allclose(tower(pixel_values=pixels).image_embeds, expected, atol=1e-5)
    arguments = weights.arguments(tower)
    again = weights.random(network.network_class, arguments)
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in tower.state_dict().items()
    }
    tower.register_parameter("stray", torch.nn.Parameter(torch.zeros(1)))
    tower.save_pretrained(tmp_path / "stray")
    with pytest.raises(weights.UsageError, match="1 unexpected keys, as 'stray'"):
        weights.component(network.network_class, tmp_path / "stray")
