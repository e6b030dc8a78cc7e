"""The pipeline that every Beam runner gets: one straight line without branches, in which only numbers travel."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.runners._totals import Totals, from_json
from schemas.cli.flags import Parser, UnknownFlag

UnitFunction = Callable[[int], Totals]
TOTALS = "totals"
_logger = logging.getLogger(__name__)


class BuildShard(beam.DoFn):
    """Unit number, or what else the job takes → totals; records, rejects and seconds go to Beam's metrics."""

    def __init__(self, job: Callable[[Any], Totals]) -> None:
        self.job = job

    def process(self, element: Any) -> Iterable[Totals]:
        totals = self.job(element)
        Metrics.counter("vton", "records").inc(totals.records)
        Metrics.counter("vton", "rejects").inc(totals.rejects)
        for name, seconds in totals.seconds:
            Metrics.distribution("vton", f"{name}_ms").update(round(1000 * seconds))
        for failure in totals.failures:  # for the log of a worker far away; not every runner brings the totals back
            _logger.warning(failure)
        yield totals


class SumTotals(beam.CombineFn):
    def create_accumulator(self) -> Totals:
        return Totals()

    def add_input(self, accumulator: Totals, element: Totals) -> Totals:
        return accumulator + element

    def merge_accumulators(self, accumulators: Iterable[Totals]) -> Totals:
        return sum(accumulators, Totals())

    def extract_output(self, accumulator: Totals) -> Totals:
        return accumulator


class Report(beam.DoFn):
    """The one sum → a metric, which is how the starting process gets it.

    A pipeline has no results but metrics that every runner brings back: a file would need a place that workers and
    the starting process share and that isn't the output, whose disk may be the very reason of a failure. A set of
    strings holds one text also where a bundle was run twice.
    """

    def process(self, totals: Totals) -> None:
        Metrics.string_set("vton", TOTALS).add(totals.to_json())


def run(job: UnitFunction, numbers: Sequence[int], runner: Any, options: Sequence[str]) -> Totals:
    """Runs the pipeline to its end; returns the sum of the units' totals, as far as the runner tells them."""
    result = submit(job, numbers, runner, options)
    result.wait_until_finish()
    reported = result.metrics().query(MetricsFilter().with_name(TOTALS))["string_sets"]
    sums = [from_json(text) for entry in reported for text in entry.result or ()]
    return max(sums, key=lambda totals: totals.units + totals.failed, default=Totals())


def submit(job: UnitFunction, numbers: Sequence[int], runner: Any, options: Sequence[str]) -> Any:
    """Starts the whole pipeline; returns Beam's result."""
    pipeline, built = _pipeline(job, numbers, runner, options)
    _ = built | "sum" >> beam.CombineGlobally(SumTotals()) | "report" >> beam.ParDo(Report())
    return pipeline.run()


def start(job: Callable[[Any], Totals], elements: Sequence[Any], runner: Any, options: Sequence[str]) -> Any:
    """Starts the pipeline up to the step that builds; returns Beam's result, for engines that add up otherwise."""
    pipeline, _ = _pipeline(job, elements, runner, options)
    return pipeline.run()


def _pipeline(job: Callable[[Any], Totals], elements: Sequence[Any], runner: Any, options: Sequence[str]) -> Any:
    """The pipeline, and in it the totals of each element."""
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(list(options)))
    # Plain ints: elements of half a kilobyte were seen to get lost in FnApiRunner's threads.
    created = pipeline | "units" >> beam.Create(list(elements)) | "spread" >> beam.Reshuffle()
    return pipeline, created | "build" >> beam.ParDo(BuildShard(job))


def local_runner() -> Any:
    """Beam's in-process runner."""
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner()


def check(options: Sequence[str]) -> None:
    """Raises UnknownFlag for a flag that no Beam option class knows, or a value that it refuses."""
    parser: Any = Parser(add_help=False, conflict_handler="resolve")
    for options_class in PipelineOptions.__subclasses__():
        options_class._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(options))
    if unknown:
        flag = unknown[0]
        raise UnknownFlag(flag, f"unknown flag {flag!r}; --help lists this command's, and Beam has none of that name")
