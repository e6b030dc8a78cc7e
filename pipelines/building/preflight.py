"""Before any work: which columns each record will get, and whether everything needed for them is there."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from annotators.common import registry, weights
from pipelines import sources
from pipelines.building.columns import DERIVED, HALVES, columns_of, promised
from pipelines.building.configuration import AWAITED, DEFAULTS, NEVER_A_REASON, Configuration, Defaults
from pipelines.sources.records import Signature
from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.messages import share


def shipped(signature: Signature, configuration: Configuration) -> frozenset[str]:
    """Columns that a record brings along or that follow from them, without those to be computed anew."""
    own = set(signature.values) - set(signature.nulls) | set(signature.references)
    own |= sources.gives(configuration.source)
    own |= promised(signature.references) - (DERIVED & (set(configuration.skip) - own))
    own -= set(configuration.recompute)
    return frozenset(
        own | {HALVES[column] for column in own & set(HALVES) if HALVES[column] not in configuration.recompute}
    )


def columns(signatures: Iterable[Signature], configuration: Configuration) -> tuple[str, ...]:
    """Columns of the shards: the base, what any record ships, and what the default and chosen annotators write."""
    kind = kinds.named(configuration.kind)
    columns = set(kind.base) | sources.gives(configuration.source)
    for names in {(*signature.references, *signature.values) for signature in signatures}:
        columns |= {column for name in names for column in columns_of(name)} & set(kind.fields)
    columns |= set(DEFAULTS.get(kind.name, Defaults()).columns)
    for name, config in configuration.annotators:
        columns |= {field.name for field in registry.written(name, config)}
    known = list(kind.fields)
    return tuple(sorted(columns, key=lambda name: (known.index(name) if name in known else len(known), name)))


def check_device(device: str) -> None:
    """Raises UsageError for a device that this machine lacks; the CPU is taken as there, without asking torch.

    A remote engine's workers aren't asked: on one without the device, the unit fails and says so.
    """
    if device == "cpu":
        return
    from annotators.networks.transformers_models import torch_device

    try:
        torch_device(device)
    except ValueError as error:
        raise UsageError(f"--device {error}") from None


def check(signatures: Mapping[Signature, int], configuration: Configuration) -> None:
    """Raises UsageError when some records lack a column that no chosen annotator, with its weights, can make.

    `signatures`: each with how many records have it.
    """
    lacks = lacking(signatures, configuration)
    if not lacks:
        return
    names, total = list(lacks), sum(signatures.values())
    parts = [f"{name} ({share(n, total, 'record', 'lacks', 'lack')} it; {why})" for name, (n, why) in lacks.items()]
    raise UsageError(
        f"no annotator can make {'; '.join(parts)}. Ways on: `python -m annotators fetch {_fetch(names)}`,"
        f" or --weights DIR with the folder that has them{_places(configuration)};"
        f" or leave them null with `--skip {','.join(_skip_words(configuration, names))}`;"
        f" or name other annotators with --annotators (there are {', '.join(registry.names())})"
    )


def lacking(signatures: Mapping[Signature, int], configuration: Configuration) -> dict[str, tuple[int, str]]:
    """Columns that no chosen annotator, with its weights, can make: how many records lack each, and why."""
    counts: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for signature, count in signatures.items():
        for column, reason in _unmakeable(shipped(signature, configuration), configuration).items():
            counts[column] += count
            reasons[column] = reason
    return {column: (counts[column], reasons[column]) for column in counts}


def sought(annotator: Any) -> str:
    """Where an annotator's weights are looked for."""
    return f"looked in {', '.join(map(str, weights.search_path(getattr(annotator, 'weights_dir', None) or '')))}"


def _unmakeable(have: frozenset[str], configuration: Configuration) -> dict[str, str]:
    """Root columns that a record with these columns lacks and nobody can make, each with the reason."""
    maker = _Makeable(have, configuration)
    roots: dict[str, str] = {}
    for column in _wanted(configuration):
        if column not in have and column not in configuration.skip:
            roots |= maker.missing(column)
    return {column: reason for column, reason in roots.items() if column not in configuration.skip}


def _wanted(configuration: Configuration) -> list[str]:
    """Columns whose absence makes an annotator run; the default ones also where their annotator isn't built."""
    names = [
        field.name
        for name, config in configuration.annotators
        for field in registry.written(name, config)
        if field.name not in NEVER_A_REASON
    ]
    return list(dict.fromkeys([*(AWAITED if configuration.complete else ()), *names]))


class _Makeable:
    """Finds, for one set of shipped columns, the root of what can't be made."""

    def __init__(self, have: frozenset[str], configuration: Configuration) -> None:
        self.have, self.configuration = have, configuration
        self.configs, self.digests = configuration.configs(), dict(configuration.digests)
        self.writers = registry.owners(self.configs)

    def missing(self, column: str, above: tuple[str, ...] = ()) -> dict[str, str]:
        """{} when the column is there or can be made, else root column → reason."""
        if column in self.have:
            return {}
        writers = self.writers.get(column, [])
        if not writers or column in above:
            return {column: _who(column)}
        if column in self.configuration.skip:
            return {column: "skipped"}
        name = writers[0]
        reason = registry.unplanned(name, self.configs[name], self.digests)
        if reason:
            return {column: reason}
        found: dict[str, str] = {}
        for needed in registry.inputs(name, self.configs[name]):
            found |= self.missing(needed, (*above, column))
        return found


def _places(configuration: Configuration) -> str:
    digests = dict(configuration.digests)
    lacking = [config for name, config in configuration.annotators if registry.unplanned(name, config, digests)]
    return f" ({sought(lacking[0])})" if lacking else ""


def _who(column: str) -> str:
    makers = [name for name, written in registry.groups().items() if column in written]
    return f"annotator {makers[0]} is not among --annotators" if makers else "nothing computes it"


def _fetch(columns_: list[str]) -> str:
    makers = [name for column in columns_ for name, written in registry.groups().items() if column in written]
    return " ".join(dict.fromkeys(makers)) or "NAME"


def _skip_words(configuration: Configuration, lacking: list[str]) -> list[str]:
    """The whole `--skip` list to write: what was given already, and the lacking columns by their shortest names."""
    words = {"densepose_image": "densepose"}
    return list(dict.fromkeys([*configuration.skip, *(words.get(name, name) for name in lacking)]))
