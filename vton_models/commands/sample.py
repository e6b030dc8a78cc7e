"""Puts garments on people: on records of shards, or on a photo."""

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.cli.flags import one_line
from schemas.messages import counted
from vton_models.command_line import weights_flags
from vton_models.sampling import reasons, requests, sample_flags
from vton_models.sampling.requests import Request

if TYPE_CHECKING:
    from vton_models.sampling.grid import Heading
    from vton_models.sampling.loop import Results, Sampler

PROG = "python -m vton_models sample"
EXAMPLES = """\
  python -m vton_models sample catvton --weights output/train/catvton --shards output/build_vitonhd --split test
  python -m vton_models sample catvton --weights RUN --person me.jpg --garment shirt.jpg --mask mask.png --paste-back
  python -m vton_models sample catvton --weights base:stable-diffusion-inpainting --official mix-48k-1024 \\
      --height 1024 --width 768 --person me.jpg --upper shirt.jpg --lower skirt.jpg --annotator-weights weights
  python -m vton_models sample catvton --weights RUN --person me.jpg --garment-person friend.jpg --mask-type overall"""


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 can't go on, 3 done with too many rejects or no result. Raises UsageError."""
    return run(requests.read(arguments, prog=PROG, description=__doc__ or "", examples=EXAMPLES))


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
    outputs.samples_folder(folder).begin(requests.describe(request, sampler, digest), flags.overwrite)
    try:
        results = requests.make(request, sampler, digest)
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


def heading(request: Request, sampler: "Sampler", digest: str, count: int) -> "Heading":
    """What the page of the results says above them."""
    from vton_models.sampling.grid import Heading

    return Heading(
        f"{request.weights.name}: {counted(count, 'result')}",
        weights_flags.is_tiny(request.weights),
        requests.describe(request, sampler, digest),
        requests.marks(request.weights, sampler, digest),
    )


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
