"""IDM-VTON's files: bases that training starts from, IP-Adapter's own file, published TryonNets, and its own."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from safetensors.torch import load_file, save_file  # noqa: E402
from support.model_records import batch, example  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import idm_vton  # noqa: E402
from vton_models.idm_vton import Config, official  # noqa: E402
from vton_models.networks import attention, digests, weights  # noqa: E402
from vton_models.system import Purpose  # noqa: E402


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return idm_vton.build(Config.tiny(**changes))


@pytest.fixture
def changed():
    """A model with other weights than a new one."""
    model = tiny()
    with torch.no_grad():
        for parameter in model.parameters().values():
            parameter.mul_(1.01)
    return model


def shapes(**changes):
    with torch.device("meta"):
        return tiny(**changes)


def inpainting_base(model, folder):
    """As the published bases of training: a U-Net of 9 channels, a plain one for the garment, no image prompt."""
    model.save_base(folder)
    shutil.rmtree(folder / "ip_adapter")
    unet = weights.random(type(model.unet), dict(model.config.networks["unet"].arguments) | {"in_channels": 9})
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet")
    return unet


def test_training_starts_from_an_inpainting_base_and_ip_adapters_file(changed, tmp_path):
    unet = inpainting_base(changed, tmp_path / "base")
    torch.save(nested(changed.ip_adapter), tmp_path / "ip-adapter-plus.bin")
    model = shapes()
    model.load_base(f"{tmp_path / 'base'},ip_adapter={tmp_path / 'ip-adapter-plus.bin'}")
    assert torch.equal(model.unet.conv_in.weight[:, :9], unet.conv_in.weight)
    assert not model.unet.conv_in.weight[:, 9:].any() and model.unet.conv_in.weight.shape[1] == 13
    assert model.unet.conv_in.weight.requires_grad and torch.equal(model.unet.conv_in.bias, unet.conv_in.bias)
    assert model.unet.config.in_channels == 13
    assert digests.of_network(model.ip_adapter) == digests.of_network(changed.ip_adapter)
    assert model.base["networks"]["ip_adapter"]["path"].endswith(".bin")
    given = batch(model.prepare(Purpose.TRAINING), [example(1)])
    assert model.loss(given, seeded(0)).isfinite()
    without = shapes()
    without.load_base(tmp_path / "base")
    assert digests.of_network(without.ip_adapter) == digests.of_network(tiny().ip_adapter), "random where none is there"


def nested(adapter):
    """The published pickle's two dicts."""
    state = adapter.state_dict()
    return {
        part: {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(f"{part}.")}
        for part in ("image_proj", "ip_adapter")
    }


def test_sdxls_own_unet_serves_as_garment_network(changed, tmp_path):
    """In a folder called unet, with conditions that the garment network doesn't read."""
    changed.save_base(tmp_path / "base")
    arguments = dict(changed.config.networks["garment_unet"].arguments) | {"addition_embed_type": "text_time"}
    sdxl = weights.random(type(changed.garment_unet), arguments)
    sdxl.save_pretrained(tmp_path / "sdxl" / "unet")
    model = shapes()
    model.load_base(f"{tmp_path / 'base'},garment_unet={tmp_path / 'sdxl'}")
    assert torch.equal(model.garment_unet.conv_in.weight, sdxl.conv_in.weight)
    assert len(sdxl.state_dict()) - len(model.garment_unet.state_dict()) == 4


def test_a_base_of_other_channels_is_refused(changed, tmp_path):
    changed.save_base(tmp_path / "base")
    with pytest.raises(UsageError, match="4 input channels; allowed are 9"):
        shapes().load_base(f"{tmp_path / 'base'},unet={tmp_path / 'base' / 'garment_unet'}")


@pytest.mark.parametrize("form", ["folder", "unet", "file", "pickle"])
def test_published_tryon_nets_are_read_in_all_forms(changed, tmp_path, form):
    changed.save_official(tmp_path / "official")
    file = tmp_path / "official" / "unet" / official.FILE
    config = json.loads((file.parent / "config.json").read_text())
    assert config["encoder_hid_dim_type"] == "ip_image_proj" and config["in_channels"] == 13
    path = {"folder": tmp_path / "official", "unet": file.parent}.get(form, file)
    if form == "pickle":
        path = tmp_path / "diffusion_pytorch_model.bin"
        torch.save(load_file(file), path)
    model = tiny()
    model.load_official(path)
    for name in ("unet", "ip_adapter"):
        assert digests.of_network(model.networks[name]) == digests.of_network(changed.networks[name])


def test_a_whole_published_repository_is_a_base(changed, tmp_path):
    """With TryonNet as it is published, of which nothing is read twice into the digest."""
    changed.save_base(tmp_path / "published")
    for name in ("unet", "ip_adapter"):
        shutil.rmtree(tmp_path / "published" / name)
    (tmp_path / "published" / "garment_unet").rename(tmp_path / "published" / "unet_encoder")
    changed.save_official(tmp_path / "tryon")
    shutil.copytree(tmp_path / "tryon" / "unet", tmp_path / "published" / "unet")
    model = shapes()
    model.load_base(tmp_path / "published")
    assert digests.of_networks(model.networks) == digests.of_networks(changed.networks) == model.base["digest"]


def test_damaged_tryon_nets_change_nothing(changed, tmp_path):
    changed.save_official(tmp_path / "official")
    file = tmp_path / "official" / "unet" / official.FILE
    tensors = load_file(file)
    dropped = next(name for name in tensors if ".attn2.processor." in name)
    save_file({name: value for name, value in tensors.items() if name != dropped}, file, {"format": "pt"})
    model = tiny()
    before = digests.of_networks(model.networks)
    with pytest.raises(ValueError, match=f"1 keys missing, 0 unexpected, as missing '{dropped}'"):
        model.load_official(tmp_path / "official")
    assert digests.of_networks(model.networks) == before
    with pytest.raises(UsageError, match="no such file of IDM-VTON's TryonNet"):
        model.load_official(tmp_path / "nowhere")


def test_decoder_layers_alone_are_saved(tmp_path):
    model = tiny(trainable="attention_ip")
    model.save(tmp_path / "own")
    stored = load_file(tmp_path / "own" / "model.safetensors")
    blocks = attention.blocks(model.unet)
    numbers = {f"ip_adapter.ip_adapter.{2 * place + 1}." for place, one in enumerate(blocks) if one.startswith("up_")}
    assert all(name.startswith(("unet.up_blocks.", *numbers)) for name in stored)
    assert {name.split(".")[0] for name in stored} == {"unet", "ip_adapter"} and model.config.official_needs_base
