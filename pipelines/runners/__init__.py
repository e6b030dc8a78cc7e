"""One file per kind of engine. An engine maps a function over unit numbers, and nothing else.

An engine module fulfils `Engine`; importing one imports no engine.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from pipelines.runners._totals import Totals
from schemas.cli.flags import Dataclass, Parsed, Section, UnknownFlag, UsageError
from schemas.cli.modules import modules_of
from schemas.cli.suggestions import suggestion


class Engine(Protocol):
    """What an engine's module has."""

    @property
    def NAMES(self) -> tuple[str, ...]:
        """The values of `--runner` that mean it."""

    @property
    def REMOTE(self) -> bool:
        """Whether the work runs on other machines than the starting one, whose devices then say nothing."""

    @property
    def Options(self) -> type[Dataclass]:
        """A frozen dataclass of its own flags, each with a default, as `--help` of every builder shows them.

        They are written with underscores, as engines write them. Engines that share a flag mean the same by it.
        """

    def check(self, rest: Sequence[str]) -> None:
        """Raises UsageError for flags that neither a command nor any `Options` knows, unless it passes them on."""

    def ready(self, options: Any, rest: Sequence[str]) -> None:
        """Raises UsageError, within seconds, where it can't be used: an extra is missing, or nobody answers."""

    def run(self, job: Callable[[int], Totals], numbers: Sequence[int], options: Any, rest: Sequence[str]) -> Totals:
        """The sum of the job's totals of all numbers; `options` are its own, `rest` what `check` let through."""


if TYPE_CHECKING:
    from pipelines.runners import dask, dataflow, direct, flink, portable, prism, pyspark, spark

    _FULFILLED: tuple[Engine, ...] = (dask, dataflow, direct, flink, portable, prism, pyspark, spark)


@dataclass(frozen=True)
class Chosen:
    """The engine that a command line names, and what it is told."""

    name: str
    engine: Engine
    options: Any
    rest: tuple[str, ...] = ()

    def run(self, job: Callable[[int], Totals], numbers: Sequence[int]) -> Totals:
        """The sum of the job's totals of all numbers."""
        return self.engine.run(job, numbers, self.options, self.rest)


def names() -> dict[str, str]:
    """Value of `--runner` → module."""
    return {name: module for module in modules_of("pipelines.runners") for name in _load(module).NAMES}


def load(runner: str) -> Engine:
    """Raises UsageError for an unknown runner."""
    known = names()
    if runner not in known:
        near = suggestion(runner, known)
        raise UsageError(f"--runner {runner!r}; allowed are {', '.join(known)}{near}")
    return _load(known[runner])


def sections() -> list[Section[Any]]:
    """The flags of every engine; those that several have stand once, under all their names."""
    known = names()
    having: dict[str, tuple[str, ...]] = {}  # field → values of --runner whose engine has it
    for runner, module in known.items():
        for item in fields(_load(module).Options):
            having[item.name] = (*having.get(item.name, ()), runner)
    return [
        Section(
            _load(known[runners[0]]).Options,
            title=f"--runner {'|'.join(runners)}",
            joint="_",
            only=partial(_is_had_by, runners, having),
        )
        for runners in dict.fromkeys(having.values())
    ]


def _is_had_by(runners: tuple[str, ...], having: Mapping[str, tuple[str, ...]], item: Field[Any]) -> bool:
    return having.get(item.name) == runners


def chosen(runner: str, parsed: Parsed) -> Chosen:
    """The engine that the flags mean.

    Raises UsageError for an option that it hasn't, for an unknown flag, and for an engine that can't be used.
    """
    engine = load(runner)
    own = Section(engine.Options, joint="_")
    known = {item.name for item in own.fields}
    for section in sections():
        named = parsed.named(section)
        foreign = [item for item in section.fields if item.name in named and item.name not in known]
        if foreign:
            name = section.flag_of(foreign[0])
            raise UsageError(f"{name} is an option of {section.title}; here is --runner {runner}")
    options = parsed.of(own)
    try:
        engine.check(parsed.rest)
    except UnknownFlag as error:
        raise error.near(parsed.known) from None
    engine.ready(options, parsed.rest)
    return Chosen(runner, engine, options, parsed.rest)


def _load(module: str) -> Engine:
    return cast(Engine, importlib.import_module(f"pipelines.runners.{module}"))
