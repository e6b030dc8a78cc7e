"""What adapters promise of every system: they alone are trained, and fused they are the same model."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
from safetensors import safe_open  # noqa: E402
from support import small_shards  # noqa: E402
from support.model_records import awake, batch, example, viewed  # noqa: E402

import vton_models  # noqa: E402
from vton_models.__main__ import main  # noqa: E402
from vton_models.networks import digests, lora, weights  # noqa: E402
from vton_models.networks.lora import Lora  # noqa: E402
from vton_models.system import Purpose  # noqa: E402
from vton_models.training import loading  # noqa: E402

NAMES = vton_models.names()
LORA = Lora(rank=3, alpha=2.0)


def tiny(name: str) -> Any:
    module = vton_models.load(name)
    return module.build(module.Config.tiny())


def adapted(name: str) -> Any:
    """With adapters that change something."""
    model = awake(tiny(name))
    lora.add(model, LORA)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, parameter in model.trainable().items():
            if ".lora_B." in key:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    return model


def prepared(model: Any, *seeds: int) -> dict[str, Any]:
    return batch(model.prepare(Purpose.TRAINING), [viewed(model, example(seed)) for seed in seeds])


def sample(model: Any) -> Any:
    return model.sample(prepared(model, 1), model.config.sampling(num_inference_steps=2), torch.Generator())


def loss(model: Any) -> Any:
    return model.loss(prepared(model, 1, 2), torch.Generator().manual_seed(0))


def values(model: Any) -> dict[str, Any]:
    return {f"{name}.{key}": value for name, net in model.networks.items() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("name", NAMES)
def test_at_first_they_change_nothing_and_are_the_same_every_time(name: str) -> None:
    plain, model, other = tiny(name), tiny(name), tiny(name)
    lora.add(model, LORA)
    torch.manual_seed(5)
    lora.add(other, LORA)
    assert digests.of_networks(model.networks) == digests.of_networks(other.networks)
    with torch.no_grad():
        assert torch.equal(loss(model), loss(plain))
    with lora.removed(model):
        assert digests.of_networks(model.networks) == digests.of_networks(plain.networks)


@pytest.mark.parametrize("name", NAMES)
def test_they_alone_are_trained(name: str) -> None:
    chosen = lora.layers(tiny(name))
    model = adapted(name)
    trained = model.trainable()
    assert trained and all(map(lora.is_adapter, trained)) and not model.unused()
    shapes = [model.networks[net].get_submodule(layer).weight.shape for net in chosen for layer in chosen[net]]
    assert sum(one.numel() for one in trained.values()) == sum(LORA.rank * (rows + columns) for rows, columns in shapes)
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    before = float(loss(model).detach())
    for _ in range(3):
        optimizer.zero_grad()
        loss(model).backward()
        assert not [key for key, parameter in trained.items() if parameter.grad is None or not parameter.grad.any()]
        optimizer.step()
    assert float(loss(model).detach()) < before
    assert all(parameter.grad is None for key, parameter in model.parameters().items() if key not in trained)
    with lora.removed(model):
        assert digests.of_networks(model.networks) == digests.of_networks(awake(tiny(name)).networks), "to the bit"


@pytest.mark.parametrize("name", NAMES)
def test_fused_it_is_the_same_model_and_one_without_adapters(name: str, tmp_path: Path) -> None:
    plain, model = tiny(name), adapted(name)
    pictures = sample(model)
    effect = (pictures - sample(awake(tiny(name)))).abs().max()
    lora.fuse(model)
    rounding = (pictures - sample(model)).abs().max()
    assert rounding < 1e-4 and effect > 10 * rounding
    assert model.lora is None and model.trainable().keys() == plain.trainable().keys()
    assert values(model).keys() == values(plain).keys(), "no base_layer is left"
    model.save_official(tmp_path / "official")
    plain.load_official(tmp_path / "official")
    assert digests.of_networks(plain.networks) == digests.of_networks(model.networks)


@pytest.mark.parametrize("name", NAMES)
def test_files_bring_them_back(name: str, tmp_path: Path) -> None:
    model, again = adapted(name), awake(tiny(name))
    lora.add(again, LORA)
    model.save(tmp_path / "own")
    again.load(tmp_path / "own")
    assert digests.of_networks(again.networks) == digests.of_networks(model.networks)
    assert json.loads((tmp_path / "own/config.json").read_text())["lora"] == {"rank": 3, "alpha": 2.0}
    fused = awake(tiny(name))
    fused.load(tmp_path / "own")
    lora.fuse(model)
    assert digests.of_networks(fused.networks) == digests.of_networks(model.networks)
    for number in range(8):  # the library writes metadata in an order of chance
        again.save(tmp_path / str(number))
        assert (tmp_path / str(number) / lora.FILE).read_bytes() == (tmp_path / "own" / lora.FILE).read_bytes()
    again.save_base(tmp_path / "base")
    without = tiny(name)
    without.load_base(tmp_path / "base")
    assert digests.of_networks(without.networks) == digests.of_networks(awake(tiny(name)).networks)


@pytest.mark.parametrize("name", NAMES)
def test_diffusers_reads_the_file(name: str, tmp_path: Path) -> None:
    """Its own loader, whose fusing gives our weights: alpha isn't the rank."""
    model, theirs = adapted(name), awake(tiny(name))
    networks = list(lora.layers(theirs))
    model.save(tmp_path)
    with safe_open(tmp_path / lora.FILE, "pt") as file:
        assert {key.partition(".")[0] for key in file.keys()} == set(networks)  # noqa: SIM118
        assert all(key.endswith((".lora_A.weight", ".lora_B.weight")) for key in file.keys())  # noqa: SIM118
    lora.fuse(model)
    for network in networks:
        stock, ours = theirs.networks[network], model.networks[network].state_dict()
        if weights.is_diffusers(type(stock)):
            stock.load_lora_adapter(tmp_path, weight_name=lora.FILE, prefix=network)
            stock.fuse_lora()
            stock.unload_lora()
            assert all(torch.allclose(value, ours[key], atol=1e-6) for key, value in stock.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_goes_on_samples_and_converts(name: str, tmp_path: Path) -> None:
    shards = small_shards.for_system(name, tmp_path / "shards")
    words = ["train", name, "--tiny", "--shards", str(shards), "--workers", "0", "--checkpoint-every", "2", "--ema"]
    words += ["0.5", "--lora-rank", "2", "--lora-alpha", "4", "--validation-pictures", "0"]
    for output, steps in (("whole", 4), ("run", 2), ("run", 4)):
        assert main([*words, "--steps", str(steps), "--output", str(tmp_path / output)]) == 0
    whole, run = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.safetensors")}
        for folder in (tmp_path / "whole", tmp_path / "run")
    )
    assert whole == run and Path("model", lora.FILE) in whole and Path("model/model.safetensors") not in whole
    assert json.loads((tmp_path / "run/config.json").read_text())["lora"] == {"rank": 2, "alpha": 4.0}
    assert "LoRA of rank 2, alpha 4" in (tmp_path / "run/README.md").read_text()

    _, model, _ = loading.load(tmp_path / "run")
    _, last, _ = loading.load(tmp_path / "run/checkpoints/step-00000004")
    assert digests.of_networks(model.networks) == digests.of_networks(last.networks), "averages in both"
    assert digests.of_networks(model.networks) not in ("", digests.of_networks(tiny(name).networks))
    sampling = ["--num-inference-steps", "1", "--limit", "1", "--output", str(tmp_path / "out")]
    assert main(["sample", name, "--weights", str(tmp_path / "run"), "--shards", str(shards), *sampling]) == 0
    assert main(["convert", name, "--from", str(tmp_path / "run"), "--to", str(tmp_path / "official")]) == 0
    official = tiny(name)
    official.load_official(tmp_path / "official")
    assert digests.of_networks(official.networks) == digests.of_networks(model.networks)
