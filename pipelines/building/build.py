"""The whole build on one page: list, check, plan, run the engine, finish."""

import errno
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from annotators.common import registry
from pipelines import sources
from pipelines.building import configuration as configurations
from pipelines.building import finishing, orientation, plan, plan_file, preflight, receipts
from pipelines.building.configuration import Configuration, Flags, Line, RunFlags
from pipelines.building.plan import Plan, Planning, Unit
from pipelines.building.progress import Bar, Finished, clock
from pipelines.building.receipts import Expected
from pipelines.building.unit import Configured, Job
from pipelines.runners import Chosen
from pipelines.runners._totals import Totals
from schemas import json_shape, package
from schemas.cli.flags import UsageError, one_line
from schemas.folders import Folder, InputFolder, open_folder, open_input, sameness
from schemas.json_text import canonical, pretty
from schemas.messages import counted
from schemas.record import SCHEMA_VERSION

RUN = "_run.json"


class BuildError(Exception):
    """A build that can't go on: one line, exit code 1."""


@dataclass(frozen=True)
class Request:
    """What a builder command passes on: its command line, and where the records are."""

    line: Line[Flags]
    source: str
    dataset: str
    input: str
    listing: dict[str, Any] = field(default_factory=dict)  # what the source's `listing` takes beside split and pairing
    garment_canvas: str = "none"


def build(request: Request) -> int:
    """Runs a build, prints its line of JSON on stdout, returns the exit code. Raises UsageError before any work."""
    started = time.perf_counter()
    line, flags = request.line, request.line.flags
    root = _input(request.input)
    configured = replace(
        configurations.configure(flags, request.source, request.dataset, str(root), line.configs),
        source_options=tuple(sorted((name, _option(value)) for name, value in request.listing.items())),
        garment_canvas=request.garment_canvas,
    )
    listing = _listing(request, root)
    for remark in listing.told():
        _say(remark)
    planned = plan.make(listing.records, listing.refused, configured.shard_size, configured.limit)
    remote = line.engine.engine.REMOTE
    configured = replace(configured, digests=weight_digests(configured.annotators))
    if remote and preflight.lacking(planned.signatures, configured):
        configured = replace(configured, digests=weight_digests(configured.annotators, stated=True))
    preflight.check(planned.signatures, configured)
    if configured.size and flags.fit is None and flags.size != type(flags).size:
        orientation.check(configured.size, planned.rows(), listing.files, root)
    if not remote:
        preflight.check_device(flags.device)
    output = open_folder(flags.output or f"output/{line.command}")
    columns = preflight.columns(planned.signatures, configured)
    configured = replace(configured, output=str(output), columns=columns)
    run = configurations.run_of(configured) | {"repeated_lines": listing.repeated_lines}
    words = fingerprint_words(configured)
    planning = Planning(listing.files, configured.recompute)
    prepared = Prepared(line.command, configured, Job(configured), planned, words, root, planning, run)
    return execute(prepared, flags, line.engine, started)


def _option(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before the output folder is touched."""

    command: str
    configured: Configured
    job: Callable[[int], Totals]
    plan: Plan
    words: list[str]  # for the fingerprints: everything but the records that a shard's bytes depend on
    root: InputFolder
    planning: Planning  # knows every referenced file below the root
    run: dict[str, Any]  # what finish needs to know, for `_run.json`


def execute(prepared: Prepared, flags: RunFlags, engine: Chosen, started: float) -> int:
    """Plans, runs the engine over what isn't done yet, finishes; prints the line of JSON, returns the exit code."""
    output = open_folder(prepared.configured.output)
    try:
        return _execute(prepared, flags, engine, output, started)
    except OSError as error:
        raise BuildError(f"{output}: {error.strerror or error}") from error


def _execute(prepared: Prepared, flags: RunFlags, engine: Chosen, output: Folder, started: float) -> int:
    run = prepared.run | {
        "command": prepared.command,
        "input": str(prepared.root),
        "identity": prepared.configured.identity(),
        "runner": flags.runner,
        "complete": False,
    }
    _prepare(output, run, flags.overwrite)
    resume = _plan_and_reconcile(prepared, flags, output)
    planned = prepared.plan
    entries, shards = counted(planned.records, "entry", "entries"), counted(len(planned.units), "shard")
    _say(f"{entries} in {shards}, {len(resume.done)} already done; {output}")
    if resume.todo:
        _engine(prepared, engine, resume.todo)
    done = list(resume.done)
    try:
        summary = finishing.finish(output)
    except finishing.Unreadable as damaged:
        _say(str(damaged).replace("; run the build again", ": they are built again"))
        _engine(prepared, engine, damaged.units)
        done = [unit for unit in done if unit not in damaged.units]
        summary = finishing.finish(output)
    seconds = round(time.perf_counter() - started, 3)
    output.write(RUN, pretty(run | {"complete": True, "seconds": seconds, "skipped_shards": len(done)}).encode())
    _report_seconds(summary.seconds)
    for told in summary.told:
        _say(told)
    line = {"output": str(output), "records": summary.records, "rejects": summary.rejects, "shards": summary.shards}
    print(json.dumps(line | {"seconds": seconds, "skipped_shards": len(done)}), flush=True)
    return _exit_code(summary, flags.max_reject_rate)


def _input(location: str) -> InputFolder:
    try:
        root = open_input(location)
    except (ValueError, ImportError) as error:
        raise UsageError(f"--input {location!r}: {error}") from None
    if not root.is_folder():
        raise UsageError(f"--input {location!r} is no folder; allowed is a dataset folder or its URL")
    return root


def _listing(request: Request, root: InputFolder) -> sources.Listing:
    flags = request.line.flags
    try:
        source = sources.load(request.source)
        listing: sources.Listing = source.listing(
            root, flags.split, flags.pairing, dataset=request.dataset, **request.listing
        )
        return listing
    except OSError as error:
        raise UsageError(f"--input {root}: {error.strerror or error}") from None


def weight_digests(annotators: Iterable[tuple[str, Any]], stated: bool = False) -> tuple[tuple[str, str], ...]:
    """sha256 of the weights of each annotator that has any and can run here; of others what is `stated`, if told so."""
    digests = []
    for name, config in annotators:
        if registry.needs_weights(config):
            ready = not registry.unready(name, config)
            digest = registry.digest(config) if ready else registry.stated_digest(config) if stated else ""
            if digest:
                digests.append((name, digest))
    return tuple(digests)


def _prepare(output: Folder, run: dict[str, Any], overwrite: bool) -> None:
    """Makes the folder and writes `_run.json`. Raises UsageError for a folder that can't be written or isn't ours."""
    try:
        if output.escapes(receipts.FOLDER):
            raise UsageError(f"--output {output}: {receipts.FOLDER} is a link that leads out; allowed is a folder")
        output.make(receipts.FOLDER)
        _check_same_build(output, run, overwrite)
        receipts.sweep(output)
        output.write(RUN, pretty(run).encode())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(f"--output {output} can't be written: {error.strerror or error}") from None


def _check_same_build(output: Folder, run: dict[str, Any], overwrite: bool) -> None:
    present = output.files()
    ours = [name for name in present if finishing.belongs(name)]
    if RUN not in present:
        if ours:
            raise UsageError(f"--output {output} holds {ours[0]}, which no build made; allowed is an empty folder")
        return
    earlier = _earlier(output)
    now = {**run["identity"], "input": run["configuration"]["input"], "command": run["command"]}
    earlier = {key: earlier.get(key) for key in now}
    if not overwrite:
        sameness.check(output, "build", earlier, now, sameness.OR_REPLACED)
    if sameness.differing(earlier, now) is None:
        return
    noted = [f"{receipts.FOLDER}/{name}" for name in output.files(receipts.FOLDER) if receipts.parse_name(name)]
    for name in (*ours, *noted):
        output.remove(name)


def _earlier(output: Folder) -> dict[str, Any]:
    """Raises UsageError for a file that no build wrote: what lies beside it may be anybody's."""
    try:
        run = json_shape.parse(output.read(RUN))
        return {**run["identity"], "input": run["configuration"]["input"], "command": run["command"]}
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"--output {output}: {RUN} is damaged, or no build's; allowed is another folder") from None


def _plan_and_reconcile(prepared: Prepared, flags: RunFlags, output: Folder) -> receipts.Resume:
    marks = plan_file.write(output, prepared.plan, prepared.words, prepared.planning)
    reader = plan_file.PlanReader(output)
    expected = [Expected(mark.unit, mark.fingerprint, mark.tokens, partial(reader.paths, mark.unit)) for mark in marks]
    extension = prepared.configured.format
    return receipts.reconcile(output, prepared.root, expected, extension, flags.verify, flags.retry_rejects)


def fingerprint_words(configured: Configuration) -> list[str]:
    """Everything but the records that a shard's bytes depend on."""
    cutting_alone = {"limit", "shard_size", "split"}
    if not sources.gives(configured.source):
        cutting_alone.add("source_options")  # they decide what is listed, and the records say what that was
    identity = {key: value for key, value in configured.identity().items() if key not in cutting_alone}
    cutting = ["garment_mask"] if configured.garment_canvas != "none" else []
    return [
        SCHEMA_VERSION,
        package.version(),
        canonical(registry.versions([*cutting, *configured.configs()])),
        configured.dataset,
        canonical(identity),
        ",".join(configured.columns),
        canonical(dict(configured.digests)),
    ]


def _engine(prepared: Prepared, engine: Chosen, todo: list[Unit]) -> None:
    rows = {unit.stem: unit.rows for unit in todo}
    with Bar(sum(rows.values()), Finished(prepared.configured.output, rows)):
        try:
            totals = engine.run(prepared.job, [unit.number for unit in todo])
        except Exception as error:
            raise BuildError(f"{engine.name} stopped: {one_line(error)[:500]}") from error
    if totals.failures:
        more = f"; and {counted(totals.failed - 1, 'unit')} more" if totals.failed > 1 else ""
        raise BuildError(totals.failures[0] + more)


def _exit_code(summary: finishing.Summary, max_reject_rate: float) -> int:
    if not summary.records:
        _say(f"no record at all: {summary.rejects} rejected; see rejects.parquet")
        return 3
    rate = summary.rejects / (summary.records + summary.rejects)
    if rate > max_reject_rate:
        _say(
            f"{counted(summary.rejects, 'reject is', 'rejects are')} {rate:.1%} of all,"
            f" above --max-reject-rate {max_reject_rate:.1%}"
        )
        return 3
    return 0


def _report_seconds(seconds: dict[str, float]) -> None:
    spent = ", ".join(f"{name} {clock(s) if s >= 60 else f'{s:.1f} s'}" for name, s in sorted(seconds.items()))
    _say(f"worker seconds: {spent}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
