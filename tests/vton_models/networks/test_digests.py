"""Digests of weights: the same for the same values, computed once for a large file, again for a changed one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from diffusers import AutoencoderKL  # noqa: E402

from vton_models import catvton  # noqa: E402
from vton_models.networks import digests, stable_diffusion, weights  # noqa: E402


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(digests, "LARGE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The networks that are hashed from now on."""
    seen: list[Any] = []
    compute = digests.of_network
    monkeypatch.setattr(digests, "of_network", lambda network: (seen.append(network), compute(network))[1])
    return seen


def vae() -> Any:
    return weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)


def test_the_storage_of_values_is_no_part_of_their_digest(tmp_path: Path) -> None:
    half = vae().half()
    half.save_pretrained(tmp_path / "half")
    half.float().save_pretrained(tmp_path / "full")
    found = [digests.of_network(weights.component(AutoencoderKL, tmp_path / name)) for name in ("half", "full")]
    assert found[0] == found[1] == digests.of_network(half.half())


def test_a_component_is_hashed_once_until_its_file_changes(tmp_path: Path, hashed: list[Any]) -> None:
    network, folder = vae(), tmp_path / "vae"
    network.save_pretrained(folder)
    first = digests.of_component(folder, network)
    assert digests.of_component(folder, network) == first and len(hashed) == 1
    assert list(json.loads((folder / digests.KEPT).read_text()).values()) == [first]
    with torch.no_grad():
        network.encoder.conv_in.bias[0] += 1
    network.save_pretrained(folder)
    os.utime(folder / "diffusion_pytorch_model.safetensors", ns=(1, 1))
    assert digests.of_component(folder, network) == digests.of_network(network) != first


def test_where_a_folder_cannot_be_written_the_cache_keeps_it(tmp_path: Path, hashed: list[Any]) -> None:
    network, folder = vae(), tmp_path / "vae"
    network.save_pretrained(folder)
    (folder / digests.KEPT).mkdir()  # what stands in the way of root, too
    for _ in range(2):
        digests.of_component(folder, network)
    assert len(hashed) == 1 and len(list((tmp_path / "cache").rglob("*.json"))) == 1


def test_small_files_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "LARGE", 64 << 20)
    network = vae()
    network.save_pretrained(tmp_path / "vae")
    digests.of_component(tmp_path / "vae", network)
    assert not list(tmp_path.rglob("*digests*"))


def test_a_model_is_hashed_once_with_what_is_laid_over_its_base(tmp_path: Path, hashed: list[Any]) -> None:
    changed = catvton.build(catvton.Config.tiny())
    changed.save_base(tmp_path / "base")
    with torch.no_grad():
        for parameter in changed.trainable().values():
            parameter.add_(1)
    changed.save_official(tmp_path / "official")
    expected = digests.of_networks(changed.networks)
    counts = []
    for _ in range(2):
        model = catvton.build(catvton.Config.tiny())
        hashed.clear()
        model.load_base(tmp_path / "base")
        model.load_official(tmp_path / "official")
        assert model.digest() == expected != model.base["digest"]
        counts.append(len(hashed))
    assert counts == [3, 0], "first U-Net, VAE, and the U-Net with attention laid over it; then none"
