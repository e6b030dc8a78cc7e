"""Which version of this project writes a file."""

from collections.abc import Iterable
from importlib import metadata

NAME = "vton-pipelines"


def version() -> str:
    return metadata.version(NAME)


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Of the libraries that what is written may depend on."""
    return {name: metadata.version(name) for name in distributions}


def described() -> dict[str, str]:
    """For manifests and configurations."""
    return {"name": NAME, "version": version()}
