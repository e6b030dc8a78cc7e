"""Shards of finished shards, as `annotate` and `select` make them."""

from typing import Any

from pipelines.building import rewrite
from pipelines.building.rewrite import Rewrite


def restore(configuration: dict[str, Any]) -> Rewrite:
    return rewrite.from_json(configuration)


def types(configured: Rewrite) -> dict[str, str]:
    return dict(configured.columns)


def told(run: dict[str, Any]) -> dict[str, Any]:
    """What the manifest of the shards that were read says of their build."""
    return {"source_build": run["source_build"]}
