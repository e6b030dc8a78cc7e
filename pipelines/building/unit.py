"""One shard unit → its shard and its receipt: read, annotate, encode, write. Plain Python; every engine runs this.

A retry writes the same bytes. No more than a chunk of decoded records is in memory at a time: some records, fewer where
their pictures are large.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from annotators.common import batching, registry
from pipelines import sources
from pipelines.building import models, receipts
from pipelines.building.configuration import NEVER_A_REASON, Configuration
from pipelines.building.gaps import Gaps
from pipelines.building.overlap import emptied, made_ahead
from pipelines.building.plan import Unit, token_digest
from pipelines.building.plan_file import FIRST, PlanReader
from pipelines.building.progress import count
from pipelines.building.reading import read
from pipelines.runners._totals import Totals
from pipelines.sources.outcomes import Declined, Outcome, Planned, Reading, Rejection, Unusable
from schemas import kinds, record, shards
from schemas.cli import options
from schemas.cli.failures import Unreachable
from schemas.finished.manifest import Damaged
from schemas.folders import Folder, InputFolder, ahead, open_folder, open_input
from schemas.messages import clean
from schemas.threads import mapped

CHUNK = 8  # decoded records in memory; more where an annotator takes larger batches
PIXELS_AHEAD = 64_000_000  # decoded in memory, about; one record at least
DECODERS = 4  # threads that decode photos for an accelerator


class Configured(Protocol):
    """What every kind of build says of itself: `Configuration`, or `rewrite.Rewrite` of finished shards."""

    @property
    def output(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def annotators(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def skip(self) -> tuple[str, ...]: ...
    @property
    def complete(self) -> bool:
        """Whether all default columns are promised."""

    @property
    def digests(self) -> tuple[tuple[str, str], ...]: ...
    def identity(self) -> dict[str, Any]: ...


class Inputs(Protocol):
    """What the records of a unit are read from, and the schema of the shard that they go to."""

    @property
    def root(self) -> InputFolder: ...
    @property
    def schema(self) -> pa.Schema: ...
    def read(self, item: Planned) -> Iterable[Outcome]:
        """The records of an entry, decoded one by one as they are asked for. Raises Rejection for all that is left."""


class Files:
    """The files of a dataset folder as inputs."""

    def __init__(self, configuration: Configuration, planned: Iterable[Planned] = ()) -> None:
        self.configuration = configuration
        self._own = getattr(sources.load(configuration.source), "read", None)
        root, files = open_input(configuration.input), (f for item in planned for f in item.references.values())
        self.root = root if self._own else ahead.read_ahead(root, files)
        self.schema = shard_schema(configuration)
        self.from_any_thread = self._own is None

    def read(self, item: Planned) -> Iterator[Outcome]:
        """As the source reads its entries; else one record of photos."""
        if self._own is None:
            seconds: dict[str, float] = {}
            reading = read(item, self.root, self.configuration, partial(self._parse, seconds))
            reading.seconds = seconds
            yield reading
        else:
            yield from self._own(item, self.root, self.configuration)

    def _parse(self, seconds: dict[str, float], photo: np.ndarray) -> np.ndarray | None:
        """CIHP ids of a photo that is nobody's person_image; None where the build has no parser or it fails.

        What it takes is added to `seconds`.
        """
        config = self.configuration.configs().get("parsing")
        digests = dict(self.configuration.digests)
        if config is None or "parse" in self.configuration.skip or registry.unplanned("parsing", config, digests):
            return None
        started = time.perf_counter()
        (output,) = batching.run(models.shared("parsing", config, digests.get("parsing")), [{"person_image": photo}], 1)
        seconds["parsing"] = seconds.get("parsing", 0.0) + time.perf_counter() - started
        return None if isinstance(output, Exception) else output["parse"]


@dataclass(frozen=True)
class Job:
    """Unit number → Totals: all that travels to a worker, once. A failure to write is a result, not an exception."""

    configuration: Configuration

    def __call__(self, number: int) -> Totals:
        return attempt(number, self.configuration, lambda planned: Files(self.configuration, planned))


def attempt(number: int, configuration: Configured, inputs: Callable[[list[Planned]], Inputs]) -> Totals:
    """Builds the unit of a written plan; `inputs` opens what its records are read from.

    What an earlier attempt of the same run left whole counts: an engine that lost a worker asks again for the totals
    of all that this worker ever did.
    """
    _quiet_threads()
    output = open_folder(configuration.output)
    plan = _plan(str(output), output.entry(FIRST).token)
    unit = plan.units[number]
    try:
        planned, fingerprint = plan.of(unit)
        opened = inputs(planned)
        shard = f"{unit.stem}.{configuration.format}"
        left = receipts.left(output, shard, fingerprint, lambda: unit_tokens(planned, opened.root))
        receipt = left or build_unit(unit, planned, fingerprint, output, opened, configuration)
    except (OSError, Unusable, Damaged, Unreachable) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Totals(failed=1, failures=(f"unit {unit.stem}: {reason}",))
    return Totals(1, receipt.rows, len(receipt.rejects), tuple(sorted(receipt.seconds.items())))


@lru_cache(maxsize=2)
def _plan(output: str, token: str) -> PlanReader:
    """Cached by the plan's token: a worker reads its footer and cuts its units once."""
    return PlanReader(open_folder(output))


def build_unit(
    unit: Unit, planned: list[Planned], fingerprint: str, output: Folder, inputs: Inputs, configuration: Configured
) -> receipts.UnitReceipt:
    """Writes the unit's shard, then its receipt. Raises OSError when the output can't be written."""
    tokens = unit_tokens(planned, inputs.root)
    work = _Work(configuration, inputs)
    with output.create(f"{unit.stem}.{configuration.format}") as file:
        writer = shards.ShardWriter(file, inputs.schema, configuration.format)
        for row in work.rows(planned):
            writer.write(row)
        size, digest = writer.close()
    receipt = receipts.UnitReceipt(
        rows=writer.rows,
        size=size,
        sha256=digest,
        inputs=dict(sorted(work.inputs.items())),
        rejects=work.rejects,
        origins={column: dict(sorted(counts.items())) for column, counts in sorted(work.origins.items())},
        seconds={name: round(spent, 3) for name, spent in sorted(work.seconds.items())},
        declined=dict(sorted(work.declined.items())),
        empty=dict(sorted(work.gaps.empty.items())),
        lacking={column: dict(sorted(why.items())) for column, why in sorted(work.gaps.reasons.items())},
    )
    output.write(str(receipts.Name(unit.stem, fingerprint, tokens, size)), receipt.to_json())
    return receipt


@lru_cache(maxsize=4)
def shard_schema(configuration: Configuration) -> pa.Schema:
    extra = [field for name, config in configuration.annotators for field in registry.written(name, config)]
    return record.schema(kinds.named(configuration.kind), configuration.columns, extra)


def unit_tokens(planned: list[Planned], root: InputFolder) -> str:
    """The digest of the tokens of a unit's inputs as they are now; a missing file has an empty token."""
    paths = list({path for item in planned for path, _ in item.references.values()})
    return token_digest(zip(paths, ahead.tokens(root, paths), strict=True))


class _Work:
    """The records of one unit passing through; what it leaves is in its attributes."""

    def __init__(self, configuration: Configured, source: Inputs) -> None:
        self.configuration, self.source = configuration, source
        self.inputs: dict[str, str] = {}
        self.rejects: list[dict[str, str]] = []
        self.declined: Counter[str] = Counter()
        self.origins: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.gaps = Gaps(configuration.annotators, configuration.skip, configuration.complete, configuration.digests)
        self.digests = dict(configuration.digests)
        self.overlaps = any(registry.accelerated(config) for _, config in configuration.annotators)
        self.groups = (
            registry.independent(configuration.annotators)
            if self.overlaps
            else [[annotator] for annotator in configuration.annotators]
        )
        sizes = [
            getattr(config, "batch_size", 0) * (batching.TIMES if registry.accelerated(config) else 1)
            for _, config in configuration.annotators
        ]
        self.chunk = max(CHUNK, *sizes) if sizes else CHUNK

    def rows(self, planned: list[Planned]) -> Iterator[dict[str, Any]]:
        """Encoded rows in order; records that fail on the way are in `rejects`."""
        for chunk in self._chunks(planned):
            readings = list(chunk)
            chunk.clear()  # what is encoded can go: nothing of it lies here while the next chunk is decoded
            for group in self.groups:
                readings = self._annotate(group, readings)
            while readings:
                reading = readings.pop(0)
                _leave_null(reading)
                row = self._encoded(reading)
                del reading
                if row is not None:
                    yield row
        self.rejects.sort(key=lambda row: tuple(row.values()))

    def _chunks(self, planned: list[Planned]) -> Iterator[list[Reading]]:
        """On an accelerator the next one is decoded while one is annotated, and each may be half as large."""
        if not self.overlaps:
            return chunks(self._read(planned), self.chunk, PIXELS_AHEAD)
        return made_ahead(chunks(self._read(planned), self.chunk, PIXELS_AHEAD // 2))

    def _read(self, planned: list[Planned]) -> Iterator[Reading]:
        """The records of all entries, each decoded when it is asked for; whatever else comes out is noted."""
        for item, outcomes in self._entries(planned):
            records = rejects = 0
            for outcome in outcomes:
                if isinstance(outcome, Reading):
                    records += 1
                    self.inputs |= outcome.digests
                    for name, spent in outcome.seconds.items():
                        self._timed(name).add(spent)
                    yield outcome
                elif isinstance(outcome, Declined):
                    self.declined[outcome.rule] += 1
                else:
                    rejects += 1
                    self._reject(outcome)
                del outcome  # a large one must not lie here while the next is decoded
            if rejects or not records:
                self.inputs |= _digests(item, self.source.root, self.inputs)
            count(1)

    def _entries(self, planned: list[Planned]) -> Iterator[tuple[Planned, Iterator[Outcome]]]:
        """Each entry with what comes out of it; on an accelerator some threads decode the next ones."""
        if not (self.overlaps and getattr(self.source, "from_any_thread", False)):
            yield from ((item, self._outcomes(item)) for item in planned)
            return
        for item, outcomes in mapped(self._all_outcomes, planned, DECODERS, _room):
            yield item, emptied(outcomes)

    def _all_outcomes(self, item: Planned) -> list[Outcome]:
        return list(self._outcomes(item))

    def _outcomes(self, item: Planned) -> Iterator[Outcome]:
        outcomes = iter(self.source.read(item))
        while True:
            with self._timed("read"):
                try:
                    outcome = next(outcomes, None)
                except Rejection as rejection:
                    outcome = rejection
                except (Unusable, Unreachable):
                    raise
                except Exception as error:  # libraries raise many types on hostile files
                    reason = clean(str(error)) or "no reason is given"
                    outcome = Rejection(item.record_id, "read", type(error).__name__, reason, item.source)
            if outcome is None:
                return
            yield outcome
            del outcome

    def _annotate(self, group: Sequence[tuple[str, Any]], readings: list[Reading]) -> list[Reading]:
        """Runs annotators that don't touch each other's columns; those of an accelerator at the same time.

        What they say is taken in their order, so that a record is rejected by the first that fails on it.
        """
        work = []
        for name, config in group:
            able = [reading for reading in readings if self._wants(name, config, reading)]
            if able and not registry.unplanned(name, config, self.digests):
                work.append((name, config, able))
        if len(work) < 2:
            outputs = [self._outputs(*each) for each in work]
        else:
            with ThreadPoolExecutor(len(work), thread_name_prefix="unit") as pool:
                outputs = list(pool.map(lambda each: self._outputs(*each), work))
        for each, results in zip(work, outputs, strict=True):
            readings = self._settle(*each, results, readings)
        return readings

    def _outputs(self, name: str, config: Any, able: list[Reading]) -> list[batching.Result]:
        with self._timed(name):
            batch_size = getattr(config, "batch_size", registry.DEFAULT_BATCH_SIZE)
            annotator = models.shared(name, config, self.digests.get(name))
            return batching.run(annotator, [reading.columns for reading in able], batch_size)

    def _settle(
        self, name: str, config: Any, able: list[Reading], outputs: list[batching.Result], readings: list[Reading]
    ) -> list[Reading]:
        """Takes one annotator's outputs for the records `able`; those that are left of `readings`."""
        left, failed = {id(reading) for reading in readings}, set()
        for reading, output in zip(able, outputs, strict=True):
            if id(reading) not in left:
                continue
            if isinstance(output, Exception):
                failed.add(id(reading))
                message = clean(str(output)) or type(output).__name__
                source = reading.planned.references.get("person_image", (reading.planned.source,))[0]
                self._reject(reading.reject(name, type(output).__name__, message, source))
            else:
                self._fill(name, config, reading, output)
        return [reading for reading in readings if id(reading) not in failed]

    def _wants(self, name: str, config: Any, reading: Reading) -> bool:
        """Whether the record lacks a column of the annotator and has its inputs."""
        lacking = [column for column in self._lacking(name, config, reading) if column not in NEVER_A_REASON]
        return bool(lacking) and all(
            reading.columns.get(column) is not None for column in registry.inputs(name, config)
        )

    def _lacking(self, name: str, config: Any, reading: Reading) -> list[str]:
        written = [field.name for field in registry.written(name, config)]
        return [c for c in written if reading.columns.get(c) is None and c not in self.configuration.skip]

    def _fill(self, name: str, config: Any, reading: Reading, output: dict[str, Any]) -> None:
        """Takes the columns that were lacking; shipped ones stay. What isn't a column is for later annotators only."""
        settings = "; ".join(f"{key}={value}" for key, value in options.settings(config).items())
        digest = dict(self.configuration.digests).get(name)
        written = {field.name for field in registry.written(name, config)}
        said = output.get("notes", {})
        reading.columns |= {key: value for key, value in output.items() if key not in written and key != "notes"}
        for column in self._lacking(name, config, reading):
            value = output.get(column)
            if value is None:
                reading.columns.setdefault(column, None)  # looked for, and not there
                reading.nothing[column] = said.get(column, "")
                if column in said:
                    reading.came_from(column, "annotator", name, digest, said[column])
                continue
            reading.columns[column] = value
            bad = reading.unreadable.pop(column, None)
            listed = reading.provenance.get(column, {}).get("note")  # by the source: what it could not read
            notes = [_unreadable(*bad) if bad else listed, said.get(column), settings]
            reading.came_from(column, "annotator", name, digest, "; ".join(filter(None, notes)))

    def _encoded(self, reading: Reading) -> dict[str, Any] | None:
        """The row; None where the record can't be stored, which rejects it."""
        try:
            return self._encode(reading)
        except Exception as error:  # whatever a value of this record is that no column holds
            reason = clean(str(error)) or "no reason is given"
            self._reject(reading.reject("encode", type(error).__name__, reason, reading.planned.source))
            return None

    def _encode(self, reading: Reading) -> dict[str, Any]:
        with self._timed("encode"):
            provenance = [reading.provenance[column] for column in sorted(reading.provenance)]
            reading.columns["provenance"] = provenance
            self.gaps.note(reading, self.source.schema.names)
            for row in provenance:
                if reading.has(str(row["column"])):
                    self.origins[str(row["column"])][str(row["origin"])] += 1
            name = reading.record_id.rsplit("/", 1)[-1]
            return {
                field.name: reading.kept[field.name]
                if field.name in reading.kept
                else record.encode(field, reading.columns.get(field.name), f"{name}.{field.name}.png")
                for field in self.source.schema
            }

    def _reject(self, rejection: Rejection) -> None:
        row = {name: getattr(rejection, name) for name in ("record_id", "stage", "error", "message", "source")}
        self.rejects.append(row)

    def _timed(self, name: str) -> "_Timer":
        return _Timer(self.seconds, name)


def _leave_null(reading: Reading) -> None:
    """Says of columns whose shipped file can't be read, and which nothing computes, why they are null."""
    for column, (message, path) in sorted(reading.unreadable.items()):
        if not reading.has(column):
            reading.came_from(column, "dataset", None, reading.digests.get(path), _unreadable(message, path))


def _unreadable(message: str, path: str) -> str:
    return f"{record.SHIPPED_UNREADABLE}: {message} ({PurePosixPath(path).name})"


def chunks(readings: Iterable[Reading], most: int, pixels: int) -> Iterator[list[Reading]]:
    """Up to `most` records at a time, and no further one where another as large would go above `pixels`."""
    chunk: list[Reading] = []
    ahead = 0
    for reading in readings:
        size = reading.pixels
        ahead += size
        chunk.append(reading)
        del reading
        if len(chunk) == most or ahead + size > pixels:
            yield chunk
            chunk, ahead = [], 0
    if chunk:
        yield chunk


def _room(outcomes: list[Outcome]) -> int:
    """How many further entries may be decoded where they are as large as this one."""
    pixels = sum(outcome.pixels for outcome in outcomes if isinstance(outcome, Reading))
    return PIXELS_AHEAD // 4 // max(pixels, 1)


class _Timer:
    """Adds the seconds inside it to those under its name; from any thread."""

    _lock = threading.Lock()

    def __init__(self, seconds: defaultdict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.add(time.perf_counter() - self.start)

    def add(self, spent: float) -> None:
        with self._lock:
            self.seconds[self.name] += spent


def _digests(item: Planned, root: InputFolder, known: dict[str, str]) -> dict[str, str]:
    """Digests of all inputs of a record not read to the end, so that a later run can tell a touch from a change."""
    found = {}
    for path in sorted({path for path, _ in item.references.values()} - set(known)):
        try:
            found[path] = root.sha256(path)
        except OSError:
            continue
    return found


@lru_cache(maxsize=1)
def _quiet_threads() -> None:
    """One thread per worker in OpenCV: workers are the parallelism, and results don't depend on the machine."""
    import cv2

    cv2.setNumThreads(1)
