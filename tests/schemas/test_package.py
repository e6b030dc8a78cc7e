"""The version that manifests tell, installed or not."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from schemas import package

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def absent(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_a_plain_copy_of_the_checkout_tells_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", absent)
    assert package.version() == tomllib.loads(PROJECT.read_text())["project"]["version"]


def test_without_anything_that_tells_it_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setattr(package, "_PROJECT", tmp_path / "pyproject.toml")
    assert package.described() == {"name": "vton-pipelines", "version": "unknown"}


def test_a_library_without_metadata_is_unknown() -> None:
    versions = package.versions(["numpy", "no-such-library"])
    assert versions == {"numpy": metadata.version("numpy"), "no-such-library": "unknown"}
