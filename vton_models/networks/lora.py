"""LoRA (arXiv:2106.09685) in place of training whole layers: W + α/r · B A, of which only A and B are trained.

Adapters lie on the linear layers of attention that a Config says are trained, by `peft`; their file is diffusers' own
format, keys "NETWORK.LAYER.lora_A.weight". Weights of a run are read fused, so that samplers and published layouts see
the networks that they know.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemas.cli.flags import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn


FILE = "pytorch_lora_weights.safetensors"
_ADAPTER = "default"  # peft's name of the only one, left out of the file
_NOTE = "lora_adapter_metadata"  # where diffusers looks for rank and alpha
_LAYER = re.compile(r"(^|\.)to_[a-z_]+(\.0)?$")  # to_q, to_k, to_v, to_out.0


@dataclass(frozen=True)
class Lora:
    """Raises UsageError for a value that isn't allowed."""

    rank: int
    alpha: float

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UsageError(f"--lora-rank {self.rank}; allowed is 1 or more")
        if not 0 < self.alpha < float("inf"):
            raise UsageError(f"--lora-alpha {self.alpha}; allowed is a number above 0")

    @property
    def scale(self) -> float:
        """α/r."""
        return self.alpha / self.rank


class Adaptable(Protocol):
    """What a model has that adapters are put on, as `vton_models.system.Model` describes it."""

    name: str
    config: Any
    networks: "dict[str, nn.Module]"
    lora: Lora | None

    def train_only(self, names: Iterable[str]) -> None: ...

    def parameters(self) -> "dict[str, nn.Parameter]": ...

    def trainable(self) -> "dict[str, nn.Parameter]": ...

    def unused(self) -> frozenset[str]: ...


def of_note(described: Mapping[str, Any]) -> Lora | None:
    """What config.json of a run or of its model says of adapters."""
    noted = described.get("lora")
    return Lora(**noted) if noted else None


def note(lora: Lora | None) -> dict[str, Any] | None:
    """For config.json, as `of_note` reads it."""
    return asdict(lora) if lora else None


def is_adapter(parameter: str) -> bool:
    """Whether a parameter of this name is one of an adapter's."""
    return ".lora_A." in parameter or ".lora_B." in parameter


def layers(model: Adaptable) -> dict[str, list[str]]:
    """The layers that get adapters, by network: those linear ones of attention that are trained, and not in vain."""
    from torch import nn

    trained = model.trainable().keys() - model.unused()
    named = {
        network: [
            name
            for name, module in modules.named_modules()
            if isinstance(module, nn.Linear) and _LAYER.search(name) and f"{network}.{name}.weight" in trained
        ]
        for network, modules in model.networks.items()
    }
    return {network: names for network, names in named.items() if names}


def check(model: Adaptable, lora: Lora) -> None:
    """Raises UsageError where nothing could be adapted, and for a rank above that of every layer.

    Shapes are enough: the model may lie on the meta device.
    """
    trained = model.trainable()
    chosen = [f"{network}.{name}.weight" for network, names in layers(model).items() for name in names]
    narrow = [min(trained[name].shape) for name in chosen]
    if not narrow:
        raise UsageError(
            f"--lora-rank {lora.rank}: {model.name} trains no linear layers of attention; allowed is to leave it out"
        )
    if lora.rank > max(narrow):
        raise UsageError(f"--lora-rank {lora.rank}; allowed are 1 to {max(narrow)}, the layers' own")


def add(model: Adaptable, lora: Lora) -> None:
    """Puts adapters on a model that has its weights; they alone are trained, and at first change nothing.

    On a CPU they start with the same values every time.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    check(model, lora)
    state = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(0)
        for network, names in layers(model).items():
            config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=names)  # type: ignore[arg-type]
            inject_adapter_in_model(config, model.networks[network], adapter_name=_ADAPTER).eval()
    finally:
        torch.set_rng_state(state)
    model.train_only(filter(is_adapter, model.parameters()))
    model.lora = lora


def tensors(model: Adaptable) -> dict[str, "Tensor"]:
    """The adapters' parameters by their names in files."""
    return {_stored(name): parameter for name, parameter in model.trainable().items()}


def write(path: Path, model: Adaptable) -> None:
    """As `load_lora_weights` of diffusers' pipelines and `load_lora_adapter` of its networks read it."""
    from vton_models.networks import weights

    assert model.lora is not None
    adapters, told = tensors(model), dict[str, Any]()
    for network in dict.fromkeys(name.partition(".")[0] for name in adapters):
        mine = [name.removeprefix(f"{network}.") for name in adapters if name.startswith(f"{network}.")]
        told[f"{network}.r"], told[f"{network}.lora_alpha"] = model.lora.rank, model.lora.alpha
        told[f"{network}.target_modules"] = sorted(set(map(_layer, mine)))
    weights.write(path, adapters, {_NOTE: json.dumps(told, sort_keys=True)})


def lay(model: Adaptable, lora: Lora, stored: Mapping[str, "Tensor"], source: object) -> None:
    """Adds stored adapters to the trained weights of a model without any: W becomes W + α/r · B A.

    Raises ValueError, before anything changes, for a layer that isn't there or frozen, and one half without the other.
    """
    import torch

    halves = {_stored(name): tensor for name, tensor in stored.items()}
    parameters = model.trainable()
    changes: dict[str, Tensor] = {}
    for layer in dict.fromkeys(map(_layer, halves)):
        down, up = (halves.get(f"{layer}.lora_{half}.weight") for half in ("A", "B"))
        weight = parameters.get(f"{layer}.weight")
        if down is None or up is None or weight is None or weight.shape != (len(up), down.shape[1]):
            raise ValueError(f"{source}: adapters of {layer} are not whole, or fit no layer that is trained here")
        changes[f"{layer}.weight"] = lora.scale * (up.float() @ down.float())
    with torch.no_grad():
        for name, change in changes.items():
            parameters[name].add_(change)


def fuse(model: Adaptable) -> None:
    """The adapters become part of the weights; the model is then one without, with what its Config says trained."""
    from vton_models.networks import components

    lora, own = model.lora, {name: tensor.detach() for name, tensor in tensors(model).items()}
    assert lora is not None
    for parent, child, layer in _adapted(model):
        setattr(parent, child, layer.get_base_layer())
    for network in model.networks.values():
        network.__dict__.pop("peft_config", None)
    model.lora = None
    model.train_only(components.trained(model.config.networks, model.parameters()))
    lay(model, lora, own, "the adapters")


@contextmanager
def removed(model: Adaptable) -> Iterator[None]:
    """Within the block the networks are as they were before adapters were added."""
    adapted = list(_adapted(model))
    for parent, child, layer in adapted:
        setattr(parent, child, layer.get_base_layer())
    try:
        yield
    finally:
        for parent, child, layer in adapted:
            setattr(parent, child, layer)


def _adapted(model: Adaptable) -> "list[tuple[nn.Module, str, Any]]":
    """(parent, name in it, layer with an adapter); none without adapters."""
    if model.lora is None:
        return []
    from peft.tuners.lora import LoraLayer

    return [
        (network.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], module)
        for network in model.networks.values()
        for name, module in network.named_modules()
        if isinstance(module, LoraLayer)
    ]


def _stored(name: str) -> str:
    """A parameter's name in files."""
    return name.replace(f".{_ADAPTER}.", ".")


def _layer(name: str) -> str:
    """The adapted layer of a name in files."""
    return name.partition(".lora_")[0]
