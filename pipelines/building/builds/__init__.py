"""Kinds of builds, a file each: how `_run.json` names one, how it is restored from there, what its manifest tells."""

import importlib
from typing import Any, Protocol, cast

from pipelines.building.unit import Configured
from schemas.cli.flags import UsageError
from schemas.cli.modules import modules_of

KEY = "build"  # of `_run.json`: the name of the kind's file


class Build(Protocol):
    """What the module of a kind has."""

    def restore(self, configuration: dict[str, Any]) -> Configured:
        """What `_run.json` holds as its configuration. Raises UsageError where it is of another version."""

    def types(self, configured: Any) -> dict[str, str]:
        """Column → Arrow type, in the order of the shards."""

    def told(self, run: dict[str, Any]) -> dict[str, Any]:
        """What the manifest has beside what is in every build's."""


def of_run(run: dict[str, Any]) -> Build:
    """The kind that `_run.json` names. Raises UsageError for one that this version doesn't know."""
    names = modules_of(__name__)
    if run.get(KEY) not in names:
        raise UsageError(
            f"_run.json is of another version: it names the kind {run.get(KEY)!r}; known are {', '.join(names)}"
        )
    return cast(Build, importlib.import_module(f"{__name__}.{run[KEY]}"))
