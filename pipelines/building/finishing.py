"""Plan and receipts → manifest, rejects, findings, card. Idempotent; shards are read by small columns, never rewritten.

`python -m pipelines.finish OUT` runs it alone.
"""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from annotators.common import registry
from pipelines.building import builds, closing, receipts
from pipelines.building.builds import Build
from pipelines.building.plan import Unit
from pipelines.building.plan_file import PlanReader
from pipelines.building.receipts import Name, UnitReceipt
from pipelines.building.unit import Configured
from pipelines.judging import card, findings
from schemas import json_shape
from schemas.cli import flags
from schemas.finished import manifest as manifests
from schemas.finished import tables
from schemas.finished.manifest import Account, Shard
from schemas.folders import Folder
from schemas.messages import share

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
    receipt: UnitReceipt


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
    done = _collect(output, plan, configured.format)
    _remove_stale(output, done, configured.format)
    rejects = _rejects(plan, done)
    rows = findings.find(output, done, configured.format)
    manifest = _manifest(run, build, configured, plan, done, rejects, rows)
    output.write(tables.REJECTS_FILE, tables.encode(rejects, tables.REJECTS))
    output.write(tables.FINDINGS_FILE, tables.encode(rows, tables.FINDINGS))
    _write_receipts(output, done)
    output.write("README.md", card.render(manifest).encode())
    manifests.write(output, manifest)
    return _summary(done, rejects, rows)


def _summary(done: list[Done], rejects: list[dict[str, str]], findings_rows: list[dict[str, Any]]) -> Summary:
    seconds: Counter[str] = Counter()
    lacking: dict[str, Counter[str]] = {}
    for item in done:
        seconds.update(item.receipt.seconds)
        for column, reasons in item.receipt.lacking.items():
            lacking.setdefault(column, Counter()).update(reasons)
    rows = sum(item.receipt.rows for item in done)
    told = (*closing.rejected(rejects), *closing.found(findings_rows), *closing.lacking(lacking, rows))
    return Summary(rows, len(rejects), len(done), dict(seconds), told)


def _read_run(output: Folder) -> dict[str, Any]:
    try:
        run = json_shape.parse(output.read("_run.json"))
    except (OSError, ValueError):
        run = None
    whole = isinstance(run, dict) and {"command", "configuration"} <= run.keys() and not json_shape.misfit(run, _RUN)
    if not whole:
        raise flags.UsageError(f"{output} holds no build: _run.json is missing or damaged")
    return dict(run)


def _collect(output: Folder, plan: PlanReader, extension: str) -> list[Done]:
    """Planned units against finished ones: what is missing is named."""
    prints = plan.fingerprints()
    files = output.files()
    by_unit = {(name.stem, name.fingerprint): name for name in receipts.names(output)}
    found, missing = [], []
    for unit in plan.units:
        name = by_unit.get((unit.stem, prints.get(unit.number, "")))
        shard = files.get(f"{unit.stem}.{extension}")
        if name is None or shard is None or shard.size != name.size:
            missing.append(unit.stem)
        else:
            found.append((unit, name))
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise Incomplete(
            f"{share(len(missing), len(plan.units), 'unit', 'has', 'have')} no shard: {', '.join(missing[:5])}{more}"
        )
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda pair: receipts.load(output, pair[1]), found))
    damaged = [unit for (unit, _), receipt in zip(found, loaded, strict=True) if receipt is None]
    if damaged:
        raise Unreadable(damaged)
    return [Done(unit, name, receipt) for (unit, name), receipt in zip(found, loaded, strict=True) if receipt]


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


def _rejects(plan: PlanReader, done: list[Done]) -> list[dict[str, str]]:
    names = tables.REJECTS.names
    listed = [{name: getattr(item, name) for name in names} for item in plan.refused()]
    built = [{name: row[name] for name in names} for item in done for row in item.receipt.rejects]
    return sorted(listed + built, key=lambda row: tuple(row[name] for name in names))


def _manifest(
    run: dict[str, Any],
    build: Build,
    configured: Configured,
    plan: PlanReader,
    done: list[Done],
    rejects: list[dict[str, str]],
    rows: list[dict[str, Any]],
) -> dict[str, Any]:
    digests = dict(configured.digests)
    prints = plan.fingerprints()
    declined: Counter[str] = Counter()
    empty: Counter[str] = Counter()
    for item in done:
        declined.update(item.receipt.declined)
        empty.update(item.receipt.empty)
    account = Account(
        kind=configured.kind,
        dataset=configured.dataset,
        command=run["command"],
        configuration=configured.identity(),
        types=build.types(configured),
        shards=[_shard(item, configured.format) for item in done],
        origins=[item.receipt.origins for item in done],
        empty=empty,
        rejects=rejects,
        findings=rows,
        annotators={
            name: _describe(name, config, digests.get(name))
            for name, config in sorted(configured.annotators)
            if _ran(name, config, done)
        },
        libraries=LIBRARIES,
        fingerprint=findings.digest(prints[number] for number in sorted(prints)),
        repeated_lines=run.get("repeated_lines", 0),
        declined=declined,
    )
    return manifests.compose(account, **build.told(run))


def _ran(name: str, config: Any, done: list[Done]) -> bool:
    """Whether it was timed in any unit, or a column of it was computed while records were read."""
    columns = [field.name for field in registry.written(name, config)]
    return any(
        name in item.receipt.seconds or any("annotator" in item.receipt.origins.get(c, ()) for c in columns)
        for item in done
    )


def _shard(item: Done, extension: str) -> Shard:
    """A unit's shard as the manifest lists it."""
    unit, receipt = item.unit, item.receipt
    return Shard(f"{unit.stem}.{extension}", unit.split, receipt.rows, receipt.size, receipt.sha256)


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


def _write_receipts(output: Folder, done: list[Done]) -> None:
    """All receipts in one table beside the single files."""
    rows = [
        {
            "unit": item.unit.stem,
            "fingerprint": item.name.fingerprint,
            "tokens": item.name.tokens,
            "rows": item.receipt.rows,
            "bytes": item.receipt.size,
            "sha256": item.receipt.sha256,
            "rejects": len(item.receipt.rejects),
            "declined": [{"rule": rule, "times": times} for rule, times in item.receipt.declined.items()],
            "inputs": [{"path": path, "sha256": digest} for path, digest in item.receipt.inputs.items()],
            "seconds": [{"name": name, "seconds": spent} for name, spent in item.receipt.seconds.items()],
        }
        for item in done
    ]
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("unit", "fingerprint", "tokens")),
            *((name, pa.int64()) for name in ("rows", "bytes")),
            ("sha256", pa.string()),
            ("rejects", pa.int64()),
            ("declined", pa.list_(pa.struct([("rule", pa.string()), ("times", pa.int64())]))),
            ("inputs", pa.list_(pa.struct([("path", pa.string()), ("sha256", pa.string())]))),
            ("seconds", pa.list_(pa.struct([("name", pa.string()), ("seconds", pa.float64())]))),
        ]
    )
    output.write(f"{receipts.FOLDER}/{receipts.TABLE}", tables.encode(rows, schema))
