"""Puts garments on people: on records of shards, or on a photo."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import Field, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas import package
from schemas.cli.flags import Section, flag, one_line
from schemas.folders import places
from schemas.messages import counted
from vton_models.command_line import model_flags, weights_flags
from vton_models.command_line.weights_flags import ChosenWeights
from vton_models.sampling import reasons, sample_flags, tasks
from vton_models.sampling.sample_flags import SamplingFlags
from vton_models.sampling.tasks import Inputs, Kind, Setting
from vton_models.system import Sampling, System

if TYPE_CHECKING:
    from vton_models.sampling.grid import Heading
    from vton_models.sampling.loop import Results, Sampler, Task

PROG = "python -m vton_models sample"
EXAMPLES = """\
  python -m vton_models sample catvton --weights output/train/catvton --shards output/build_vitonhd --split test
  python -m vton_models sample catvton --weights RUN --person me.jpg --garment shirt.jpg --mask mask.png --paste-back
  python -m vton_models sample catvton --weights base:stable-diffusion-inpainting --official mix-48k-1024 \\
      --height 1024 --width 768 --person me.jpg --upper shirt.jpg --lower skirt.jpg --annotator-weights weights
  python -m vton_models sample catvton --weights RUN --person me.jpg --garment-person friend.jpg --mask-type overall"""


@dataclass(frozen=True)
class Flags(SamplingFlags):
    """Flags of this command, whatever the system and the kind of task."""

    output: str | None = flag(None, help="folder of the results (default output/sample/MODEL)", metavar="DIR")


@dataclass(frozen=True)
class Request:
    """A checked command line, and what it reads."""

    weights: ChosenWeights
    flags: Flags
    sampling: Sampling
    kind: Kind
    inputs: Inputs
    folder: Path


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 can't go on, 3 done with too many rejects or no result. Raises UsageError."""
    return run(read(arguments))


def read(arguments: Sequence[str]) -> Request:
    """Lists the shards, or decodes the photos and draws their masks. Raises UsageError before weights are loaded."""
    line = model_flags.parse(
        arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES, sections=sections
    )
    system = line.module
    sampling = line.parsed.of(Section(system.Config.sampling))
    weights = weights_flags.check(line.name, system, line.flags, line.options)
    kind = tasks.chosen(system.Config, line.parsed)
    folder = places.writable("--output", line.flags.output or f"output/sample/{line.name}")
    setting = Setting(weights.config, line.flags.seed, line.flags.device, weights_flags.trained_masks(weights))
    from vton_models.sampling import outputs

    request = Request(weights, line.flags, sampling, kind, kind.read(line.parsed, setting), folder)
    outputs.samples_folder(request.folder).held()  # whether it may be written is known before weights are loaded
    return request


def sections(system: System) -> list[Section[Any]]:
    """The system's own settings, and the flags of the kinds of task that it answers, each name once."""
    sections: list[Section[Any]] = [Section(system.Config.sampling)]
    for kind in tasks.kinds(system.Config):
        for dataclass_of_flags in kind.flags_of(system.Config):
            taken = frozenset(item.name for section in sections for item in section.fields)
            sections.append(Section(dataclass_of_flags, only=partial(_is_new, taken)))
    return sections


def _is_new(taken: frozenset[str], item: Field[Any]) -> bool:
    return item.name not in taken


def run(request: Request) -> int:
    """Samples; the last line on stdout says what came out."""
    started = time.perf_counter()
    from schemas.finished import tables
    from vton_models.networks import compiling
    from vton_models.sampling import grid, loop, outputs

    flags, folder, inputs = request.flags, request.folder, request.inputs
    if inputs.told:
        print(inputs.told, file=sys.stderr)
    model, digest = sample_flags.build(request.weights)
    settings = loop.Settings(flags.seed, request.sampling)
    sampler = loop.Sampler(model, settings)
    outputs.samples_folder(folder).begin(describe(request, sampler, digest), flags.overwrite)
    try:
        results = make(request, sampler, digest)
    except loop.SamplingError as error:
        print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1
    for what, off in model.approximated.items():
        print(f"{what} is an approximation: predictions were up to {off:.1%} off where that was seen", file=sys.stderr)
    if flags.compile:
        print(compiling.told(), file=sys.stderr)
    schema = outputs.samples_schema(type(request.sampling), request.kind.IDS, request.kind.FACTS)
    rows = loop.rows(results, settings, digest, folder, outputs.size_of)
    outputs.write_table(folder / outputs.SAMPLES_FILE, rows, schema)
    outputs.write_table(folder / tables.REJECTS_FILE, [*results.rejects, *inputs.left_out], tables.REJECTS)
    grid.write(folder, results.done, heading(request, sampler, digest, len(results.done)))
    return report(request, results, started)


def describe(request: Request, sampler: "Sampler", digest: str) -> dict[str, Any]:
    """config.json: what results of one folder have in common; no path, and nothing of where they were computed."""
    height, width = sampler.size
    return {
        "model": request.weights.name,
        "package": package.described(),
        "weights_digest": digest,
        "height": height,
        "width": width,
        **sampler.settings.described(),
        **request.inputs.described(),
    }


def make(request: Request, sampler: "Sampler", digest: str) -> "Results":
    """One after the other where a task reads the result before it; else in batches."""
    from vton_models.sampling import loop, outputs

    def encode(task: "Task", picture: Any) -> bytes:
        return outputs.marked_png(picture, notes(request.weights, task, sampler, digest))

    batch_size = 1 if request.inputs.one_by_one else request.flags.batch_size
    work = loop.Work(sampler, request.inputs.finish(sampler), encode)
    return loop.run(request.inputs.tasks(request.folder), request.folder, batch_size, work)


def heading(request: Request, sampler: "Sampler", digest: str, count: int) -> "Heading":
    """What the page of the results says above them."""
    from vton_models.sampling.grid import Heading

    return Heading(
        f"{request.weights.name}: {counted(count, 'result')}",
        weights_flags.is_tiny(request.weights),
        describe(request, sampler, digest),
        marks(request.weights, sampler, digest),
    )


def notes(weights: ChosenWeights, task: "Task", sampler: "Sampler", digest: str) -> dict[str, str]:
    """The text of a result's file."""
    return {**marks(weights, sampler, digest), "Record": task.record_id, **task.notes}


def marks(weights: ChosenWeights, sampler: "Sampler", digest: str) -> dict[str, str]:
    """The text of every picture that is made here."""
    written_by, name = package.described(), weights.system.ABOUT.title.partition(":")[0]
    return {
        "Software": f"{written_by['name']} {written_by['version']}",
        "Comment": f"generated by a model ({name})",
        "Model": weights.name,
        "WeightsDigest": digest,
        "Seed": str(sampler.settings.seed),
        "Settings": sampler.settings.told,
        **({"Networks": "tiny random networks"} if weights_flags.is_tiny(weights) else {}),
    }


def report(request: Request, results: "Results", started: float) -> int:
    """The exit code."""
    count, rejects = len(results.done), len(results.rejects)
    result = {
        "output": str(request.folder),
        "model": request.weights.name,
        "samples": count,
        "rejects": rejects,
        "left_out": len(request.inputs.left_out),
        "skipped": results.skipped,
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(result))
    for line in reasons.lines(results.rejects, request.inputs.left_out):
        print(line, file=sys.stderr)
    if count and rejects <= request.flags.max_reject_rate * (count + rejects):
        return 0
    print(f"{PROG}: {rejects} of {count + rejects} rejected: see rejects.parquet", file=sys.stderr)
    return 3
