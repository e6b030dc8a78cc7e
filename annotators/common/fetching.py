"""Downloads of weights: resumed where they stopped, checked, and under their name only when whole."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from annotators.common import downloading, hub
from annotators.common.weights import (
    FetchError,
    Folder,
    Source,
    Weights,
    candidates,
    digest,
    file_digest,
    find,
    keep_digest,
    search_path,
    single_files_home,
    usable,
)
from schemas.cli.flags import UsageError
from schemas.folders import copies


def fetch(name: str, target_dir: Folder = "", say: Callable[[str], None] | None = None) -> Path:
    """Downloads what is missing and returns where it lies, as `weights.locate` would.

    Without `target_dir`: `$VTON_WEIGHTS`, else the Hugging Face cache. An interrupted download goes on where it
    stopped; a file appears under its name only when it is whole and its digest, where one is known, agrees. `say`
    gets a line before the first download, with the licence (default: standard error). Raises FetchError.
    """
    home = target_dir or os.environ.get("VTON_WEIGHTS")
    if home and copies.is_far(home):
        raise UsageError(f"weights are downloaded to this machine, not to {home}; allowed is --weights DIR")
    return download(find(name), Path(home).expanduser() if home else None, say or _say)


def download(entry: Weights, home: Path | None, say: Callable[[str], None]) -> Path:
    """Into `home`, or into the Hugging Face cache. Tries the sources in order."""
    for place in [home] if home else [place for place in search_path() if isinstance(place, Path)]:
        for candidate in candidates(entry, place):
            if usable(entry, candidate):
                _check_present(entry, candidate)
                say(f"{entry.name}: already there, {candidate}")
                return candidate
    if hub.offline():
        raise FetchError(f"{entry.name} can't be downloaded: HF_HUB_OFFLINE is set")
    size = f", about {entry.megabytes} MB" if entry.megabytes else ""
    say(
        f"{entry.name} from {entry.sources[0]}{size}; licence: {entry.licence or 'see the terms'}; terms: {entry.terms}"
    )
    failures = []
    for source in entry.sources:
        try:
            return _from_url(entry, source, home) if source.url else _from_hub(entry, source, home)
        except FetchError as error:
            failures.append(str(error))
            if source is not entry.sources[-1]:
                say(f"{error}; trying {entry.sources[len(failures)]}")
    raise FetchError("; ".join(failures))


def _check_present(entry: Weights, path: Path) -> None:
    """Raises FetchError for a file that isn't what was downloaded, or not what its publisher's has."""
    if not path.is_file():
        return
    try:
        present = digest(path)
    except UsageError as error:
        raise FetchError(str(error)) from None
    if entry.sha256 and path.name == str(entry.sources[0]).rsplit("/", 1)[-1] and present != entry.sha256:
        raise FetchError(
            f"{path} is there, but its sha256 is {present}, not {entry.sha256}; remove it to download it again"
        )


def _from_hub(entry: Weights, source: Source, home: Path | None) -> Path:
    """A file of a hub repository into `home` by its name, a whole repository as `home/org/name`."""
    partial = home / ".partial" / source.repo.replace("/", "--") if home else None
    with hub.translated(source.repo, source.file):
        paths, digests = _hub_files(source, partial)
    for file, path in paths.items():
        _check_digest(path, (entry.sha256 if source.file else None) or digests[file], f"{source.repo}/{file}")
    if home is None or partial is None:
        return paths[source.file] if source.file else next(iter(paths.values())).parent
    place = home / Path(source.file).name if source.file else home / source.repo
    for file in sorted(paths, key=lambda file: file == "config.json"):  # last, since it marks a whole folder
        final = place if source.file else place / file
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(paths[file], final)
    shutil.rmtree(partial, ignore_errors=True)
    with contextlib.suppress(OSError):  # another download may be under way there
        partial.parent.rmdir()
    return place


def _hub_files(source: Source, partial: Path | None) -> tuple[dict[str, Path], dict[str, str | None]]:
    """What was downloaded, and the sha256 that the hub states, by name in the repository."""
    from huggingface_hub import HfApi, hf_hub_download

    endpoint = hub.endpoint()
    info = HfApi(endpoint=endpoint).model_info(source.repo, files_metadata=True)
    stated = {item.rfilename: item.lfs.sha256 if item.lfs else None for item in info.siblings or ()}
    needed = [source.file] if source.file else _needed_files(list(stated))
    paths = {
        file: Path(hf_hub_download(source.repo, file, revision=info.sha, local_dir=partial, endpoint=endpoint))
        for file in needed
    }
    return paths, {file: stated.get(file) for file in needed}


def _needed_files(files: list[str]) -> list[str]:
    """Configuration, tokenizer and one format of weights; other frameworks' files and training states stay."""
    top = [file for file in files if "/" not in file and not file.startswith(".")]
    if "config.json" not in top:
        raise FetchError("the repository has no config.json: not a transformers model")
    weights = [file for file in top if file.endswith(".safetensors")]
    if not weights:
        weights = [file for file in top if file.startswith("pytorch_model") and file.endswith(".bin")]
    texts = [file for file in top if file.endswith((".json", ".txt", ".model", ".jinja"))]
    return sorted(
        weights
        + [
            file
            for file in texts
            if not (file.startswith("pytorch_model") and not weights[0].startswith("pytorch_model"))
        ]
    )


def _from_url(entry: Weights, source: Source, home: Path | None) -> Path:
    """A plain address into `home`, by its name, through `.<name>.part`; a digest that is stated nowhere is kept."""
    from filelock import FileLock

    folder = home or single_files_home()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.url.rsplit("/", 1)[-1]
    partial = target.with_name(f".{target.name}.part")
    lock = target.with_name(f".{target.name}.lock")
    try:
        with FileLock(lock):
            if not target.is_file():  # else another process was faster
                downloading.download(source.url, partial, entry.terms, entry.size)
                _check_digest(partial, entry.sha256, source.url)
                if entry.sha256 is None:
                    keep_digest(target, file_digest(partial))
                os.replace(partial, target)
                downloading.forget(partial)
    finally:
        lock.unlink(missing_ok=True)
    return target


def _check_digest(path: Path, expected: str | None, where: str) -> None:
    """Raises FetchError, having removed the file, when its digest isn't the expected one; None is not checked."""
    if expected and (digest := file_digest(path)) != expected:
        path.resolve().unlink()  # in the hub's cache the path is a link to the bytes
        path.unlink(missing_ok=True)
        raise FetchError(f"{where}: sha256 is {digest}, not {expected}; the file was removed")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
