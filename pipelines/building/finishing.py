"""Plan and receipts → manifest, rejects, findings, card. Idempotent; shards are read by small columns, never rewritten.

`python -m pipelines.finish OUT` runs it alone.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from annotators.common import registry
from pipelines.building import builds, closing, receipts
from pipelines.building.builds import Build
from pipelines.building.ledger import Ledger, Sums
from pipelines.building.plan import Unit
from pipelines.building.plan_file import PlanReader
from pipelines.building.receipts import Name
from pipelines.building.unit import Configured
from pipelines.judging import card, findings
from schemas import json_shape
from schemas.cli import flags
from schemas.finished import manifest as manifests
from schemas.finished import tables
from schemas.finished.manifest import Account
from schemas.folders import Folder
from schemas.messages import share

_AT_ONCE = 8  # receipts
LIBRARIES = ("numpy", "pillow", "opencv-python", "pyarrow")
_OURS = re.compile(
    r"(manifest\.json|rejects\.parquet|findings\.parquet|README\.md|_run\.json|_plan(-\d{5})?\.parquet"
    r"|(train|test|all|val)-\d{5}-of-\d{5}\.(parquet|arrow))"
)
_RUN: dict[str, Any] = {"build": str, "command": str, "configuration": dict[str, Any], "source_build": dict[str, Any]}
_RUN |= {"repeated_lines": int}
_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.(parquet|arrow)")


class Incomplete(Exception):
    """Planned units without a shard: the engine lost them, or the build is still to be run again. Exit code 1."""


class Unreadable(Incomplete):
    """Units whose receipts are damaged: they count as not done."""

    def __init__(self, units: list[Unit]) -> None:
        more = f" and {len(units) - 5} more" if len(units) > 5 else ""
        named = ", ".join(unit.stem for unit in units[:5])
        super().__init__(f"the receipts of {named}{more} are damaged; run the build again")
        self.units = units


@dataclass(frozen=True)
class Summary:
    """Of the whole output, also after a resume."""

    records: int
    rejects: int
    shards: int
    seconds: dict[str, float] = field(default_factory=dict)
    told: tuple[str, ...] = ()  # lines for the screen: rejects, findings, columns that records lack


@dataclass(frozen=True)
class Done:
    """A finished unit."""

    unit: Unit
    name: Name


def belongs(name: str) -> bool:
    """Whether a top-level file of this name is one that a build writes."""
    return _OURS.fullmatch(name) is not None


def finish(output: Folder) -> Summary:
    """Raises Incomplete naming units without a shard, UsageError when the folder holds no build."""
    run = _read_run(output)
    build = builds.of_run(run)
    configured = build.restore(run["configuration"])
    plan = PlanReader(output)
    receipts.sweep(output)
    prints = plan.fingerprints()
    done = _collect(output, plan, prints, configured.format)
    sums = _add_up(output, done, configured.format)
    _remove_stale(output, done, configured.format)
    rejects = _rejects(plan, sums)
    found = findings.find(output, [shard.name for shard in sums.shards])
    fingerprint = findings.digest(prints[number] for number in sorted(prints))
    manifest = _manifest(run, build, configured, fingerprint, sums, rejects, found)
    output.write(tables.REJECTS_FILE, tables.encode(rejects, tables.REJECTS))
    output.write(tables.FINDINGS_FILE, tables.encode(found.rows, tables.FINDINGS))
    output.write("README.md", card.render(manifest).encode())
    manifests.write(output, manifest)
    lines = (*closing.rejected(rejects), *closing.found(found.kinds()), *found.told)
    lines = (*lines, *closing.lacking(sums.lacking, sums.records))
    return Summary(sums.records, len(rejects), len(sums.shards), dict(sums.seconds), lines)


def _read_run(output: Folder) -> dict[str, Any]:
    try:
        run = json_shape.parse(output.read("_run.json"))
    except (OSError, ValueError):
        run = None
    whole = isinstance(run, dict) and {"command", "configuration"} <= run.keys() and not json_shape.misfit(run, _RUN)
    if not whole:
        raise flags.UsageError(f"{output} holds no build: _run.json is missing or damaged")
    return dict(run)


def _collect(output: Folder, plan: PlanReader, prints: Mapping[int, str], extension: str) -> list[Done]:
    """Planned units against finished ones: what is missing is named."""
    files = output.files()
    by_unit = {(name.stem, name.fingerprint): name for name in receipts.names(output)}
    found, missing = [], []
    for unit in plan.units:
        name = by_unit.get((unit.stem, prints.get(unit.number, "")))
        shard = files.get(f"{unit.stem}.{extension}")
        if name is None or shard is None or shard.size != name.size:
            missing.append(unit.stem)
        else:
            found.append(Done(unit, name))
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise Incomplete(
            f"{share(len(missing), len(plan.units), 'unit', 'has', 'have')} no shard: {', '.join(missing[:5])}{more}"
        )
    return found


def _add_up(output: Folder, done: list[Done], extension: str) -> Sums:
    """All receipts, also in one table beside the single files. Raises Unreadable."""
    damaged = []
    with (
        output.create(f"{receipts.FOLDER}/{receipts.TABLE}") as file,
        Ledger(file, extension) as ledger,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        for start in range(0, len(done), _AT_ONCE):
            some = done[start : start + _AT_ONCE]
            loaded = pool.map(lambda item: receipts.load(output, item.name), some)
            for item, receipt in zip(some, loaded, strict=True):
                if receipt is None:
                    damaged.append(item.unit)
                else:
                    ledger.add(item.name, receipt)
        if damaged:
            raise Unreadable(damaged)
    return ledger.sums


def _remove_stale(output: Folder, done: list[Done], extension: str) -> None:
    """Shards and receipts that the plan doesn't name."""
    shards = {f"{item.unit.stem}.{extension}" for item in done}
    for name in output.files():
        if _SHARD.fullmatch(name) and belongs(name) and name not in shards:
            output.remove(name)
    kept = {str(item.name) for item in done}
    for receipt in receipts.names(output):
        if str(receipt) not in kept:
            output.remove(str(receipt))


def _rejects(plan: PlanReader, sums: Sums) -> list[dict[str, str]]:
    names = tables.REJECTS.names
    listed = [{name: getattr(item, name) for name in names} for item in plan.refused()]
    built = [{name: row[name] for name in names} for row in sums.rejects]
    return sorted(listed + built, key=lambda row: tuple(row[name] for name in names))


def _manifest(
    run: dict[str, Any],
    build: Build,
    configured: Configured,
    fingerprint: str,
    sums: Sums,
    rejects: list[dict[str, str]],
    found: findings.Findings,
) -> dict[str, Any]:
    digests = dict(configured.digests)
    account = Account(
        kind=configured.kind,
        dataset=configured.dataset,
        command=run["command"],
        configuration=configured.identity(),
        types=build.types(configured),
        shards=sums.shards,
        origins=[sums.origins],
        empty=sums.empty,
        rejects=rejects,
        findings=found.kinds(),
        annotators={
            name: _describe(name, config, digests.get(name))
            for name, config in sorted(configured.annotators)
            if _ran(name, config, sums)
        },
        libraries=LIBRARIES,
        fingerprint=fingerprint,
        repeated_lines=run.get("repeated_lines", 0),
        declined=sums.declined,
    )
    return manifests.compose(account, **build.told(run))


def _ran(name: str, config: Any, sums: Sums) -> bool:
    """Whether it was timed in any unit, or a column of it was computed while records were read."""
    columns = [field.name for field in registry.written(name, config)]
    return name in sums.seconds or any("annotator" in sums.origins.get(column, ()) for column in columns)


def _describe(name: str, config: Any, digest: str | None) -> dict[str, Any]:
    from schemas.cli.options import settings

    described: dict[str, Any] = {"settings": settings(config)}
    needed = registry.needs_weights(config)
    if needed and digest:
        licences = [_licence(item) for item in needed]
        described |= {"weights": list(needed), "weights_sha256": digest, "licences": licences}
    return described


def _licence(name: str) -> str:
    """Of weights in the table; "" for a folder of the user's own."""
    from annotators.common import weights

    try:
        return weights.find(name).licence
    except ValueError:
        return ""
