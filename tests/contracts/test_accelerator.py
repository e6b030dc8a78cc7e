"""What every system does on an accelerator, seen without one.

On torch's "meta" device tensors have shapes and no values: whatever would make the host wait for a value fails there,
and what is sent to the device can be counted.
"""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.captures import FakeCapture  # noqa: E402
from support.model_records import awake, batch, example, viewed  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import vton_models  # noqa: E402
from vton_models.networks import compiling, memory  # noqa: E402
from vton_models.networks.graphs import Graphs  # noqa: E402
from vton_models.system import Purpose  # noqa: E402

NAMES = vton_models.names()
STEPS = 3  # so that schedulers of second order show all that they do


class Sent(TorchDispatchMode):
    """Notes what goes from the CPU to another device, and whether the host waits until it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[int, ...]] = []
        self.unawaited: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and args[0].device.type == "cpu" != result.device.type:
            (self.unawaited if (kwargs or {}).get("non_blocking") else self.waiting).append(tuple(result.shape))
        return result


def tiny(name: str, **changes: Any) -> Any:
    module = vton_models.load(name)
    return module.build(module.Config.tiny(**changes))


def prepared(model: Any, *seeds: int, purpose: Purpose = Purpose.RECORDS) -> dict[str, Any]:
    return batch(model.prepare(purpose), [viewed(model, example(seed)) for seed in seeds])


def settings(model: Any) -> list[Any]:
    """The default way to sample, and others that draw or compare in each step."""
    sampling = model.config.sampling
    known = set(sampling.__dataclass_fields__)
    others = [{"eta": 1.0}, {"garment_timestep": 0}, {"guidance": "single"}, {"guidance": "independent"}]
    chosen = [{}, *(other for other in others if set(other) <= known)]
    return [sampling(num_inference_steps=STEPS, **one) for one in chosen]


@pytest.mark.parametrize("name", NAMES)
def test_no_step_waits_for_the_device(name: str) -> None:
    """A value read, or an upload that is waited for, holds the host until all work before it is done."""
    model = tiny(name)
    seen = prepared(model, 1, 2)
    model.to("meta")
    for chosen in settings(model):
        sent, counts = Sent(), []
        with sent:
            pictures = model.sample(
                seen,
                chosen,
                [torch.Generator().manual_seed(seed) for seed in (1, 2)],
                on_step=lambda index, _, sent=sent, counts=counts: counts.append(len(sent.waiting)),
            )
        assert pictures.device.type == "meta" and len(counts) >= STEPS
        assert len(set(counts)) == 1, (chosen, sent.waiting[counts[0] :])
        if getattr(chosen, "eta", 0):
            assert len(sent.unawaited) >= STEPS, "the noise of the steps is drawn on the CPU, whatever the device"


@pytest.mark.parametrize("name", NAMES)
def test_a_training_step_waits_for_nothing(name: str) -> None:
    """But for the draws of one number per record, which come from the device's own generator where it has one."""
    model = tiny(name)
    seen = {key: value.to("meta") for key, value in prepared(model, 1, 2, purpose=Purpose.TRAINING).items()}
    model.to("meta")
    model.loss(seen, torch.Generator().manual_seed(0))  # constants are sent once
    with Sent() as sent:
        loss = model.loss(seen, torch.Generator().manual_seed(0))
        loss.backward()
    assert loss.device.type == "meta"
    assert [shape for shape in sent.waiting if shape != (2,)] == []


def pictures(model: Any, seen: dict[str, Any], *seeds: int) -> Any:
    chosen = model.config.sampling(num_inference_steps=2)
    return model.sample(seen, chosen, [torch.Generator().manual_seed(seed) for seed in seeds])


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_the_same_by_graphs(name: str) -> None:
    """A graph of the denoiser for each kind of branch, and one of the garment network, hold for steps and pictures."""
    model = tiny(name)
    batches = [(prepared(model, seed, seed + 1), seed) for seed in (1, 5)]
    plain = [pictures(model, seen, seed, seed + 1) for seen, seed in batches]
    model.graphs = Graphs(capture := FakeCapture())
    for (seen, seed), picture in zip(batches, plain, strict=True):
        assert torch.allclose(pictures(model, seen, seed, seed + 1), picture, atol=1e-5)
    kinds = 1 + ("garment_unet" in model.networks) + (name == "imagdressing")  # which has no garment in one branch
    assert capture.count == kinds
    replays = [event for event in capture.events if "replay" in event]
    assert replays.count("replay 0") >= 2 and len(set(replays)) == kinds
    pictures(model, prepared(model, 1), 1)
    assert capture.count > kinds, "another number of pictures is another shape"


@pytest.mark.parametrize("name", NAMES)
def test_graphs_go_with_the_weights(name: str) -> None:
    """Of a model that offloads, to a device without values, they last as long as the denoiser is there."""
    model = tiny(name)
    seen = prepared(model, 1)
    model.device, model.offload = torch.device("meta"), True
    model.graphs = Graphs(capture := FakeCapture())
    pictures(model, seen, 1)
    assert all(one.device.type == "cpu" for one in model.parameters().values())
    first, events = capture.count, len(capture.events)
    pictures(model, seen, 1)
    assert capture.count == 2 * first > 0
    assert not {f"replay {number}" for number in range(first)} & set(capture.events[events:])


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_compiled_networks_draw_the_same(name: str) -> None:
    """What is traced, without the code that would be written for it."""
    model = tiny(name)
    seen, names = prepared(model, 1, 2), set(model.parameters())
    plain = pictures(model, seen, 1, 2)
    compiling.compile_networks(model, "cpu", "eager")
    assert torch.allclose(pictures(model, seen, 1, 2), plain, atol=1e-4)
    assert set(model.parameters()) == names and "unet" in compiling.names(model)
    assert compiling.told().startswith("compiling took ")


@pytest.mark.parametrize("name", NAMES)
def test_frozen_layers_are_rounded_once_as_autocast_would_each_step(name: str) -> None:
    """The same loss and the same gradients, to the bit."""
    plain, rounded = (awake(tiny(name)) for _ in range(2))
    memory.choose_dtypes(rounded, memory.Use(training=True, mixed_precision="bf16"))
    rounded.to("cpu")
    assert all(one.dtype == torch.float32 for one in rounded.trainable().values())
    seen, losses = prepared(plain, 1, 2, purpose=Purpose.TRAINING), []
    for model in (plain, rounded):
        with torch.autocast("cpu", torch.bfloat16):
            losses.append(model.loss(seen, torch.Generator().manual_seed(0)))
        losses[-1].backward()
    assert torch.equal(*losses)
    for key, parameter in plain.trainable().items():
        gradient = rounded.trainable()[key].grad
        assert parameter.grad is gradient is None or torch.equal(parameter.grad, gradient), key
    halved = [key for key, one in rounded.parameters().items() if one.dtype == torch.bfloat16]
    assert bool(halved) == (name in ("catvton", "anydoor"))
    assert all(key.partition(".")[0] in memory.trained_networks(rounded) for key in halved)
