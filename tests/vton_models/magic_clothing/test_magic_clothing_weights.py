"""Magic Clothing's published files: the garment network's stock keys, and numbered keys and values of stable_ckpt."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import magic_clothing  # noqa: E402
from vton_models.magic_clothing import Config, official  # noqa: E402
from vton_models.networks import digests, weights  # noqa: E402


def tiny(**changes: Any) -> Any:
    model = magic_clothing.build(Config.tiny(**changes))
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(0.01)
    return model


def test_the_file_holds_a_unets_own_keys(tmp_path: Path) -> None:
    model = tiny()
    model.save_official(tmp_path / "name.safetensors")
    stored = weights.read(tmp_path / "name.safetensors")
    assert stored.keys() == model.garment_unet.state_dict().keys() and "conv_in.weight" in stored
    fresh = magic_clothing.build(Config.tiny())
    fresh.load_official(tmp_path)
    assert digests.of_networks(fresh.networks) == digests.of_networks(model.networks)
    fresh.save_official(tmp_path / "again")
    assert (tmp_path / "again" / official.FILE).read_bytes() == (tmp_path / "name.safetensors").read_bytes()


def test_stable_keys_and_values_are_numbered_over_both_kinds_of_attention(tmp_path: Path) -> None:
    with torch.device("meta"):
        full = magic_clothing.build(Config(fusion="hybrid")).networks["key_values"].numbered("ip")
    assert list(full) == [f"{number}.to_{side}_ip.weight" for number in range(0, 32, 2) for side in "kv"]
    assert full["30.to_k_ip.weight"].shape == (1280, 1280), "the middle comes last"
    model = tiny(fusion="hybrid")
    model.save_official(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [official.FILE, official.KEY_VALUES]
    fresh = magic_clothing.build(Config.tiny(fusion="hybrid"))
    fresh.load_official(tmp_path)
    assert digests.of_networks(fresh.networks) == digests.of_networks(model.networks)
    fresh.save_official(tmp_path / "again")
    for name in (official.FILE, official.KEY_VALUES):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape"])
def test_loading_is_strict_and_all_or_nothing(tmp_path: Path, fault: str) -> None:
    model = tiny(fusion="hybrid")
    model.save_official(tmp_path)
    tensors = {key: value.clone() for key, value in weights.read(tmp_path / official.KEY_VALUES).items()}
    name = "0.to_k_ip.weight"
    tensors |= {"missing": {}, "unexpected": {"1.to_k_ip.weight": torch.ones(2)}, "shape": {name: torch.ones(2)}}[fault]
    if fault == "missing":
        del tensors[name]
    torch.save(tensors, tmp_path / official.KEY_VALUES)
    fresh = magic_clothing.build(Config.tiny(fusion="hybrid"))
    before = digests.of_networks(fresh.networks)
    with pytest.raises(ValueError, match=r"ip_layer\.pth: .*(0|1)\.to_k_ip"):
        fresh.load_official(tmp_path)
    assert digests.of_networks(fresh.networks) == before


def test_a_folder_of_several_files_must_be_told_apart(tmp_path: Path) -> None:
    model = tiny()
    with pytest.raises(UsageError, match="no such file or folder"):
        model.load_official(tmp_path / "none")
    with pytest.raises(UsageError, match=r"holds no \.safetensors"):
        model.load_official(tmp_path)
    for name in ("oms_diffusion_768_200000", "oms_diffusion_512_100000"):
        model.save_official(tmp_path / f"{name}.safetensors")
    with pytest.raises(UsageError, match="oms_diffusion_512_100000.safetensors, oms_diffusion_768_200000"):
        model.load_official(tmp_path)
