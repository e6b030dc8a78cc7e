"""Which version of this project writes a file."""

import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

NAME = "vton-pipelines"
UNKNOWN = "unknown"
_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def version() -> str:
    """The installed version; of a copy of the checkout that was never installed, what its pyproject.toml says."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        pass
    try:
        return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Of the libraries that what is written may depend on; `UNKNOWN` for one that left no metadata."""
    return {name: _version_of(name) for name in distributions}


def described() -> dict[str, str]:
    """For manifests and configurations."""
    return {"name": NAME, "version": version()}


def _version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return UNKNOWN
