"""Which version of this project writes a file."""

from importlib import metadata

NAME = "vton-pipelines"


def version() -> str:
    return metadata.version(NAME)


def described() -> dict[str, str]:
    """For manifests and configurations."""
    return {"name": NAME, "version": version()}
