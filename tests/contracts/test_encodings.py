"""What every system promises whose frozen networks' results can be stored: training on them is training on pictures."""

import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.encoded import gradients, stored  # noqa: E402
from support.model_records import batch, example  # noqa: E402

import vton_models  # noqa: E402
from vton_models.networks import memory  # noqa: E402
from vton_models.system import EncodingConfig, EncodingModel, EncodingPrepare, Purpose  # noqa: E402

NAMES = [name for name in vton_models.names() if issubclass(vton_models.load(name).Config, EncodingConfig)]
# float16 rounds a number by at most 2⁻¹¹ of itself: the loss moves by no more than that, its gradient by a few times.
LOSS, GRADIENT = 2**-11, 2**-8


def configs() -> Iterator[Any]:
    """Of each system the tiny one, and those of published recipes that store something else."""
    for name in NAMES:
        module, seen = vton_models.load(name), []
        for options in ({}, *(preset.model for preset in module.PRESETS.values())):
            config = module.Config.tiny(**options)
            if config.encodes("tryon") not in seen:
                seen.append(config.encodes("tryon"))
                yield pytest.param((name, config), id=f"{name}-{len(seen)}")


@pytest.fixture(scope="module", params=configs())
def model(request: pytest.FixtureRequest) -> Any:
    name, config = request.param
    return vton_models.load(name).build(config)


def test_declarations(model: Any) -> None:
    reads, encodes = model.config.reads("tryon"), model.config.encodes("tryon")
    assert encodes and isinstance(model, EncodingModel)
    assert isinstance(model.prepare(Purpose.TRAINING), EncodingPrepare)
    assert pickle.loads(pickle.dumps(model.prepare(Purpose.TRAINING).without(frozenset({"x"}))))
    known = {*reads.needed, *reads.optional}
    names = [column for one in encodes.values() for column in one.columns]
    assert len(set(names)) == len(names)
    for network, one in encodes.items():
        assert network in model.networks and network not in memory.trained_networks(model)
        sources = {source for column in one.columns.values() for source in column.sources}
        assert sources <= known and set(one.spared) <= sources
        for column in one.columns:
            picture = re.fullmatch(r"(latents|clip_tokens)_\w+_image|text_embeddings(_\w+)?", column)
            assert picture, f"{column} is called after what it holds, and of which picture"


def test_only_the_settings_that_change_pictures_change_what_is_stored(model: Any) -> None:
    for one in model.config.encodes("tryon").values():
        assert {"height", "width"} >= {*one.settings} or all(hasattr(model.config, name) for name in one.settings)
        assert all(getattr(model.config, name) == value for name, value in one.settings.items())


def test_training_on_what_is_stored_equals_training_on_pictures(model: Any) -> None:
    """As far as records are prepared without chance; the draws are the same."""
    records = [example(seed) for seed in (1, 2, 3)]
    pictures = batch(model.prepare(Purpose.VALIDATION), records)
    encoded = stored(model, records)
    assert {name for name in pictures if name in encoded and encoded[name].dtype == torch.float16}
    for seed in (0, 1):
        (before, slope), (after, other) = (gradients(model, given, seed) for given in (pictures, encoded))
        assert before != after, "it did come from what is stored"
        assert after == pytest.approx(before, rel=LOSS)
        assert (other - slope).norm() <= GRADIENT * slope.norm()


def test_networks_whose_results_are_stored_are_not_run(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """But on an empty text or picture, which is the same for all records."""
    encoded = stored(model, [example(1), example(2)])
    for network in model.config.encodes("tryon"):
        for method in {"forward", "encode"} & {*dir(model.networks[network])}:
            _watch(model.networks[network], method, monkeypatch)
    with torch.no_grad():
        assert model.loss(encoded, torch.Generator().manual_seed(0)).isfinite()


def _watch(network: Any, method: str, patch: pytest.MonkeyPatch) -> None:
    real = getattr(network, method)

    def watched(*arguments: Any, **named: Any) -> Any:
        entering = [one for one in (*arguments, *named.values()) if isinstance(one, torch.Tensor)]
        assert all(bool((one == one[:1]).all()) for one in entering), f"{type(network).__name__} is run"
        return real(*arguments, **named)

    patch.setattr(network, method, watched)


def test_each_network_alone(model: Any) -> None:
    """Columns that another network still reads are read."""
    records = [example(1), example(2)]
    pictures = batch(model.prepare(Purpose.VALIDATION), records)
    for network in model.config.encodes("tryon"):
        encoded = stored(model, records, [network])
        before, after = (
            float(model.loss(given, torch.Generator().manual_seed(0)).detach()) for given in (pictures, encoded)
        )
        assert after == pytest.approx(before, rel=LOSS)
