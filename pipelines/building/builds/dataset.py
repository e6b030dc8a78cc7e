"""Shards of a dataset's files, as every `build_*` command makes them."""

from typing import Any

from pipelines.building import configuration as configurations
from pipelines.building.configuration import Configuration
from pipelines.building.unit import shard_schema


def restore(configuration: dict[str, Any]) -> Configuration:
    return configurations.from_json(configuration)


def types(configured: Configuration) -> dict[str, str]:
    return {field.name: str(field.type) for field in shard_schema(configured)}


def told(run: dict[str, Any]) -> dict[str, Any]:
    """Nothing but what all builds tell."""
    return {}
