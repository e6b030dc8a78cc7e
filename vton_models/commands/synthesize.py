"""Makes training data of a model's own results: each person, also shown in a garment that isn't theirs."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import vton_models
from schemas.cli import flags
from schemas.cli.flags import UsageError, flag, one_line
from vton_models.command_line import model_flags, weights_flags
from vton_models.command_line.weights_flags import Given, WeightsFlags
from vton_models.sampling import sample_flags
from vton_models.sampling.sample_flags import SettingsFlags

if TYPE_CHECKING:
    from vton_models.reading.pairing import Index, Pair
    from vton_models.sampling.loop import Settings
    from vton_models.synthesis.folder import Source
    from vton_models.synthesis.synthesis import Receipt

PROG = "python -m vton_models synthesize"
EXAMPLES = """\
  python -m vton_models synthesize catvton --shards output/build_vitonhd --weights RUN --output output/synthetic
  python -m vton_models train catvton --mask-free --shards output/synthetic --init base:instruct-pix2pix"""


@dataclass(frozen=True)
class Flags(SettingsFlags, WeightsFlags):
    """Flags of this command."""

    shards: str = flag("", help="folder of a finished build; its paired records are taken", metavar="DIR")
    output: str | None = flag(None, help="folder of the new shards (default output/synthesize/MODEL)", metavar="DIR")
    split: str | None = flag(None, help="split of the shards (default all)")
    paste_back: bool = flag(True, help="outside the mask the source is the real photo, not what the VAE made of it")


@dataclass(frozen=True)
class Request:
    """A checked command line, and the records to work on."""

    given: Given
    flags: Flags
    output: Path
    source: "Source"
    index: "Index"
    pairs: "tuple[Pair, ...]"
    left_out: tuple[dict[str, str], ...]
    unpaired: int
    columns: tuple[tuple[str, ...], tuple[str, ...]]  # needed, read


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 can't go on, 3 too many rejects. Raises UsageError before weights are loaded."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parser().print_help()
        return 0
    module, name = model_flags.named(arguments), arguments[0]
    values = parser(module, name).parse_args(list(arguments[1:]))
    given = Flags(**{item.name: getattr(values, item.name) for item in fields(Flags)})
    weights = weights_flags.check(name, module, given, model_flags.given_options(values, module.Config))
    sample_flags.check_settings(given)
    if not given.shards:
        raise UsageError("--shards is missing; allowed is the folder of a finished build")
    if weights.mask_free:
        raise UsageError("a mask-free model learns from synthesised records; allowed are weights that read a mask")
    return run(read(weights, given))


def parser(module: ModuleType | None = None, name: str = "MODEL") -> flags.Parser:
    about = f"models: {', '.join(vton_models.names())}" if module is None else str(module.__doc__)
    made = flags.parser(f"{PROG} {name}", f"{__doc__}\n\n{about}", EXAMPLES, Flags)
    if module is not None:
        model_flags.add_options(made, module.Config)
    return made


def read(given: Given, wanted: Flags) -> Request:
    """Lists the shards and draws a garment for every paired record. Raises UsageError."""
    from vton_models.reading import completeness, pairing
    from vton_models.reading.catalogue import catalogue
    from vton_models.sampling import shard_tasks
    from vton_models.synthesis import folder

    output = Path(wanted.output or f"output/synthesize/{given.name}")
    if output.resolve() == Path(wanted.shards).resolve():
        raise UsageError(f"--output {output} is the folder that is read; allowed is another one")
    model = weights_flags.outline(given)
    weights_flags.pick_device(wanted.device)
    index = pairing.index(wanted.shards, wanted.split)
    paired = [row for row in index.rows if row.paired]
    if not paired:
        raise UsageError(
            f"none of {len(index.rows)} records of {wanted.shards} is paired; nothing could be learnt of them"
        )
    columns = shard_tasks.columns(index, model, "paired", wanted.paste_back)
    lacking = completeness.incomplete(catalogue([wanted.shards], None, wanted.split, None), columns[0])
    usable, left_out = shard_tasks.usable(pairing.at_random(paired, wanted.seed), lacking, columns[0])
    unpaired = len(index.rows) - len(paired)
    source = folder.source(wanted.shards)
    return Request(given, wanted, output, source, index, tuple(usable), tuple(left_out), unpaired, columns)


def run(request: Request) -> int:
    """Synthesises; the last line on stdout says what came out."""
    started = time.perf_counter()
    from vton_models.sampling import loop
    from vton_models.synthesis import folder, synthesis

    given = request.flags
    model, digest = weights_flags.build(request.given)
    try:
        wanted = loop.settings(model, given.seed, given.num_inference_steps, given.guidance_scale, given.eta)
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    sampler = loop.Sampler(model, wanted)
    config = describe(request, wanted, digest, sampler.size)
    synthesis.begin(request.output, config, given.overwrite)
    finish = loop.Finish(sampler, "paste_back" if given.paste_back else "")
    work = synthesis.Synthesis(request.output, sampler, finish, given.batch_size, request.given.name, digest)
    try:
        receipts, skipped = make(request, work)
    except loop.SamplingError as error:
        print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1
    about = request.given.module.ABOUT
    folder.write(request.output, request.source, request.index, config, about, receipts, request.left_out)
    synthesis.end(request.output)
    return report(request, receipts, skipped, started)


def make(request: Request, work: Any) -> "tuple[list[Receipt], int]":
    """Receipts of all shards in order, and how many were there before."""
    from vton_models.reading.stored_records import StoredRecords
    from vton_models.sampling import shard_tasks

    stored, receipts, skipped = StoredRecords(request.index.schema), [], 0
    for number, shard in enumerate(request.index.shards):
        pairs = [pair for pair in request.pairs if pair.person.url == shard.url]
        print(f"{shard.name} ({number + 1} of {len(request.index.shards)}): {len(pairs)} records", file=sys.stderr)
        receipt, was_there = work.shard(shard, pairs, list(shard_tasks.tasks(pairs, stored, *request.columns)))
        receipts.append(receipt)
        skipped += was_there
    return receipts, skipped


def describe(request: Request, wanted: "Settings", digest: str, size: tuple[int, int]) -> dict[str, Any]:
    """config.json: everything that the new shards depend on."""
    return {
        "model": request.given.name,
        "weights_digest": digest,
        "source_manifest_sha256": request.source.sha256,
        "split": request.flags.split,
        "height": size[0],
        "width": size[1],
        "paste_back": request.flags.paste_back,
        **asdict(wanted),
    }


def report(request: Request, receipts: "Sequence[Receipt]", skipped: int, started: float) -> int:
    """The exit code."""
    records, rejects = sum(one.rows for one in receipts), sum(len(one.rejects) for one in receipts)
    result = {
        "output": str(request.output),
        "model": request.given.name,
        "records": records,
        "rejects": rejects,
        "left_out": len(request.left_out) + request.unpaired,
        "shards": len(receipts),
        "skipped_shards": skipped,
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(result))
    if records and rejects <= request.flags.max_reject_rate * (records + rejects):
        return 0
    print(f"{PROG}: {rejects} of {records + rejects} records rejected: see rejects.parquet", file=sys.stderr)
    return 3
