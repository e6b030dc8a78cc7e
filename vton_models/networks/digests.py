"""Digests of weights: sha256 over what tensors hold, kept beside large files, so that each file is hashed once.

A network's digest is that of its values in float32, however they are stored or loaded; a model's follows from those of
its networks. What is kept is found again by the names, sizes and times of the files: a changed file is hashed again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from schemas.folders import atomic
from vton_models.networks import weights
from vton_models.networks.weights import Published

KEPT = ".digests.json"  # beside the files, where that can be written, else in a cache folder
LARGE = 64 << 20  # bytes of files from which on digests are kept; less is hashed in a moment
_NEWEST = 16  # digests kept in one folder


def of_network(network: nn.Module) -> str:
    """sha256 over names, shapes and values of all tensors, in sorted order; "" for a network without values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if tensor.is_meta:
            return ""
        _add(digest, name, tensor)
    return f"sha256:{digest.hexdigest()}"


def of_networks(networks: Mapping[str, nn.Module]) -> str:
    """The digest of a model of these networks, as they are now."""
    return of_model({name: of_network(network) for name, network in networks.items()})


def of_model(digests: Mapping[str, str]) -> str:
    """The digest of networks by their names and digests; "" where one has none."""
    if not all(digests.values()):
        return ""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def of_component(folder: Path, network: nn.Module, published: Published | None = None) -> str:
    """The digest of a network that was loaded from its folder in diffusers' layout, in whichever dtype.

    One that was rounded is hashed from its files, a tensor at a time; where they name tensors otherwise, it is loaded
    once more.
    """
    files = weights.component_files(folder)

    def compute() -> str:
        if all(tensor.dtype == torch.float32 for tensor in network.parameters()):
            return of_network(network)
        return _of_files(files, network) or of_network(weights.component(type(network), folder, published=published))

    return once(files, compute)


def _of_files(files: Sequence[Path], network: nn.Module) -> str:
    """As `of_network` of the network in float32; "" where the files lack one of its names, or aren't safetensors."""
    from safetensors import safe_open

    if not all(path.suffix == ".safetensors" for path in files):
        return ""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(safe_open(path, "pt")) for path in files]
        holder = {name: file for file in opened for name in file.offset_keys()}
        names = network.state_dict().keys()
        if not names <= holder.keys():
            return ""
        digest = hashlib.sha256()
        for name in sorted(names):
            _add(digest, name, holder[name].get_tensor(name))
    return f"sha256:{digest.hexdigest()}"


def once(paths: Sequence[Path], compute: Callable[[], str], over: str = "") -> str:
    """The digest of a network that was read from files, laid over a network of the digest `over`."""
    digest = kept(paths, over)
    if digest is None:
        digest = compute()
        keep(paths, digest, over)
    return digest


def kept(paths: Sequence[Path], over: str = "") -> str | None:
    """What `keep` noted, if the files are still the same."""
    key = _key(paths, over)
    for place in _places(paths):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            digest = json.loads(place.read_bytes()).get(key)
            if isinstance(digest, str):
                return digest
    return None


def keep(paths: Sequence[Path], digest: str, over: str = "") -> None:
    """Notes a digest, if the files are large; where nothing can be written, it is computed again next time."""
    if not digest or sum(path.stat().st_size for path in paths) < LARGE:
        return
    for place in _places(paths):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            old = json.loads(place.read_bytes()) if place.is_file() else {}
            newest = dict(list(old.items())[1 - _NEWEST :])
            atomic.write_json(place, newest | {_key(paths, over): digest}, sort_keys=False)
        except (OSError, ValueError, AttributeError):
            continue
        return


def _add(digest: "hashlib._Hash", name: str, tensor: Tensor) -> None:
    values = tensor.detach().cpu().contiguous()
    values = values.float() if values.is_floating_point() else values
    digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
    digest.update(values.flatten().view(torch.uint8).numpy().data)


def _key(paths: Sequence[Path], over: str) -> str:
    known = [[path.name, (status := path.stat()).st_size, status.st_mtime_ns] for path in paths]
    return json.dumps([over, *known])


def _places(paths: Sequence[Path]) -> tuple[Path, Path]:
    folder = paths[-1].resolve().parent
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(str(folder).encode()).hexdigest()
    return folder / KEPT, caches / "vton-pipelines" / "digests" / f"{name[:32]}.json"
