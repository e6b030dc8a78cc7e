"""The files of a run that go to the hub: what sampling needs of it, and the card."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from schemas.cli.flags import UsageError
from schemas.hub import uploading
from schemas.hub.uploading import Upload
from vton_models.training.run_folder import Run

README = "README.md"
_NETWORKS = (".safetensors", ".json", ".txt")


def of_run(run: Run, card: str) -> list[Upload]:
    """Weights first, and last config.json, which tells that all are there. Raises UsageError for an unfinished run."""
    if not list(run.model.glob("*.safetensors")):
        raise UsageError(f"{run.path} has no final weights in model/; allowed is a run that has ended")
    files = [*_below(run, run.model), *_below(run, run.base)]
    files += [run.beneath] if run.beneath.is_file() else []
    return [
        *(_upload(run, path) for path in files),
        uploading.of_bytes(README, card.encode()),
        uploading.of_bytes(run.config.name, run.config.read_bytes()),
    ]


def _below(run: Run, folder: Path) -> Iterator[Path]:
    """What runs write there; nothing that a link leads to."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not path.is_symlink() and path.suffix in _NETWORKS:
            yield path


def _upload(run: Run, path: Path) -> Upload:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    def itself() -> AbstractContextManager[Path]:
        return nullcontext(path)

    return Upload(path.relative_to(run.path).as_posix(), path.stat().st_size, digest, itself)


def is_owned(name: str) -> bool:
    """Whether no other file of such a name may lie in the repository: loading would take it for the run's."""
    return name == "beneath.safetensors" or name.startswith(("model/", "base/"))
