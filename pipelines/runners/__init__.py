"""One file per kind of engine. An engine maps a function over unit numbers, and nothing else.

An engine module has `NAMES` (values of `--runner`), `REMOTE` (whether the work runs on other machines than the
starting one, whose devices then say nothing), `check(options)` (raises UsageError for flags that it doesn't know) and
`run(job, numbers, options)`, which returns the sum of the job's totals.
"""

import importlib
import pkgutil
from types import ModuleType

from schemas.cli.flags import UsageError


def names() -> dict[str, str]:
    """Value of `--runner` → module. Importing an engine module imports no engine."""
    modules = [item.name for item in pkgutil.iter_modules(__path__) if not item.name.startswith("_")]
    return {name: module for module in sorted(modules) for name in _load(module).NAMES}


def load(runner: str) -> ModuleType:
    """Raises UsageError for an unknown runner."""
    known = names()
    if runner not in known:
        raise UsageError(f"--runner {runner!r}; allowed are {', '.join(known)}")
    return _load(known[runner])


def _load(module: str) -> ModuleType:
    return importlib.import_module(f"pipelines.runners.{module}")
