"""Puts garments on people: on records of shards, or on a photo."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import vton_models
from schemas import package
from schemas.cli import flags
from schemas.cli.flags import UsageError, one_line
from vton_models.command_line import model_flags, weights_flags
from vton_models.command_line.weights_flags import Given
from vton_models.sampling import sample_flags
from vton_models.sampling.sample_flags import Flags

if TYPE_CHECKING:
    from vton_models.reading.pairing import Index, Pair
    from vton_models.sampling.loop import Made, Sampler, Task
    from vton_models.sampling.photo_tasks import Photos

PROG = "python -m vton_models sample"
EXAMPLES = """\
  python -m vton_models sample catvton --weights output/train/catvton --shards output/build_vitonhd --split test
  python -m vton_models sample catvton --weights RUN --person me.jpg --garment shirt.jpg --mask mask.png --paste-back
  python -m vton_models sample catvton --weights base:stable-diffusion-inpainting --official mix-48k-1024 \\
      --height 1024 --width 768 --person me.jpg --upper shirt.jpg --lower skirt.jpg --annotator-weights weights
  python -m vton_models sample catvton --weights RUN --person me.jpg --garment-person friend.jpg --mask-type overall"""


@dataclass(frozen=True)
class Request:
    """A checked command line, and what it reads: photos, or pairs of the records in an index."""

    given: Given
    flags: Flags
    folder: Path
    index: "Index | None" = None
    pairs: "Sequence[Pair]" = ()
    left_out: Sequence[dict[str, str]] = ()
    columns: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # needed, read
    photos: "Photos | None" = None


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 can't go on, 3 done with too many rejects or no result. Raises UsageError."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parser().print_help()
        return 0
    module, name = model_flags.named(arguments), arguments[0]
    values = parser(module, name).parse_args(list(arguments[1:]))
    given = Flags(**{item.name: getattr(values, item.name) for item in fields(Flags)})
    weights = weights_flags.check(name, module, given, model_flags.given_options(values, module.Config))
    sample_flags.check(given, weights.mask_free)
    return run(read(weights, given))


def parser(module: ModuleType | None = None, name: str = "MODEL") -> flags.Parser:
    about = f"models: {', '.join(vton_models.names())}" if module is None else str(module.__doc__)
    made = flags.parser(f"{PROG} {name}", f"{__doc__}\n\n{about}", EXAMPLES, Flags)
    if module is not None:
        model_flags.add_options(made, module.Config)
    return made


def read(given: Given, wanted: Flags) -> Request:
    """Lists the shards, or decodes the photos and draws their masks. Raises UsageError before weights are loaded."""
    from vton_models.sampling import photo_tasks

    folder = Path(wanted.output or f"output/sample/{given.name}")
    model = weights_flags.outline(given)
    device = weights_flags.pick_device(wanted.device)
    if wanted.shards:
        return read_shards(Request(given, wanted, folder), model)
    return Request(given, wanted, folder, photos=photo_tasks.load(wanted, given.mask_free, device))


def read_shards(request: Request, model: Any) -> Request:
    """With its pairs: those that have all that the model reads, up to the limit. Raises UsageError."""
    from vton_models.reading import completeness, pairing
    from vton_models.reading.catalogue import catalogue
    from vton_models.sampling import shard_tasks

    given = request.flags
    index = pairing.index(given.shards, given.split)
    columns = shard_tasks.columns(index, model, given.how, bool(given.finish))
    chosen = pairing.choose(index.rows, given.how, given.seed)
    lacking = completeness.incomplete(catalogue([given.shards], None, given.split, None), columns[0])
    usable, left_out = shard_tasks.usable(chosen, lacking, columns[0])
    pairs = tuple(usable[: given.limit])
    return replace(request, index=index, pairs=pairs, left_out=tuple(left_out), columns=columns)


def run(request: Request) -> int:
    """Samples; the last line on stdout says what came out."""
    started = time.perf_counter()
    from vton_models.sampling import loop, outputs

    given, folder = request.flags, request.folder
    model, digest = weights_flags.build(request.given)
    try:
        wanted = loop.settings(model, given.seed, given.num_inference_steps, given.guidance_scale, given.eta)
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    sampler = loop.Sampler(model, wanted)
    ours = ("*.png", outputs.SAMPLES_FILE, outputs.REJECTS_FILE)
    outputs.begin(folder, describe(request, sampler, digest), given.overwrite, ours)
    try:
        made = make(request, sampler, digest)
    except loop.SamplingError as error:
        print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1
    rows = loop.rows(made, wanted, digest, folder, outputs.size_of)
    outputs.write_table(folder / outputs.SAMPLES_FILE, rows, outputs.SAMPLES)
    outputs.write_table(folder / outputs.REJECTS_FILE, [*made.rejects, *request.left_out], outputs.REJECTS)
    return report(request, made, started)


def tasks(request: Request) -> "list[Task]":
    from vton_models.reading.stored_records import StoredRecords
    from vton_models.sampling import photo_tasks, shard_tasks

    if request.photos is not None:
        return list(photo_tasks.tasks(request.photos, request.folder))
    assert request.index is not None
    return list(shard_tasks.tasks(request.pairs, StoredRecords(request.index.schema), *request.columns))


def describe(request: Request, sampler: "Sampler", digest: str) -> dict[str, Any]:
    """config.json: what results of one folder have in common; no path, and nothing of where they were computed."""

    given = request.flags
    source: dict[str, Any] = {"photos": request.photos.described()} if request.photos else {}
    if request.index is not None:
        source = {"shards": request.index.fingerprint, "split": given.split, "pairs": given.how, "limit": given.limit}
    height, width = sampler.size
    return {
        "model": request.given.name,
        "package": package.described(),
        "weights_digest": digest,
        "height": height,
        "width": width,
        "finish": given.finish,
        **asdict(sampler.settings),
        **source,
    }


def make(request: Request, sampler: "Sampler", digest: str) -> "Made":
    """Photos one after the other, since a piece of an outfit goes onto the result before it; records in batches."""
    from vton_models.sampling import loop, outputs

    def encode(task: "Task", picture: Any) -> bytes:
        return outputs.marked_png(picture, notes(request.given, task, sampler, digest))

    batch_size = 1 if request.photos else request.flags.batch_size
    finish = loop.Finish(sampler, request.flags.finish)
    return loop.run(tasks(request), request.folder, batch_size, loop.Work(sampler, finish, encode))


def notes(given: Given, task: "Task", sampler: "Sampler", digest: str) -> dict[str, str]:
    """The text of a result's file."""
    written_by, name = package.described(), given.module.ABOUT.title.partition(":")[0]
    told = sampler.settings
    settings = f"steps {told.num_inference_steps}, guidance {told.guidance_scale:g}"
    return {
        "Software": f"{written_by['name']} {written_by['version']}",
        "Comment": f"generated by a model ({name})",
        "Model": given.name,
        "WeightsDigest": digest,
        "Seed": str(told.seed),
        "Settings": settings if told.eta is None else f"{settings}, eta {told.eta:g}",
        "Record": task.record_id,
        "Garment": task.garment_id or "",
    }


def report(request: Request, made: "Made", started: float) -> int:
    """The exit code."""
    count, rejects = len(made.done), len(made.rejects)
    result = {
        "output": str(request.folder),
        "model": request.given.name,
        "samples": count,
        "rejects": rejects,
        "left_out": len(request.left_out),
        "skipped": made.skipped,
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(result))
    if count and rejects <= request.flags.max_reject_rate * (count + rejects):
        return 0
    print(f"{PROG}: {rejects} of {count + rejects} rejected: see rejects.parquet", file=sys.stderr)
    return 3
