"""What all models share: their networks, where they lie, what is trained, and their own files.

A folder written by `save` holds the trained parameters as `model.safetensors`, adapters as
`pytorch_lora_weights.safetensors`, and `config.json`: model, Config, the base that the frozen ones come from, and what
the caller adds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from vton_models.networks import bases, components, digests, lora, memory, text, weights
from vton_models.networks.bases import Bases
from vton_models.networks.graphs import Graphs
from vton_models.networks.lora import Lora
from vton_models.system import Prepare, Purpose, Tokenizer


class Model:
    """Holds the networks of a Config's `networks`, all frozen and in eval mode but for what that says is trained."""

    name: str
    sampling_dtype: torch.dtype | None = None  # of systems whose authors sample in 16 bits

    def __init__(self, config: Any) -> None:
        self.config = config
        self.networks: dict[str, Any] = {
            name: weights.random(network.network_class, network.arguments) for name, network in config.networks.items()
        }
        self.device = torch.device("cpu")
        self.sequential_guidance = False  # both are set by `memory.apply_memory`
        self.offload = False
        self.graphs = Graphs()
        self._approximated: dict[str, Tensor] = {}
        self.laid_frozen: set[str] = set()
        self.dtypes: dict[str, torch.dtype] = {}  # of networks that aren't in float32, by `memory.choose_dtypes`
        self.frozen_dtype: torch.dtype | None = None  # of what is frozen beside what is trained, by the same
        self.lora: Lora | None = None  # set by `lora.add`: adapters are trained, nothing else
        self.tokenizers: dict[str, text.OwnTokenizer] = {  # of the base, by the text encoders that read their ids
            name: text.random_tokenizer(network.arguments)
            for name, network in config.networks.items()
            if network.tokenizer
        }
        for name in (name for name, network in config.networks.items() if network.derived):
            self.derive(name)
        self._set_up()
        self.note_base("random")

    def _set_up(self) -> None:
        self.change_networks()
        self.train_only(components.trained(self.config.networks, self.parameters()))

    def derive(self, name: str) -> None:
        """Gives a network that no base holds the values with which training starts, where random ones won't do."""

    def approximate(self, what: str, error: Tensor) -> None:
        """Notes how far a result is from the exact one, as a share, where it was sampled by an approximation.

        The number stays on its device until it is asked for.
        """
        self._approximated[what] = torch.maximum(error, self._approximated.get(what, error))

    @property
    def approximated(self) -> dict[str, float]:
        """What was sampled nearly only, and the largest error seen."""
        return {what: float(error) for what, error in self._approximated.items()}

    def change_networks(self) -> None:
        """What a system does to its networks after they are built or loaded, such as other attention processors."""

    def note_base(
        self, path: str, known: Mapping[str, str] | None = None, places: Mapping[str, str] | None = None
    ) -> None:
        """Remembers where the networks, as they are now, come from, and their digests, where they aren't `known`.

        `path` is the base as it was asked for, `places` that of each network.
        """
        self.digests = dict(known or {name: digests.of_network(network) for name, network in self.networks.items()})
        self.laid: list[Path] = []
        noted = {
            name: {"path": (places or {}).get(name, path), "digest": digest} for name, digest in self.digests.items()
        }
        self.base = {"path": path, "digest": digests.of_model(self.digests), "networks": noted}

    def lay(self, files: Sequence[Path]) -> None:
        """Notes that values read from files now lie over those of the base, in networks that are trained."""
        self.laid += files

    def digest(self) -> str:
        """Of all weights as they were loaded; "" where a network has no values. What was trained since isn't in it."""
        known = dict(self.digests)
        if self.laid and all(known.values()):
            for name in {name.partition(".")[0] for name in self.trainable()}:
                compute = partial(digests.of_network, self.networks[name])
                known[name] = digests.once(self.laid, compute, over=f"{name} {known[name]}")
        return digests.of_model(known)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Of all text encoders together; None for systems that read no captions."""
        return text.together(self.tokenizers.values())

    def prepare(self, purpose: Purpose) -> Prepare:
        """How records become tensors, with the base's own tokenizers."""
        prepare: Prepare = self.config.prepare(purpose, self.tokenizer)
        return prepare

    def train_only(self, names: Iterable[str]) -> None:
        """Freezes everything but the parameters of these names ("unet.conv_in.weight")."""
        trained = set(names)
        for name, parameter in self.parameters().items():
            parameter.requires_grad_(name in trained)

    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by "NETWORK.NAME"."""
        return {
            f"{prefix}.{name}": parameter
            for prefix, network in self.networks.items()
            for name, parameter in network.named_parameters()
        }

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by "NETWORK.NAME"."""
        return {name: parameter for name, parameter in self.parameters().items() if parameter.requires_grad}

    def unused(self) -> frozenset[str]:
        """Names in `trainable` that never receive a gradient; DistributedDataParallel must be told of them."""
        return frozenset()

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> "Model":
        """Moves the networks, unless they are offloaded, and casts them to `dtypes`, or to `dtype` if it is one.

        Those that are trained in part have what is frozen in `frozen_dtype`.
        """
        in_part = memory.trained_networks(self)
        self.device = torch.device(device)
        for name, network in self.networks.items():
            if name in self.dtypes and self.device.type != "cpu":
                network.to(dtype=self.dtypes[name])
            elif dtype is not None:
                network.to(dtype=dtype)
            elif self.frozen_dtype is not None and name in in_part:
                memory.round_frozen(network, self.frozen_dtype)
            if not self.offload:
                network.to(self.device)
            elif self.device.type == "cuda":
                memory.pin(network)
        return self

    def save(self, path: str | Path, extra: Mapping[str, Any] | None = None) -> None:
        """Writes the trained parameters and config.json, to which `extra` adds keys."""
        own: dict[str, Any] = {"model": self.name, "config": weights.config_to_json(self.config), "base": self.base}
        if self.lora is None:
            weights.write(Path(path) / "model.safetensors", self.trainable())
        else:
            own["lora"] = lora.note(self.lora)
            lora.write(Path(path) / lora.FILE, self)
        atomic.write_json(Path(path) / "config.json", own | dict(extra or {}), sort_keys=False)

    def load(self, path: str | Path) -> None:
        """Reads what `save` wrote into the same networks; adapters, where this model has none, become part of weights.

        Raises UsageError when the folder is another model's or belongs to another base, ValueError when keys differ.
        """
        noted = weights.read_json(Path(path) / "config.json")
        if noted.get("model") != self.name:
            raise UsageError(f"{path} holds model {noted.get('model')!r}; allowed is {self.name!r}")
        other = bases.difference(noted.get("base") or {}, self.base)
        if other:
            raise UsageError(f"{path} was trained from {other}")
        adapters = lora.of_note(noted)
        file = Path(path) / (lora.FILE if adapters else "model.safetensors")
        if adapters and not self.lora:
            lora.lay(self, adapters, weights.read(file), file)
        elif adapters == self.lora:
            weights.assign(lora.tensors(self), weights.read(file), file)
        else:
            raise UsageError(f"{path} has adapters {adapters}; allowed here are {self.lora}")
        self.lay([file])

    def load_whole(self, path: str | Path) -> bool:
        """Reads all networks, and their base, from published weights that hold them; False where those hold fewer."""
        return False

    def load_base(self, base: str | Path | Bases) -> None:
        """Networks of any size from folders in diffusers' layout or the hub, with the tokenizers beside them.

        Those of which nothing is trained are read in their dtype. Raises UsageError when one is missing, has keys too
        few or too many, or doesn't fit the system.
        """
        base = base if isinstance(base, Bases) else bases.parse(str(base))
        located = bases.locate(base, self.config.networks)
        own = {item.name for item in fields(self.config)} & located.keys()
        for name, place in located.items():
            stored = weights.component_config(place.folder)
            if name not in own and not self.config.networks[name].derived:
                weights.check_arguments(self.config.networks[name].arguments, stored, place.folder)
            self.check_network(name, stored, place.folder)
        networks, known = {}, {}
        for name, place in located.items():
            network = self.config.networks[name]
            dtype = torch.float32 if network.trained else self.dtypes.get(name, torch.float32)
            networks[name], known[name] = self.read(name, place.folder, dtype)
        config = replace(self.config, **{name: weights.arguments(networks[name]) for name in own})
        config.check_size()
        self.tokenizers = _tokenizers(config.networks, {name: place.folder for name, place in located.items()})
        self.config = config
        self._take(networks, located)
        self._set_up()
        files = [file for place in located.values() for file in weights.component_files(place.folder)]
        for name in self.networks.keys() - known.keys():  # they follow from the base's, and from what torch draws
            arguments = dict(config.networks[name].arguments)
            over = f"{name} {arguments} beside {' '.join(sorted(known.values()))}, torch {torch.__version__}"
            known[name] = digests.once(files, partial(digests.of_network, self.networks[name]), over)
        self.note_base(str(base), known, {name: located[name].place if name in located else "" for name in known})

    def _take(self, networks: Mapping[str, Any], located: Mapping[str, bases.Located]) -> None:
        """The networks of a base, in the order of the Config's; those that it lacks are derived from them."""
        for name, network in self.config.networks.items():
            if network.derived and name in located:  # what the base's other networks ask of it is known only now
                folder = located[name].folder
                weights.check_arguments(network.arguments, weights.component_config(folder), folder)
        self.networks = {
            name: networks[name] if name in networks else weights.random(network.network_class, network.arguments)
            for name, network in self.config.networks.items()
        }
        for name in self.config.networks.keys() - networks.keys():
            self.derive(name)

    def read(self, name: str, folder: Path, dtype: torch.dtype) -> tuple[Any, str]:
        """A network of a base, and its digest; for systems whose published files hold some in another form."""
        network = weights.component(self.config.networks[name].network_class, folder, dtype)
        return network, digests.of_component(folder, network)

    def check_network(self, name: str, arguments: Mapping[str, Any], folder: Path) -> None:
        """Raises UsageError for a network of a base, by its config.json, that the system can't use."""

    def save_base(self, path: str | Path) -> None:
        """Writes all networks in diffusers' layout, as `load_base` reads them, with the tokenizers beside them.

        Adapters aren't part of it.
        """
        folders: dict[str, Any] = {}
        for name, network in self.config.networks.items():
            folders[name] = weights.saveable(self.networks[name], network.arguments)
            if network.tokenizer:
                folders[network.tokenizer] = self.tokenizers[name]
        with lora.removed(self):
            weights.save_folder(folders, path)

    def on_device(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The tensors of a batch on the model's device."""
        return {name: value.to(self.device) for name, value in batch.items() if isinstance(value, Tensor)}


def _tokenizers(
    networks: Mapping[str, components.Network], folders: Mapping[str, Path]
) -> dict[str, text.OwnTokenizer]:
    """Those of a base, which lie beside the networks that read their ids."""
    tokenizers = {}
    for name, network in networks.items():
        folder = bases.tokenizer_folder(folders[name], network) if name in folders else None
        if folder is not None:
            tokenizers[name] = text.load_tokenizer(folder, network.arguments["max_position_embeddings"])
    return tokenizers
