"""Networks from the Hugging Face hub: what is needed of a repository, through huggingface_hub's own cache."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from annotators.common import hub as hubs
from annotators.common.weights import FetchError
from schemas.cli.flags import UsageError
from vton_models.networks import component_names

_ID = re.compile(r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_TEXTS = (".json", ".txt", ".model")
_SCHEME = "hf://"
# Of a run, as `push` sends it.
_RUN = ("config.json", "beneath.safetensors", "model/*.safetensors", "model/*.json", "base/**")


@dataclass(frozen=True)
class Needed:
    """A network by the folders in which it may lie, best first ("": the repository itself), and its tokenizer's."""

    folders: tuple[str, ...]
    tokenizer: str = ""
    optional: bool = False


def plain(place: str) -> str:
    """hf://owner/name[@revision] as owner/name[@revision]; everything else as it is."""
    id = place.removeprefix(_SCHEME).rstrip("/")
    return id if place.startswith(_SCHEME) and _ID.fullmatch(id) else place


def is_id(place: str) -> bool:
    """Whether this is written as a repository is, and nothing of the name is on this machine."""
    return bool(_ID.fullmatch(plain(place))) and ".." not in place and not Path(place).exists()


def run(place: str) -> Path:
    """The folder of a run that lies on the hub, in the cache of huggingface_hub; offline, what the cache holds.

    Raises UsageError for a repository that can't be had, or is none of a run.
    """
    repository, revision = _parsed(plain(place))
    missing = f"{place} isn't in the cache of the hub, and HF_HUB_OFFLINE is set; allowed is to fetch it online once"
    if hubs.offline():
        folder = _cached(repository, revision, missing)
    else:
        try:
            with hubs.translated(repository):
                folder = _run_downloaded(repository, revision)
        except hubs.Unreachable as error:
            folder = _cached(repository, revision, f"{place} can't be had: {error}; nor is it in the cache")
        except FetchError as error:
            raise UsageError(str(error)) from None
    if not (folder / "config.json").is_file() or not list(folder.glob("model/*.safetensors")):
        raise UsageError(f"{place} is no run (no config.json and model/); a base is written base:{plain(place)}")
    return folder


def _run_downloaded(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    endpoint = hubs.endpoint()
    return Path(snapshot_download(repository, revision=revision, endpoint=endpoint, allow_patterns=list(_RUN)))


def check(place: str) -> None:
    """Raises UsageError unless it is a hub id and, offline, in the cache."""
    repository, revision = _parsed(place)
    if hubs.offline():
        _cached(repository, revision, f"{place} isn't in the cache of the hub, and HF_HUB_OFFLINE is set")


def snapshot(place: str, needed: Sequence[Needed]) -> tuple[Path, str]:
    """The folder of a repository's revision, with what is needed, and the id with its revision.

    Offline, or where the hub can't be reached, what the cache holds. Raises UsageError.
    """
    repository, revision = _parsed(place)
    if not hubs.offline():
        try:
            with hubs.translated(repository):
                return _downloaded(repository, revision, needed)
        except hubs.Unreachable as error:
            folder = _cached(repository, revision, f"{place} can't be had: {error}; nor is it in the cache")
        except FetchError as error:
            raise UsageError(str(error)) from None
    else:
        folder = _cached(repository, revision, f"{place} isn't in the cache of the hub, and HF_HUB_OFFLINE is set")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    _chosen(repository, names, needed)
    return folder, f"{repository}@{folder.name}"


def _parsed(place: str) -> tuple[str, str | None]:
    match = _ID.fullmatch(place)
    if match is None or ".." in place:
        raise UsageError(f"{place} doesn't exist, and is no hub id owner/name[@revision]")
    return match["repository"], match["revision"]


def _downloaded(repository: str, revision: str | None, needed: Sequence[Needed]) -> tuple[Path, str]:
    """The first file decides which commit a branch means; the others are of the same one."""
    from huggingface_hub import HfApi, hf_hub_download

    endpoint = hubs.endpoint()
    info = HfApi(endpoint=endpoint).model_info(repository, revision=revision)
    first, *others = _chosen(repository, {item.rfilename for item in info.siblings or ()}, needed)
    path = Path(hf_hub_download(repository, first, revision=revision, endpoint=endpoint))
    folder = path.parents[len(PurePosixPath(first).parts) - 1]
    for name in others:
        hf_hub_download(repository, name, revision=folder.name, endpoint=endpoint)
    return folder, f"{repository}@{folder.name}"


def _cached(repository: str, revision: str | None, failure: str) -> Path:
    """The snapshot that the cache holds of a revision. Raises UsageError, saying `failure`, where it holds none."""
    from huggingface_hub import constants

    stored = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    named = stored / "refs" / (revision or "main")
    commit = named.read_text().strip() if named.is_file() else revision
    if not commit or not (stored / "snapshots" / commit).is_dir():
        raise UsageError(failure)
    return stored / "snapshots" / commit


def _chosen(repository: str, names: Collection[str], needed: Sequence[Needed]) -> list[str]:
    """Files of the networks that are needed. Raises UsageError naming the first folder that isn't there."""
    chosen: list[str] = []
    for network in needed:
        folder = next((one for one in network.folders if PurePosixPath(one, "config.json").as_posix() in names), None)
        if folder is None and network.optional:
            continue
        if folder is None:
            there = ", ".join(sorted({name.split("/")[0] for name in names if name.endswith("/config.json")}))
            raise UsageError(
                f"{repository} has no {network.folders[0]}/config.json; its networks are {there or 'none'}"
            )
        own = list(_in(folder, names))
        weights = component_names.weights(own)
        if not weights:
            raise UsageError(f"{repository} has no weights of {folder or network.folders[0]} (.safetensors or .bin)")
        texts = ["config.json", *(name for name in own if name.endswith(".index.json"))]
        chosen += [PurePosixPath(folder, name).as_posix() for name in [*texts, *weights]]
        if network.tokenizer:
            chosen += _tokenizer(folder, network.tokenizer, names)
    return list(dict.fromkeys(chosen))


def _tokenizer(folder: str, tokenizer: str, names: Collection[str]) -> Iterator[str]:
    """Its files lie in a folder beside the network's, or with the network that is a whole repository."""
    place = tokenizer if folder or any(name.startswith(f"{tokenizer}/") for name in names) else ""
    return (PurePosixPath(place, name).as_posix() for name in _in(place, names) if name.endswith(_TEXTS))


def _in(folder: str, names: Collection[str]) -> Iterator[str]:
    prefix = f"{folder}/" if folder else ""
    rest = (name.removeprefix(prefix) for name in sorted(names) if name.startswith(prefix))
    return (name for name in rest if "/" not in name)
