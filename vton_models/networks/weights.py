"""Weights on disk: safetensors written atomically, and base networks in diffusers' layout."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from annotators.common import pickles
from annotators.networks import transformers_models
from schemas.cli.flags import UsageError, one_line
from schemas.folders import atomic
from vton_models.networks import component_names, inert_pickles

ALIGNMENT = 64  # bytes, of what torch allocates on a CPU
Built = TypeVar("Built")
PathLike = str | os.PathLike[str]

_BESIDE = {  # what whole repositories hold in the same file as a network of this class, by the keys' beginnings
    "CLIPVisionModelWithProjection": ("text_model.", "text_projection.", "logit_scale"),
}


def read(path: PathLike) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a .bin, .pt or .ckpt one, of which nothing but tensors is unpickled.

    Raises ValueError for a damaged file and UsageError for one that isn't there.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file of weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        pickles.check(path)
        loaded = _load(path)
    except Exception as error:  # safetensors, pickle and zip each have their own
        raise ValueError(f"{path}: can't be read as weights: {one_line(error)}") from error
    return _flat(loaded.get("state_dict", loaded.get("module", loaded)))  # Lightning's, and DeepSpeed's


def _flat(loaded: Mapping[str, Any]) -> dict[str, Tensor]:
    """{"a": {"b": tensor}} → {"a.b": tensor}, as safetensors name what a pickle nests."""
    flat: dict[str, Tensor] = {}
    for name, value in loaded.items():
        if isinstance(value, Tensor):
            flat[name] = value
        elif isinstance(value, Mapping):
            flat |= {f"{name}.{key}": tensor for key, tensor in _flat(value).items()}
    return flat


def _load(path: Path) -> Any:
    """What a pickle of torch's holds; of a zip file, tensors are read from the disk only when they are used.

    A trainer's checkpoint may name more than tensors beside its `state_dict`; of that nothing is built.
    """
    mmap = zipfile.is_zipfile(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError:
        loaded = torch.load(path, "cpu", inert_pickles, weights_only=False, mmap=mmap)
        if not isinstance(loaded, dict) or not isinstance(loaded.get("state_dict"), dict):
            raise
        return loaded


def metadata(path: PathLike) -> dict[str, str]:
    """The strings in a safetensors file's header."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def write(path: PathLike, tensors: Mapping[str, Tensor], notes: Mapping[str, str] | None = None) -> None:
    """Safetensors with metadata {"format": "pt"} and `notes`; the same tensors give the same bytes."""
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.new_path(path) as temporary:
        save_file(plain, temporary, metadata={"format": "pt"} | dict(notes or {}))
        if notes:
            _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Puts the strings in a safetensors file's header in order: the library writes several in an order of chance."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(ordered) <= length, "the same strings, in as many bytes"
        file.seek(8)
        file.write(ordered.ljust(length))


def write_module(path: PathLike, tensors: Mapping[str, Tensor]) -> None:
    """A .pt file {"module": tensors} as DeepSpeed has it, or safetensors by the path's ending; same bytes for same."""
    path = Path(path)
    if path.suffix == ".safetensors":
        return write(path, tensors)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.new_path(path) as temporary, open(temporary, "wb") as file:
        torch.save({"module": plain}, file)  # by a file, as a path's name would stand in the bytes
    return None


def read_json(path: PathLike) -> dict[str, Any]:
    """Raises UsageError when the file is absent or holds no JSON object."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: can't be read as JSON: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no JSON object")
    return value


def assign(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: object) -> None:
    """Copies tensors into parameters of the same names and shapes, in the parameters' dtype.

    Raises ValueError, before anything changes, as `check` does.
    """
    check(targets, tensors, source)
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])


def check(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: object) -> None:
    """Raises ValueError when a name is missing or unexpected or a shape differs."""
    missing, unexpected = sorted(set(targets) - set(tensors)), sorted(set(tensors) - set(targets))
    if missing or unexpected:
        example = f"missing {missing[0]!r}" if missing else f"unexpected {unexpected[0]!r}"
        raise ValueError(f"{source}: {len(missing)} keys missing, {len(unexpected)} unexpected, as {example}")
    for name, target in targets.items():
        if target.shape != tensors[name].shape:
            shape, allowed = list(tensors[name].shape), list(target.shape)
            raise ValueError(f"{source}: {name} is {shape}; allowed is {allowed}")


def random(cls: Any, arguments: Mapping[str, Any]) -> Any:
    """A network of diffusers, transformers or torch with random weights, in eval mode: on a CPU the same every time.

    Under `torch.device("meta")` it has shapes only, until a base is loaded.
    """
    state = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(0)
        return _build(cls, dict(arguments)).eval()
    finally:
        torch.set_rng_state(state)


def _build(cls: Any, arguments: dict[str, Any]) -> Any:
    """diffusers' classes are built from a plain mapping, transformers' from a configuration of theirs."""
    if is_diffusers(cls):
        return cls.from_config(arguments)
    return cls(cls.config_class(**arguments)) if hasattr(cls, "config_class") else cls(**arguments)


def is_diffusers(cls: Any) -> bool:
    """Whether a class of networks is diffusers'."""
    return hasattr(cls, "from_config")


def component_files(folder: PathLike) -> list[Path]:
    """The files that `component` reads weights from: plain before fp16, .safetensors before .bin; a file is itself."""
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    return [folder / name for name in component_names.weights(path.name for path in folder.iterdir())]


@dataclass(frozen=True)
class Published:
    """How a stock network lies in files that hold more than it: `changes` of its config, and the keys to leave out."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    is_extra: Callable[[str], bool] = lambda key: key.endswith("position_ids")


def component(
    cls: Any, folder: PathLike, dtype: torch.dtype = torch.float32, published: Published | None = None
) -> Any:
    """A network from its folder in diffusers' or transformers' layout: config.json and .safetensors or .bin.

    It is read into `dtype` file by file. Nothing is looked up on a hub. Raises UsageError for a folder that isn't one,
    and for missing or left-over keys.
    """
    folder, published = Path(folder), published or Published()
    config = component_config(folder)
    if not hasattr(cls, "from_pretrained"):
        return _plain_component(cls, config, folder).to(dtype)
    files = component_files(folder)
    for path in files:
        _check_pickle(path)
    variant = component_names.variant(files[0].name) if files else ""
    options = {"torch_dtype" if is_diffusers(cls) else "dtype": dtype} | ({"variant": variant} if variant else {})
    try:
        with transformers_models.quiet():
            network, info = cls.from_pretrained(
                str(folder), local_files_only=True, output_loading_info=True, **options, **published.changes
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{folder}: can't be loaded as {cls.__name__}: {one_line(error)}") from error
    beside = _BESIDE.get(cls.__name__, ())
    for kind in ("missing_keys", "unexpected_keys"):
        left = sorted(key for key in info.get(kind, ()) if not key.startswith(beside) and not published.is_extra(key))
        if left:
            raise UsageError(f"{folder}: {len(left)} {kind.replace('_', ' ')}, as {left[0]!r}")
    _align(network)
    return network.eval()


def _align(network: nn.Module) -> None:
    """Moves values that lie where a file's header left them to where torch puts its own.

    On a CPU the last bits of a product depend on it: a run that goes on would leave the path of an unbroken one.
    """
    for values in chain(network.parameters(), network.buffers()):
        if values.device.type == "cpu" and values.data_ptr() % ALIGNMENT:
            values.data = values.data.clone()


def component_config(folder: PathLike) -> dict[str, Any]:
    """config.json of a network's folder; a file has none. Raises UsageError for a folder that isn't one."""
    if Path(folder).is_file():
        return {}
    if not (Path(folder) / "config.json").is_file():
        raise UsageError(f"{folder} holds no config.json: not a network in diffusers' layout")
    return read_json(Path(folder) / "config.json")


def _check_pickle(path: Path) -> None:
    try:
        pickles.check(path)
    except pickles.Hostile as error:
        raise UsageError(f"{path.parent}: {error}") from None


def check_arguments(arguments: Mapping[str, Any], stored: Mapping[str, Any], folder: Path) -> None:
    """Raises UsageError naming the first argument in which a stored network differs from the one that is expected."""
    for name, value in arguments.items():
        if name in stored and tuples(stored[name]) != tuples(value):
            raise UsageError(f"{folder} has {name} {stored[name]}; allowed is {value}")


def _plain_component(cls: Any, config: Mapping[str, Any], folder: Path) -> Any:
    """A network of torch's own kind, as `save_folder` writes it: its arguments, and its tensors."""
    try:
        network = random(cls, config)
        assign(network.state_dict(), read(folder / "model.safetensors"), folder)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{folder}: can't be loaded as {cls.__name__}: {one_line(error)}") from error
    return network


def arguments(network: Any) -> dict[str, Any]:
    """What a diffusers or transformers network was built with, without the library's own notes."""
    config = network.config
    values = config.to_diff_dict() if hasattr(config, "to_diff_dict") else dict(config)
    notes = ("architectures", "dtype", "torch_dtype", "transformers_version", "model_type")
    return {name: tuples(value) for name, value in values.items() if not name.startswith("_") and name not in notes}


class Saveable(Protocol):
    """What writes itself into a folder of its own, as networks and tokenizers of the libraries do."""

    def save_pretrained(self, folder: Path) -> object: ...


@dataclass(frozen=True)
class _Plain:
    """A network of torch's own kind, to be written as `component` reads it."""

    network: nn.Module
    arguments: Mapping[str, Any]

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / "config.json", dict(self.arguments))
        write(folder / "model.safetensors", self.network.state_dict())


def saveable(network: Any, arguments: Mapping[str, Any]) -> Saveable:
    """The network itself where its library can write it; `arguments` are noted beside a plain one."""
    return network if hasattr(network, "save_pretrained") else _Plain(network, arguments)


def save_folder(networks: Mapping[str, Saveable], path: PathLike) -> None:
    """Networks as sub-folders of `path` in diffusers' layout; the folder appears whole."""
    with transformers_models.quiet(), atomic.new_folder(Path(path)) as folder:
        for name, network in networks.items():
            network.save_pretrained(folder / name)


def config_to_json(config: Any) -> dict[str, Any]:
    """The fields of a Config as JSON values; infinity becomes "inf"."""
    return {item.name: _to_json(getattr(config, item.name)) for item in fields(config)}


def config_from_json(cls: type[Built], values: Mapping[str, Any]) -> Built:
    """The Config that `config_to_json` described; absent fields take their defaults. Raises ValueError for others."""
    assert is_dataclass(cls)
    known = {item.name for item in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return cls(**{name: float("inf") if value == "inf" else tuples(value) for name, value in values.items()})


def tuples(value: Any) -> Any:
    """Lists inside as tuples, mappings as dicts, so that a configuration equals itself read back from JSON."""
    if isinstance(value, Mapping):
        return {name: tuples(item) for name, item in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, (list, tuple)) else value


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return "inf" if value == float("inf") else value
