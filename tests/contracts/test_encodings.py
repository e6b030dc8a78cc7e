"""What every system promises whose frozen networks' results can be stored: training on them is training on pictures."""

import pickle
import re
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


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> Any:
    module = vton_models.load(request.param)
    return module.build(module.Config.tiny())


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
    encoded = stored(model, [example(1), example(2)])
    for network in model.config.encodes("tryon"):
        monkeypatch.setattr(type(model.networks[network]), "forward", _never)
        if hasattr(model.networks[network], "encode"):
            monkeypatch.setattr(model.networks[network], "encode", _never)
    with torch.no_grad():
        assert model.loss(encoded, torch.Generator().manual_seed(0)).isfinite()


def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("it isn't needed")


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
