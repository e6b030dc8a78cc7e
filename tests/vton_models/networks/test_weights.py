"""Weights on disk: atomic, deterministic, strict about keys, and no code from a pickle."""

import json
import os
import pickle

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from schemas.folders import atomic  # noqa: E402
from vton_models.catvton import Config  # noqa: E402
from vton_models.networks import digests, stable_diffusion, text, weights  # noqa: E402


@pytest.fixture
def vae():
    return weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_files_come_back_and_repeat_byte_for_byte(tmp_path):
    tensors = {"b": torch.randn(2, 3), "a": torch.randn(3, 2).T}
    for name in ("one", "two"):
        weights.write(tmp_path / name / "x.safetensors", tensors)
    one, two = (tmp_path / name / "x.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes() and weights.metadata(one) == {"format": "pt"}
    found = weights.read(one)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert os.listdir(one.parent) == ["x.safetensors"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    atomic.write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        atomic.write_json(path, {"a": float("nan")})
    with pytest.raises(OSError, match="disk full"), atomic.new_path(path) as temporary:
        temporary.write_bytes(b"{")
        raise OSError("disk full")
    assert json.loads(path.read_text()) == {"a": 1} and os.listdir(tmp_path) == ["x.json"]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickled_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    path = tmp_path / "x.bin"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(ValueError, match="can't be read as weights"):
        weights.read(path)
    torch.save({"a": Evil()}, path)
    with pytest.raises(ValueError, match="can't be read as weights"):
        weights.read(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["x.safetensors", "x.bin"])
def test_damaged_and_absent_files(tmp_path, name):
    with pytest.raises(UsageError, match="no such file"):
        weights.read(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x08\x00\x00\x00")
    with pytest.raises(ValueError, match=f"{name}: can't be read"):
        weights.read(tmp_path / name)


def test_assign_is_strict_and_all_or_nothing():
    targets = {"a": torch.zeros(2), "b": torch.zeros(3)}
    with pytest.raises(ValueError, match="1 keys missing, 1 unexpected, as missing 'b'"):
        weights.assign(targets, {"a": torch.ones(2), "c": torch.ones(1)}, "file")
    with pytest.raises(ValueError, match=r"file: b is \[2\]; allowed is \[3\]"):
        weights.assign(targets, {"a": torch.ones(2), "b": torch.ones(2)}, "file")
    assert not targets["a"].any()
    weights.assign(targets, {"a": torch.ones(2, dtype=torch.float16), "b": torch.ones(3)}, "file")
    assert targets["a"].tolist() == [1, 1] and targets["a"].dtype == torch.float32


def test_random_networks_repeat_whatever_was_drawn_before(vae):
    state = torch.get_rng_state()
    torch.randn(7)
    again = weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)
    assert same(vae, again) and not again.training
    torch.set_rng_state(state)
    expected = torch.randn(2)
    torch.set_rng_state(state)
    weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)
    assert torch.equal(torch.randn(2), expected), "the caller's generator goes on as if nothing had been drawn"


@pytest.mark.parametrize("form", ["safetensors", "bin", "fp16"])
def test_components_in_every_published_form(tmp_path, vae, form):
    if form == "fp16":
        vae = vae.half()
    vae.save_pretrained(tmp_path, safe_serialization=form != "bin", variant="fp16" if form == "fp16" else None)
    found = weights.component(AutoencoderKL, tmp_path)
    assert same(found, vae.float()) and not found.training and found.dtype == torch.float32
    assert not any(values.data_ptr() % weights.ALIGNMENT for values in found.parameters())


def test_components_are_strict(tmp_path, vae):
    with pytest.raises(UsageError, match="no config.json"):
        weights.component(AutoencoderKL, tmp_path)
    vae.save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = weights.read(file)
    dropped = tensors.pop("encoder.conv_in.bias")
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(UsageError, match=r"1 missing keys, as 'encoder.conv_in.bias'"):
        weights.component(AutoencoderKL, tmp_path)
    save_file(tensors | {"encoder.conv_in.bias": dropped, "stray": torch.ones(1)}, file, {"format": "pt"})
    with pytest.raises(UsageError, match=r"1 unexpected keys, as 'stray'"):
        weights.component(AutoencoderKL, tmp_path)


def test_older_attention_names_of_the_vae_are_known(tmp_path, vae):
    """stabilityai/sd-vae-ft-mse is published with query, key, value and proj_attn."""
    vae.save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in weights.read(file).items():
        for new, old in older.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        renamed[name] = tensor
    assert any("proj_attn" in name for name in renamed)
    save_file(renamed, file, {"format": "pt"})
    assert same(weights.component(AutoencoderKL, tmp_path), vae)


def test_arguments_build_the_same_network(tmp_path):
    unet = weights.random(UNet2DConditionModel, stable_diffusion.TINY_UNET)
    unet.save_pretrained(tmp_path)
    found = weights.arguments(weights.component(UNet2DConditionModel, tmp_path))
    assert same(weights.random(UNet2DConditionModel, found), unet)
    assert found.items() >= stable_diffusion.TINY_UNET.items()


def test_digest_depends_on_values_names_and_nothing_else(vae):
    first = digests.of_networks({"vae": vae})
    assert first == digests.of_networks({"vae": weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)})
    assert first != digests.of_networks({"other": vae}) and first.startswith("sha256:")
    with torch.no_grad():
        vae.encoder.conv_in.bias[0] += 1
    assert first != digests.of_networks({"vae": vae})
    with torch.device("meta"):
        assert digests.of_networks({"vae": weights.random(AutoencoderKL, stable_diffusion.TINY_VAE)}) == ""


def test_folders_appear_whole_and_replace_older_ones(tmp_path, vae):
    weights.save_folder({"vae": vae}, tmp_path / "base")
    (tmp_path / "base" / "stray").write_text("old")
    weights.save_folder({"vae": vae}, tmp_path / "base")
    assert os.listdir(tmp_path) == ["base"] and os.listdir(tmp_path / "base") == ["vae"]
    assert same(weights.component(AutoencoderKL, tmp_path / "base" / "vae"), vae)


@pytest.mark.parametrize("config", [Config(), Config.tiny(dream=float("inf"), mask_free=True), Config(dream=0.0)])
def test_configurations_survive_json(tmp_path, config):
    atomic.write_json(tmp_path / "config.json", weights.config_to_json(config))
    found = weights.config_from_json(Config, weights.read_json(tmp_path / "config.json"))
    assert found == config and hash(found) == hash(config)


def test_configurations_from_json_are_checked(tmp_path):
    with pytest.raises(ValueError, match="unknown setting 'hieght'"):
        weights.config_from_json(Config, {"hieght": 512})
    with pytest.raises(UsageError, match="trainable 'all'"):
        weights.config_from_json(Config, {"trainable": "all"})
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(UsageError, match="holds no JSON object"):
        weights.read_json(tmp_path / "config.json")


def test_word_tokenizer_repeats_cuts_and_pads():
    tokenizer = text.WordTokenizer(64, 6)
    assert tokenizer("") == [62, 63, 63, 63, 63, 63]
    ids = tokenizer("a red Shirt with long sleeves")
    assert len(ids) == 6 and ids[0] == 62 and ids[-1] == 63 and max(ids[1:5]) < 62
    assert tokenizer("A RED shirt with") == ids


def test_tokenizers_of_several_encoders_are_one():
    first, second = text.WordTokenizer(64, 4), text.WordTokenizer(128, 6)
    assert text.together([]) is None and text.together([first]) is first
    assert text.together([first, second])("red") == first("red") + second("red")


def test_nested_pickles_are_named_as_safetensors_would(tmp_path):
    torch.save(
        {"image_proj": {"a": torch.ones(1)}, "ip_adapter": {"1.b": torch.zeros(1)}, "step": 3}, tmp_path / "x.bin"
    )
    assert set(weights.read(tmp_path / "x.bin")) == {"image_proj.a", "ip_adapter.1.b"}
