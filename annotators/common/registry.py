"""Finds annotators by file name, orders them by what they read and write, and runs them on records in memory."""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from functools import cache
from graphlib import TopologicalSorter
from types import ModuleType
from typing import Any

import pyarrow as pa

from annotators.common import batching, opening, weights
from schemas.cli import options
from schemas.cli.modules import modules_of

DEFAULT_BATCH_SIZE = 16


@cache
def names() -> tuple[str, ...]:
    """The modules of the package, not imported; `__main__` and sub-packages are not annotators."""
    return modules_of("annotators")


def load(name: str) -> ModuleType:
    """Raises ValueError for a name that isn't an annotator's."""
    if name not in names():
        raise ValueError(f"unknown annotator {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"annotators.{name}")


def config(name: str, **values: Any) -> Any:
    """The annotator's Config; of `values` those that it has. Raises ValueError for a value outside its choices."""
    config_class = load(name).Config
    known = {item.name for item in dataclass_fields(config_class)}
    config = config_class(**{key: value for key, value in values.items() if key in known and value is not None})
    options.check(config)
    return config


def written(name: str, config: Any | None = None) -> tuple[pa.Field, ...]:
    """The fields that an annotator with this Config writes."""
    module = load(name)
    config = module.Config() if config is None else config
    return tuple(config.fields() if hasattr(config, "fields") else module.FIELDS)


def columns(name: str) -> tuple[str, ...]:
    """What an annotator writes by default, and what else when it is asked (its `ASKED_BY`)."""
    asked_for = getattr(load(name), "ASKED_BY", {})
    return tuple(dict.fromkeys([*(field.name for field in written(name)), *asked_for]))


def groups() -> dict[str, tuple[str, ...]]:
    """Annotator → its `columns`."""
    return {name: columns(name) for name in names()}


def owners(configs: dict[str, Any]) -> dict[str, list[str]]:
    """Column → the annotators of `configs` (name → Config) that write it, by name."""
    found: dict[str, list[str]] = {}
    for name in sorted(configs):
        for field in written(name, configs[name]):
            found.setdefault(field.name, []).append(name)
    return found


def order(configs: dict[str, Any]) -> list[str]:
    """Names so that each comes after the annotators whose columns it reads; ties by name."""
    writers = owners(configs)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(configs):
        reads = inputs(name, configs[name]) + optional_inputs(name, configs[name])
        sorter.add(name, *sorted({w for column in reads for w in writers.get(column, []) if w != name}))
    ordered: list[str] = []
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return ordered


def inputs(name: str, config: Any) -> tuple[str, ...]:
    """Columns that a record must have for this annotator to run on it."""
    return tuple(config.reads()) if hasattr(config, "reads") else tuple(load(name).READS)


def optional_inputs(name: str, config: Any) -> tuple[str, ...]:
    """Columns that the annotator uses where a record has them."""
    return tuple(config.may_read()) if hasattr(config, "may_read") else tuple(getattr(load(name), "MAY_READ", ()))


def hints(name: str) -> tuple[str, ...]:
    """Columns that the annotator looks at where a record has them already; they put nothing before it in order."""
    return tuple(getattr(load(name), "HINTS", ()))


def annotate(
    records: Sequence[dict[str, Any]],
    want: Iterable[str] | None = None,
    *,
    weights: str | None = None,
    device: str = "cpu",
    configs: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """New dicts: the records with the wanted columns added, computed by whatever annotators that takes, in order.
    A notebook shows each with its pictures.

    Columns that a record already has are kept; pictures may also be paths, a file's bytes or PIL pictures, and come out
    as arrays (`opening.opened`). Without `want`, every column that annotators without weights can add.
    `configs` overrides the default Config of annotators by name. Raises ValueError for a column nobody writes, and
    lets an annotator's own exception through: in memory there is nowhere to set a bad record aside.
    """
    from schemas.pages import notebook

    chosen, want = dict(configs or {}), None if want is None else list(want)
    common = {"weights_dir": weights, "device": device}
    every = {name: chosen.get(name) or config(name, **common, **asked(name, want or ())) for name in names()}
    if want is None:
        every = {name: config for name, config in every.items() if not needs_weights(config)}
    wanted = _wanted(want, every)
    results = [opening.opened(record) for record in records]
    for name in order({name: every[name] for name in _needed(wanted, every, results)}):
        _apply(name, every[name], results)
    return [notebook.Shown(record) for record in results]


def asked(name: str, columns: Iterable[str]) -> dict[str, Any]:
    """Settings that make an annotator write columns which it only writes when asked (its `ASKED_BY`)."""
    table = getattr(load(name), "ASKED_BY", {})
    return {key: value for column in columns for key, value in table.get(column, {}).items()}


def versions(chosen: Iterable[str]) -> dict[str, int]:
    """The `VERSION` of those annotators that have one: raised where they write other values of the same settings."""
    return {name: number for name in sorted(chosen) if (number := getattr(load(name), "VERSION", 0))}


def needs_weights(config: Any) -> tuple[str, ...]:
    """Names in the table of weights that this Config loads; empty for one that needs none."""
    return tuple(config.weights()) if hasattr(config, "weights") else ()


def accelerated(config: Any) -> bool:
    """Whether this Config's network runs on something else than a CPU."""
    return bool(needs_weights(config)) and getattr(config, "device", "cpu") != "cpu"


def independent(configs: Iterable[tuple[str, Any]]) -> list[list[tuple[str, Any]]]:
    """The annotators (name, Config), in their order, cut into groups of which none touches what another one writes."""
    groups: list[list[tuple[str, Any]]] = []
    taken: set[str] = set()
    for name, config in configs:
        writes = {field.name for field in written(name, config)}
        looks_at = {*inputs(name, config), *optional_inputs(name, config), *hints(name)}
        if not groups or taken & (looks_at | writes):
            groups.append([])
            taken = set()
        groups[-1].append((name, config))
        taken |= writes
    return groups


def unready(name: str, config: Any) -> str:
    """Why an annotator can't run here: the weights it lacks; empty when it can."""
    folder = getattr(config, "weights_dir", None) or ""
    absent = [item for item in needs_weights(config) if not weights.available(item, folder)]
    return f"weights {', '.join(absent)} not found" if absent else ""


def digest(config: Any) -> str:
    """sha256 of the weights that a Config loads here. Raises weights.MissingWeights, UsageError for damaged ones."""
    folder = getattr(config, "weights_dir", None) or ""
    return "+".join(weights.digest(weights.locate(item, folder)) for item in needs_weights(config))


def stated_digest(config: Any) -> str:
    """What `digest` must give on other machines; empty unless it is stated of all weights."""
    folder = getattr(config, "weights_dir", None) or ""
    stated = [weights.stated(item, folder) for item in needs_weights(config)]
    return "+".join(filter(None, stated)) if all(stated) else ""


def unplanned(name: str, config: Any, digests: Mapping[str, str]) -> str:
    """Why an annotator runs on no machine of a build that was planned with these digests; empty where it runs."""
    if name in digests or not needs_weights(config):
        return ""
    return unready(name, config) or f"weights {', '.join(needs_weights(config))} were not found while planning"


def _wanted(want: Iterable[str] | None, every: dict[str, Any]) -> set[str]:
    known = owners(every)
    if want is None:
        return set(known)
    unknown = sorted(set(want) - set(known))
    if unknown:
        raise ValueError(f"no annotator writes {unknown[0]!r}; columns are {', '.join(sorted(known))}")
    return set(want)


def _needed(names: set[str], every: dict[str, Any], records: list[dict[str, Any]]) -> set[str]:
    """Annotators that write a column which some record lacks, directly or as another's input."""
    preferred = {column: writers[0] for column, writers in owners(every).items()}
    needed: set[str] = set()
    pending = list(names)
    while pending:
        column = pending.pop()
        name = preferred.get(column)
        if name is None or name in needed or all(record.get(column) is not None for record in records):
            continue
        needed.add(name)
        pending += inputs(name, every[name])
    return needed


def _apply(name: str, config: Any, records: list[dict[str, Any]]) -> None:
    """Adds the annotator's columns to the records that have its inputs; existing values stay."""
    reads = inputs(name, config)
    able = [record for record in records if all(record.get(column) is not None for column in reads)]
    outputs = batching.run(config.build(), able, getattr(config, "batch_size", DEFAULT_BATCH_SIZE))
    for record, output in zip(able, outputs, strict=True):
        if isinstance(output, Exception):
            raise output
        for column, value in output.items():
            if record.get(column) is None:
                record[column] = value
