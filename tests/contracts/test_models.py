"""What every model promises, over `vton_models.names()`: a new file is tested without a change here."""

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.model_records import awake, batch, example, viewed  # noqa: E402

import vton_models  # noqa: E402
import vton_models.system as protocols  # noqa: E402
from annotators.functional.agnostic import RECIPES  # noqa: E402
from schemas import kinds  # noqa: E402
from schemas.cli import options  # noqa: E402
from schemas.cli.flags import UsageError  # noqa: E402
from vton_models.networks import digests, lora, memory, weights  # noqa: E402
from vton_models.networks.lora import Lora  # noqa: E402
from vton_models.sampling import tasks  # noqa: E402
from vton_models.system import About, Purpose  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NAMES = vton_models.names()


def tiny(name: str) -> Any:
    module = vton_models.load(name)
    return module.build(module.Config.tiny())


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> Any:
    return tiny(request.param)


def prepared(model: Any, *seeds: int, purpose: Purpose = Purpose.TRAINING) -> dict[str, Any]:
    return batch(model.prepare(purpose), [viewed(model, example(seed)) for seed in seeds])


def sample(model: Any, given: dict[str, Any], *seeds: int) -> Any:
    """One generator per item."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return model.sample(given, model.config.sampling(num_inference_steps=2), generators)


def test_importing_models_stays_light() -> None:
    code = (
        "import sys, vton_models\n[vton_models.load(name) for name in vton_models.names()]\n"
        "print([name for name in ('torch', 'diffusers', 'transformers', 'accelerate') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_declarations(name: str) -> None:
    module = vton_models.load(name)
    assert isinstance(module.ABOUT, About) and all(
        getattr(module.ABOUT, item.name) for item in dataclasses.fields(About)
    )
    for config in (module.Config(), module.Config.tiny()):
        assert config.__dataclass_params__.frozen
        assert pickle.loads(pickle.dumps(config)) == config
        assert weights.config_from_json(module.Config, weights.config_to_json(config)) == config
        options.check(config)
    assert all(item.metadata.get("help") for item in dataclasses.fields(module.Config)), "every flag has its help"
    known = {item.name for item in dataclasses.fields(module.Config)}
    for preset in module.PRESETS.values():
        assert preset.source and set(preset.model) <= known
        sized = {"height": preset.height, "width": preset.width} if {"height", "width"} <= known else {}
        options.check(module.Config(**(sized | preset.model)))


@pytest.mark.parametrize("name", NAMES)
def test_the_protocols_are_kept(name: str) -> None:
    """Asked without building a network."""
    system = vton_models.load(name)
    assert callable(system.build)
    for config in (system.Config(), system.Config.tiny()):
        assert isinstance(config, protocols.Config)
        assert config.decode_size is None or all(side > 0 for side in config.decode_size)
        for purpose in Purpose:
            assert isinstance(config.prepare(purpose), protocols.Prepare)
    settings = system.Config.sampling()
    assert isinstance(settings, protocols.Sampling) and isinstance(system.Config.finishing(), protocols.Finishing)
    assert settings.__dataclass_params__.frozen and pickle.loads(pickle.dumps(settings)) == settings
    for item in [*dataclasses.fields(settings), *dataclasses.fields(system.Config.finishing)]:
        assert item.metadata.get("help"), "every flag has its help"
    assert system.Config.finishing().name == "", "results stay as they are unless a flag is named"
    assert system.Config.tasks and tasks.kinds(system.Config)


def test_columns_are_the_records(model: Any) -> None:
    reads = model.config.reads("tryon")
    assert {*reads.needed, *reads.optional, *reads.view.values()} <= set(kinds.TRYON.fields)
    assert not set(reads.needed) & set(reads.optional)
    assert reads.mask_recipe in ("", *RECIPES)


def test_only_training_takes_chances(model: Any) -> None:
    for purpose in set(Purpose) - {Purpose.TRAINING}:
        prepare, record = model.prepare(purpose), viewed(model, example(1))
        first, second = (prepare(record, torch.Generator().manual_seed(seed)) for seed in (1, 2))
        alone = prepare(record)
        assert all(torch.equal(first[name], second[name]) and torch.equal(first[name], alone[name]) for name in first)


@pytest.mark.parametrize("corner", [(0, 0), (0, 150), (60, 0), (60, 150)])
def test_the_visible_part_lies_in_the_photo_and_shows_the_whole_mask(model: Any, corner: tuple[int, int]) -> None:
    """A mask that fits in the network's view, wherever it is."""
    mask = np.zeros((96, 200), np.uint8)
    mask[corner[0] : corner[0] + 36, corner[1] : corner[1] + 50] = 255
    for purpose in Purpose:
        record = example(1, 96, 200) | {"agnostic_mask": mask, "worn_garment_mask": mask}
        x0, y0, x1, y1 = model.prepare(purpose).visible(viewed(model, record))
        assert 0 <= x0 < x1 <= 200 and 0 <= y0 < y1 <= 96
        assert np.count_nonzero(mask[y0:y1, x0:x1]) == 36 * 50


def test_prepare_travels_alone_and_repeats_itself(model: Any) -> None:
    prepare = model.prepare(Purpose.TRAINING)
    pickled = pickle.dumps(prepare)
    assert len(pickled) < 100_000, "no networks inside"
    reads = model.config.reads("tryon")
    columns = (*reads.needed, *reads.optional)
    given = viewed(model, {name: value for name, value in example(1).items() if name in columns})
    first, second = (call(given, torch.Generator().manual_seed(3)) for call in (prepare, pickle.loads(pickled)))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    pictures = [value for value in first.values() if value.ndim == 3]
    assert pictures and all(value.dtype == torch.uint8 and value.is_contiguous() for value in pictures)


@pytest.mark.parametrize("name", NAMES)
def test_loss_reaches_what_is_trained_and_nothing_else(name: str) -> None:
    model = awake(tiny(name))
    loss = model.loss(prepared(model, 1, 2, 3, 4), torch.Generator().manual_seed(0))
    assert loss.shape == () and loss.isfinite() and loss > 0
    loss.backward()
    trained = model.trainable()
    assert set(model.unused()) <= set(trained) and len(trained) > len(model.unused())
    for name, parameter in model.parameters().items():
        if name not in trained:
            assert not parameter.requires_grad and parameter.grad is None, name
        else:
            assert (parameter.grad is None or not parameter.grad.any()) == (name in model.unused()), name
            parameter.grad = None


@pytest.mark.parametrize("adapted", [False, True], ids=["weights", "adapters"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_same_when_activations_are_computed_again(name: str, adapted: bool) -> None:
    """Blocks that gradients pass run twice, and read the second time what they read the first."""
    plain, saving = (awake(tiny(name)) for _ in range(2))
    passes = [count_passes(model) for model in (plain, saving)]
    for model, mode in ((plain, "full"), (saving, "medium")):
        if adapted:
            pytest.importorskip("peft")
            lora.add(model, Lora(2, 2.0))
            awake(model)
        memory.apply_memory(model, mode, training=True)
        model.loss(prepared(model, 1, 2), torch.Generator().manual_seed(0)).backward()
    assert len(passes[0]) < len(passes[1])
    for key, parameter in plain.trainable().items():
        gradient = saving.trainable()[key].grad
        assert (parameter.grad is None) == (gradient is None), key
        assert gradient is None or torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-5), key


@pytest.mark.parametrize("name", NAMES)
def test_activations_of_chosen_blocks_alone_are_computed_again(name: str) -> None:
    model = tiny(name)
    memory.checkpoint_gradients(model, ("mid_block", "up_blocks.1"))
    modules = {
        key: module.gradient_checkpointing
        for network in model.networks.values()
        if hasattr(network, "enable_gradient_checkpointing")
        for key, module in network.named_modules()
        if hasattr(module, "gradient_checkpointing")
    }
    assert modules["up_blocks.1"] and not modules["down_blocks.0"]
    assert all(key.startswith(("mid_block", "up_blocks.1")) == on for key, on in modules.items() if key)
    with pytest.raises(UsageError, match=r"--checkpoint-blocks up_blocks.9; allowed are down_blocks.0, .*mid_block"):
        memory.checkpoint_gradients(model, ("up_blocks.9",))


def count_passes(model: Any) -> list[str]:
    """Grows with every pass of the networks' innermost blocks."""
    passes: list[str] = []
    for name, network in model.networks.items():
        if hasattr(network, "mid_block"):
            network.mid_block.resnets[1].register_forward_pre_hook(lambda *_, name=name: passes.append(name))
    return passes


def test_loss_depends_on_its_generator_alone(model: Any) -> None:
    given = prepared(model, 1, 2)
    losses = []
    for seed, unrelated in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(unrelated)
        with torch.no_grad():
            losses.append(float(model.loss(given, torch.Generator().manual_seed(seed))))
    assert losses[0] == losses[1] != losses[2]


def test_same_generator_same_pixels_and_another_garment_others(model: Any) -> None:
    given, other = example(1), example(2)
    garment = {name: other[name] for name in other if "garment" in name or name == "high_frequency_map"}
    records = [viewed(model, one) for one in (given, given, given | garment)]
    seen = [batch(model.prepare(Purpose.TRAINING), [record]) for record in records]
    torch.manual_seed(0)
    first = sample(model, seen[0], 7)
    torch.manual_seed(1)
    assert torch.equal(first, sample(model, seen[1], 7))
    assert not torch.allclose(first, sample(model, seen[2], 7), atol=1e-3)
    assert not torch.allclose(first, sample(model, seen[0], 8), atol=1e-3)
    assert first.dtype == torch.float32 and first.shape[:2] == (1, 3) and 0 <= first.min() <= first.max() <= 1


def test_a_batch_equals_singles(model: Any) -> None:
    seeds = (5, 6, 7)
    together = sample(model, prepared(model, *seeds, purpose=Purpose.RECORDS), *seeds)
    for place, seed in enumerate(seeds):
        alone = sample(model, prepared(model, seed, purpose=Purpose.RECORDS), seed)
        assert torch.allclose(together[place : place + 1], alone, atol=1e-3)


def test_saved_files_bring_everything_back(model: Any, tmp_path: Path) -> None:
    changed, plain = tiny(model.name), tiny(model.name)
    with torch.no_grad():
        for parameter in changed.trainable().values():
            parameter.add_(0.01)
    changed.save(tmp_path / "own", {"steps": 1})
    plain.load(tmp_path / "own")
    assert digests.of_networks(plain.networks) == digests.of_networks(changed.networks)
    plain.save(tmp_path / "again", {"steps": 1})
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    changed.save_official(tmp_path / "official")
    fresh = tiny(model.name)
    fresh.load_official(tmp_path / "official")
    assert digests.of_networks(fresh.networks) == digests.of_networks(changed.networks)
    changed.save_base(tmp_path / "base")
    fresh = tiny(model.name)
    fresh.load_base(tmp_path / "base")
    assert digests.of_networks(fresh.networks) == fresh.base["digest"] == digests.of_networks(changed.networks)
