"""The Resampler: sizes and names as published, and the meaning of a layer."""

import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

from vton_models.networks.resampler import PerceiverAttention, Resampler  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({"dim": 768}, 29_918_208),  # ip-adapter-plus_sd15
        ({"dim": 1280, "heads": 20, "output_dim": 2048}, 82_961_664),  # ip-adapter-plus_sdxl_vit-h
    ],
)
def test_published_sizes(arguments: dict[str, int], parameters: int) -> None:
    with torch.device("meta"):
        whole = Resampler(**arguments)
    assert sum(each.numel() for each in whole.parameters()) == parameters
    names = [name for name, _ in whole.named_parameters()]
    assert len(names) == 51
    layer = ("0.norm1", "0.norm2", "0.to_q", "0.to_kv", "0.to_out", "1.0", "1.1", "1.3")
    assert {name for name in names if name.startswith("layers.3.") and name.endswith(".weight")} == {
        f"layers.3.{part}.weight" for part in layer
    }
    assert not any(f"layers.3.{part}.bias" in names for part in ("0.to_q", "0.to_kv", "0.to_out", "1.1", "1.3"))


def test_latents_read_tokens_and_themselves() -> None:
    torch.manual_seed(0)
    layer = PerceiverAttention(12, 4, 3)
    tokens, latents = torch.randn(2, 5, 12), torch.randn(2, 3, 12)
    with torch.no_grad():
        found = layer(tokens, latents)
        normed = layer.norm2(latents)
        key, value = layer.to_kv(torch.cat([layer.norm1(tokens), normed], dim=1)).chunk(2, dim=-1)
        query, key, value = (x.unflatten(2, (3, 4)).transpose(1, 2) for x in (layer.to_q(normed), key, value))
        shares = F.softmax((query * 4**-0.25) @ (key * 4**-0.25).transpose(2, 3), dim=-1)
        wanted = layer.to_out((shares @ value).transpose(1, 2).flatten(2))
    assert torch.allclose(found, wanted, atol=1e-6)


def test_any_number_of_tokens_gives_the_same_number_of_answers() -> None:
    small = Resampler(dim=12, depth=2, dim_head=4, heads=3, num_queries=6, embedding_dim=8, output_dim=10)
    assert small(torch.randn(2, 17, 8)).shape == (2, 6, 10) == small(torch.randn(2, 5, 8)).shape
    assert small.double()(torch.randn(1, 5, 8)).dtype == torch.float64, "in the dtype of its parameters"
