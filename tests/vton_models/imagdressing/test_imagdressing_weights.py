"""IMAGDressing's published file: what it holds, in which forms it is read, and what it is refused for."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import imagdressing  # noqa: E402
from vton_models.imagdressing import Config  # noqa: E402
from vton_models.imagdressing.model import IMAGDressing  # noqa: E402
from vton_models.networks import attention, bases, digests, weights  # noqa: E402

FILE = "IMAGDressing-v1_512.pt"


def changed(**changes: Any) -> IMAGDressing:
    """Trained values that bfloat16 holds."""
    model = imagdressing.build(Config.tiny(**changes))
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.copy_((parameter + 0.25).bfloat16())
    return model


def fresh(**changes: Any) -> IMAGDressing:
    return imagdressing.build(Config.tiny(**changes))


def same(one: IMAGDressing, other: IMAGDressing) -> bool:
    return digests.of_networks(one.networks) == digests.of_networks(other.networks)


def test_the_published_layout(tmp_path: Path) -> None:
    """Four parts by their prefix; `adapter_modules` counts both kinds of attention, mid last."""
    model = changed()
    model.save_official(tmp_path)
    content = torch.load(tmp_path / FILE, weights_only=True)
    assert list(content) == ["module"]
    module = content["module"]
    assert {key.split(".")[0] for key in module} == {"ref_unet", "proj", "adapter_modules"}
    assert module["ref_unet.conv_in.weight"].dtype == torch.float32
    places = [int(key.split(".")[1]) for key in module if key.endswith("to_k_ref.weight")]
    assert places == [0, 2, 4, 6]
    last = model.networks["garment_attention"][-1].to_v.weight
    assert attention.blocks(model.unet)[-1].startswith("mid_block")
    assert torch.equal(module["adapter_modules.6.to_v_ref.weight"], last)
    model.save_official(tmp_path / "again.pt")
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / FILE).read_bytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("bare", [False, True])
def test_any_dtype_and_whatever_lies_beside(tmp_path: Path, dtype: Any, bare: bool) -> None:
    """The released file repeats W' under `unet.`, over another base, and DeepSpeed's notes lie beside `module`."""
    model = changed()
    model.save_official(tmp_path / "ours.pt")
    module = {key: value.to(dtype) for key, value in weights.read(tmp_path / "ours.pt").items()}
    module |= {f"unet.{key}": value + 1 for key, value in model.unet.state_dict().items()}
    block = attention.blocks(model.unet)[0]
    module[f"unet.{block}.attn1.processor.to_k_ref.weight"] = module["adapter_modules.0.to_k_ref.weight"] + 1
    beside = {"optimizer": None, "ds_version": "0.14.1", "dp_world_size": 10, "lr_scheduler": {"last_epoch": 3}}
    torch.save(module if bare else {"module": module, **beside}, tmp_path / FILE)
    loaded = fresh()
    loaded.load_official(tmp_path)
    tolerance = {torch.float16: 2e-3}.get(dtype, 0.0)
    for name, parameter in loaded.trainable().items():
        assert torch.allclose(parameter, model.trainable()[name], atol=tolerance, rtol=tolerance), name
    assert tolerance or same(loaded, model)
    assert loaded.trainable()["garment_unet.conv_in.weight"].dtype == torch.float32


def test_safetensors_too(tmp_path: Path) -> None:
    model = changed()
    model.save_official(tmp_path / "official.safetensors")
    loaded = fresh()
    loaded.load_official(tmp_path / "official.safetensors")
    assert same(loaded, model)


@pytest.mark.parametrize("part", ["ref_unet.", "proj.", "adapter_modules."])
def test_a_file_that_lacks_a_part_is_refused(tmp_path: Path, part: str) -> None:
    changed().save_official(tmp_path / "ours.pt")
    module = {key: value for key, value in weights.read(tmp_path / "ours.pt").items() if not key.startswith(part)}
    torch.save({"module": module}, tmp_path / FILE)
    loaded = fresh()
    before = digests.of_networks(loaded.networks)
    with pytest.raises(ValueError, match=rf"\d+ keys missing, 0 unexpected, as missing '{part}"):
        loaded.load_official(tmp_path)
    assert digests.of_networks(loaded.networks) == before


def test_an_ablation_takes_the_parts_that_it_has(tmp_path: Path) -> None:
    changed().save_official(tmp_path / "whole.pt")
    plain = fresh(hybrid_attention=False, image_branch=False)
    plain.load_official(tmp_path / "whole.pt")
    assert torch.equal(plain.garment_unet.conv_in.weight, changed().garment_unet.conv_in.weight)


def test_a_folder_must_say_which_file(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        changed().save_official(tmp_path / name)
    with pytest.raises(UsageError, match="2 .pt files; allowed is IMAGDressing's file"):
        fresh().load_official(tmp_path)
    with pytest.raises(UsageError, match="no such file or folder"):
        fresh().load_official(tmp_path / "absent")


def test_a_plain_base_gives_all_but_the_trained_parts(tmp_path: Path) -> None:
    """Both U-Nets begin as the base's one; keys and values as its own; the projection at random, always the same."""
    whole = changed()
    whole.save_base(tmp_path / "whole")
    for name in ("projection", "garment_attention", "garment_unet"):
        (tmp_path / "whole" / name).rename(tmp_path / name)
    first, second = fresh(), fresh()
    for model in (first, second):
        model.load_base(tmp_path / "whole")
    assert same(first, second) and first.base["digest"] == second.base["digest"]
    unet = whole.unet.state_dict()
    assert all(torch.equal(value, unet[name]) for name, value in first.garment_unet.state_dict().items())
    attn = whole.unet.get_submodule(f"{attention.blocks(whole.unet)[1]}.attn1")
    assert torch.equal(first.networks["garment_attention"][1].to_v.weight, attn.to_v.weight)
    first.load_base(f"{tmp_path / 'whole'},projection={tmp_path / 'projection'}")
    loaded, stored = first.networks["projection"], whole.networks["projection"]
    assert digests.of_network(loaded) == digests.of_network(stored)


@pytest.mark.parametrize("ending", ["bin", "safetensors"])
def test_the_projection_may_begin_as_an_ip_adapters(tmp_path: Path, ending: str) -> None:
    """Nested in a pickle, by dotted names in safetensors; its attention isn't read."""
    whole = changed()
    whole.save_base(tmp_path / "base")
    stored, file = dict(fresh().networks["projection"].state_dict()), tmp_path / f"ip-adapter-plus_sd15.{ending}"
    stored["latents"] = stored["latents"] + 1
    nested = {"image_proj": stored, "ip_adapter": {"1.to_k_ip.weight": torch.ones(2, 2)}}
    if ending == "bin":
        torch.save(nested, file)
    else:
        weights.write(file, {f"{part}.{key}": value for part, own in nested.items() for key, value in own.items()})
    model = fresh()
    model.load_base(f"{tmp_path / 'base'},projection={file}")
    loaded = model.networks["projection"].state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in stored.items())
    again = fresh()
    again.load_base(bases.of_note(model.base))
    assert same(model, again) and again.base["digest"] == model.base["digest"]
    weights.write(tmp_path / "other.safetensors", {"image_proj.latents": torch.ones(1)})
    with pytest.raises(ValueError, match="keys missing"):
        fresh().load_base(f"{tmp_path / 'base'},projection={tmp_path / 'other.safetensors'}")
