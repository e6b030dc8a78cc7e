"""`train --lora-rank`: what it refuses, and what adapters may lie on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
from support import small_shards, toy_system  # noqa: E402

import vton_models  # noqa: E402
from schemas.cli.flags import UsageError  # noqa: E402
from vton_models.__main__ import main  # noqa: E402
from vton_models.networks import digests, lora, memory, weights  # noqa: E402
from vton_models.networks.lora import Lora  # noqa: E402
from vton_models.training import loading, train_flags  # noqa: E402


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shards.write(tmp_path_factory.mktemp("lora") / "shards", 4)


def tiny(**changes: Any) -> Any:
    module = vton_models.load("catvton")
    return module.build(module.Config.tiny(**changes))


def train(shards: Path, output: Path, *words: object, system: str = "catvton") -> None:
    fixed = ("--tiny", "--steps", 1, "--workers", 0, "--validation-pictures", 0)
    given = ("train", system, "--shards", shards, "--output", output, *fixed, *words)
    assert main([str(word) for word in given]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--lora-rank", 0), "--lora-rank 0; allowed is 1 or more"),
        (("--lora-rank", -3), "--lora-rank -3; allowed is 1 or more"),
        (("--lora-rank", 33), "--lora-rank 33; allowed are 1 to 32"),
        (("--lora-rank", 4, "--lora-alpha", 0), "--lora-alpha 0.0; allowed is a number above 0"),
        (("--lora-rank", 4, "--lora-alpha", "nan"), "--lora-alpha"),
        (("--lora-rank", 4, "--lora-alpha", "inf"), "--lora-alpha"),
        (("--lora-alpha", 4), "--lora-alpha 4 stands beside --lora-rank only"),
        (("--lora-rank", "many"), "--lora-rank"),
    ],
)
def test_wrong_values_are_one_line(shards: Path, tmp_path: Path, words: tuple[object, ...], told: str) -> None:
    with pytest.raises(UsageError) as error:
        train(shards, tmp_path / "run", *words)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_system_without_such_layers_is_refused(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_system.register(monkeypatch)
    with pytest.raises(UsageError, match="--lora-rank 4: .* trains no linear layers of attention"):
        train(shards, tmp_path / "run", "--lora-rank", 4, system="toy_system")


def test_without_peft_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_flags.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--lora-rank 4 needs the package peft: `pip install peft`"):
        train_flags.adapters(train_flags.Flags(("shards",), lora_rank=4))


def test_another_rank_is_another_run(shards: Path, tmp_path: Path) -> None:
    train(shards, tmp_path / "run", "--lora-rank", 4)
    for words in (("--lora-rank", 2), ()):
        with pytest.raises(UsageError, match=r"another training run \(lora"):
            train(shards, tmp_path / "run", "--steps", 2, *words)


def test_adapters_over_published_weights_keep_them(shards: Path, tmp_path: Path) -> None:
    """The run is whole by itself: the published file may go."""
    published = tiny()
    with torch.no_grad():
        for parameter in published.trainable().values():
            parameter.add_(0.01)
    published.save_official(tmp_path / "official")
    begin = ("--init", f"official:{tmp_path / 'official'}", "--lora-rank", 4)
    train(shards, tmp_path / "frozen", *begin, "--learning-rate", 0)
    train(shards, tmp_path / "run", *begin)
    (tmp_path / "official/attention/model.safetensors").unlink()
    _, frozen, _ = loading.load(tmp_path / "frozen")
    _, model, _ = loading.load(tmp_path / "run")
    assert digests.of_networks(frozen.networks) == digests.of_networks(published.networks)
    changed = [name for name, value in model.trainable().items() if not torch.equal(value, frozen.trainable()[name])]
    assert changed and all(
        name.endswith((".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight")) for name in changed
    )
    assert model.digest() != frozen.digest(), "what lies beneath, and the adapters, both count"


def test_a_run_of_adapters_is_a_start_like_another(shards: Path, tmp_path: Path) -> None:
    train(shards, tmp_path / "first", "--lora-rank", 4)
    _, first, _ = loading.load(tmp_path / "first")
    unchanged = ("--init", tmp_path / "first", "--learning-rate", 0)
    for words in ((), ("--lora-rank", 2)):
        output = tmp_path / f"then{len(words)}"
        train(shards, output, *unchanged, *words)
        assert (output / "beneath.safetensors").is_file() == bool(words)
        _, then, described = loading.load(output)
        assert digests.of_networks(then.networks) == digests.of_networks(first.networks)
        assert described["base"]["digest"] == first.base["digest"]
    # From adapters over adapters, where less is trained than they changed.
    train(shards, tmp_path / "more", "--lora-rank", 4, "--trainable", "unet", "--text-cross-attention")
    with pytest.raises(UsageError, match="adapters of unet.*fit no layer that is trained here"):
        train(shards, tmp_path / "less", "--init", tmp_path / "more", "--trainable", "self_attention")


def test_layers_that_nothing_reaches_get_none() -> None:
    """With skipped cross-attention only self-attention learns, whatever the Config trains."""
    for trainable, text, parts in (("unet", False, {"attn1"}), ("unet", True, {"attn1", "attn2"})):
        names = lora.layers(tiny(trainable=trainable, text_cross_attention=text))["unet"]
        assert {part for name in names for part in name.split(".") if part.startswith("attn")} == parts


def test_what_lies_beneath_may_be_in_16_bits() -> None:
    model = tiny()
    use = memory.Use("full", "cuda", training=True, mixed_precision="bf16")
    memory.choose_dtypes(model, use)
    assert set(model.dtypes) == {"vae"}
    lora.add(model, Lora(4, 4.0))
    memory.choose_dtypes(model, use)
    assert set(model.dtypes) == {"vae", "unet"}
    model.unet.to(torch.bfloat16)
    for parameter in model.trainable().values():
        parameter.data = parameter.data.float()
    states = torch.zeros(1, 9, 8, 8, dtype=torch.bfloat16)
    model.unet(states, 1, encoder_hidden_states=None).sample.float().sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.trainable().values())


def test_damaged_adapters_are_told(tmp_path: Path) -> None:
    model = tiny()
    lora.add(model, Lora(4, 4.0))
    stored = {name: value.detach() for name, value in lora.tensors(model).items()}
    first = next(iter(stored))
    plain = tiny()
    before = digests.of_networks(plain.networks)
    for broken in (
        {name: value for name, value in stored.items() if name != first},
        stored | {first: torch.zeros(4, 5)},
    ):
        with pytest.raises(ValueError, match="adapters of unet.*are not whole"):
            lora.lay(plain, Lora(4, 4.0), broken, "x")
    assert digests.of_networks(plain.networks) == before


def test_a_diffusers_pipeline_reads_the_file_beside_another_networks(tmp_path: Path) -> None:
    """Keys of a garment network don't disturb `load_lora_weights`."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    model, plain = tiny(), tiny()
    lora.add(model, Lora(4, 2.0))
    for parameter in model.trainable().values():
        parameter.data.normal_()
    model.save(tmp_path)
    tensors, notes = weights.read(tmp_path / lora.FILE), weights.metadata(tmp_path / lora.FILE)["lora_adapter_metadata"]
    further = {f"garment_{name}": value.clone() for name, value in tensors.items()}
    told = json.loads(notes)
    told |= {f"garment_{name}": value for name, value in told.items()}
    weights.write(tmp_path / lora.FILE, tensors | further, {"lora_adapter_metadata": json.dumps(told)})
    pipeline = StableDiffusionPipeline(
        plain.vae,
        None,
        None,
        plain.unet,
        DDIMScheduler(steps_offset=1, clip_sample=False),
        None,
        None,
        requires_safety_checker=False,
    )
    pipeline.load_lora_weights(tmp_path)
    pipeline.fuse_lora(components=["unet"])
    pipeline.unload_lora_weights()
    lora.fuse(model)
    ours, theirs = model.unet.state_dict(), plain.unet.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(value, ours[name], atol=1e-5) for name, value in theirs.items())


def test_a_network_that_the_base_lacks_is_told(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained whole it begins at random; adapters lie on its attention alone, so that it nearly stays so."""
    module = vton_models.load("imagdressing")
    module.build(module.Config.tiny()).save_base(tmp_path / "base")
    shutil.rmtree(tmp_path / "base/projection")
    for words, told in (((), "it begins with first values"), (("--lora-rank", 2), "adapters train little of it")):
        start = ("--init", f"base:{tmp_path / 'base'}", *words)
        train(shards, tmp_path / f"run{len(words)}", *start, system="imagdressing")
        error = capsys.readouterr().err
        assert f"projection isn't in the base, and {told}" in error and "base:BASE,projection=PATH" in error
        assert error.count("isn't in the base") == 1


def test_the_number_of_parameters_at_full_size() -> None:
    """16 self-attentions of widths 5×320, 5×640 and 6×1280: each of four layers has rank × 2 widths."""
    module = vton_models.load("catvton")
    with torch.device("meta"):
        model = module.build(module.Config())
        shapes = [model.unet.get_submodule(name).weight.shape for name in lora.layers(model)["unet"]]
    assert len(shapes) == 64 and sum(map(sum, shapes)) == 4 * 2 * (5 * 320 + 5 * 640 + 6 * 1280) == 99_840
