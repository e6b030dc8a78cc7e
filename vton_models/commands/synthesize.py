"""Makes training data of a model's own results: each person, also shown in a garment that isn't theirs."""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.cli.flags import Section, UsageError, flag, one_line
from schemas.folders import open_folder, places
from schemas.kinds import TRYON
from schemas.messages import counted
from vton_models.command_line import model_flags, weights_flags
from vton_models.command_line.weights_flags import ChosenWeights
from vton_models.sampling import reasons, sample_flags
from vton_models.sampling.sample_flags import SamplingFlags
from vton_models.system import Sampling

if TYPE_CHECKING:
    from schemas.finished.manifest import Manifest
    from schemas.finished.rewriting import ShardReceipt
    from vton_models.reading.pairing import Index, Pair
    from vton_models.reading.view import View
    from vton_models.sampling.loop import Sampler
    from vton_models.synthesis.synthesis import Synthesis

MASK = "agnostic_mask"
PROG = "python -m vton_models synthesize"
EXAMPLES = """\
  python -m vton_models synthesize catvton --shards output/build_vitonhd --weights RUN --output output/synthetic
  python -m vton_models train catvton --mask-free --shards output/synthetic --init base:instruct-pix2pix"""


@dataclass(frozen=True)
class Flags(SamplingFlags):
    """Flags of this command."""

    shards: str = flag("", help="folder of a finished build; its paired records are taken", metavar="DIR")
    output: str | None = flag(None, help="folder of the new shards (default output/synthesize/MODEL)", metavar="DIR")
    split: str | None = flag(None, help="split of the shards (default all)")
    paste_back: bool = flag(True, help="outside the mask the source is the real photo, not what the VAE made of it")


@dataclass(frozen=True)
class Request:
    """A checked command line, and the records to work on."""

    weights: ChosenWeights
    flags: Flags
    sampling: Sampling
    output: Path
    source: "Manifest"
    index: "Index"
    pairs: "tuple[Pair, ...]"
    left_out: tuple[dict[str, str], ...]
    unpaired: int
    view: "View"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 can't go on, 3 too many rejects. Raises UsageError before weights are loaded."""
    line = model_flags.parse(
        arguments,
        Flags,
        prog=PROG,
        description=__doc__ or "",
        examples=EXAMPLES,
        sections=lambda system: [Section(system.Config.sampling)],
    )
    sampling = line.parsed.of(Section(line.module.Config.sampling))
    weights = weights_flags.check(line.name, line.module, line.flags, line.options)
    if not line.flags.shards:
        raise UsageError("--shards is missing; allowed is the folder of a finished build")
    if MASK not in weights.config.reads(TRYON.name).needed:
        raise UsageError("a mask-free model learns from synthesised records; allowed are weights that read a mask")
    request = read(weights, line.flags, sampling)
    from vton_models.synthesis.synthesis import shards_folder

    with shards_folder(request.output).locked("synthesising"):
        return run(request)


def read(weights: ChosenWeights, flags: Flags, sampling: Sampling) -> Request:
    """Lists the shards and draws a garment for every paired record. Raises UsageError."""
    from schemas.finished import manifest
    from vton_models.reading import pairing
    from vton_models.reading.catalogue import catalogue
    from vton_models.sampling import shard_tasks
    from vton_models.synthesis import synthesis

    output = places.writable("--output", flags.output or f"output/synthesize/{weights.name}")
    if os.path.realpath(output) == os.path.realpath(flags.shards):
        raise UsageError(f"--output {output} is the folder that is read; allowed is another one")
    synthesis.shards_folder(output).held()  # whether it may be written is known before weights are loaded
    weights_flags.pick_device(flags.device)
    index = pairing.index(flags.shards, flags.split)
    paired = [row for row in index.rows if row.paired]
    if not paired:
        raise UsageError(
            f"none of {counted(len(index.rows), 'record')} of {flags.shards} is paired; nothing could be learnt of them"
        )
    listed = catalogue([flags.shards], None, flags.split, None)
    seen = shard_tasks.view_of(listed, weights.config, "paired", flags.paste_back)
    if seen.told:
        print(seen.told, file=sys.stderr)
    usable, left_out = shard_tasks.usable(pairing.at_random(paired, flags.seed), seen.incomplete(listed), seen.needed)
    unpaired = len(index.rows) - len(paired)
    source = manifest.read(open_folder(flags.shards))
    return Request(weights, flags, sampling, output, source, index, tuple(usable), tuple(left_out), unpaired, seen)


def run(request: Request) -> int:
    """Synthesises; the last line on stdout says what came out."""
    started = time.perf_counter()
    from schemas.finished import manifest
    from vton_models.networks import compiling
    from vton_models.sampling import loop
    from vton_models.sampling.finish import Finish
    from vton_models.synthesis import folder, synthesis

    flags = request.flags
    model, digest = sample_flags.build(request.weights)
    sampler = loop.Sampler(model, loop.Settings(flags.seed, request.sampling))
    config = describe(request, sampler, digest)
    rewriting = synthesis.begin(flags.shards, request.output, config, flags.overwrite)
    partial, finish = request.output / synthesis.PARTIAL, Finish(sampler, flags.paste_back)
    name = request.weights.name
    work = synthesis.Synthesis(rewriting, partial, sampler, finish, flags.batch_size, name, digest)
    try:
        receipts, skipped = make(request, work)
    except (loop.SamplingError, manifest.Damaged) as error:
        print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1
    if flags.compile:
        print(compiling.told(), file=sys.stderr)
    told = folder.told(config, request.weights.system.ABOUT, request.left_out)
    rewriting.finish(request.source, receipts, told)
    shutil.rmtree(partial, ignore_errors=True)
    return report(request, receipts, skipped, started)


def make(request: Request, work: "Synthesis") -> "tuple[list[ShardReceipt], int]":
    """Receipts of all shards in order, and how many were there before."""
    from vton_models.reading.stored_records import StoredRecords
    from vton_models.sampling import shard_tasks

    stored, receipts, skipped = StoredRecords(request.index.schema), [], 0
    for number, shard in enumerate(request.index.shards):
        pairs = [pair for pair in request.pairs if pair.person.url == shard.url]
        print(
            f"{shard.name} ({number + 1} of {len(request.index.shards)}): {counted(len(pairs), 'record')}",
            file=sys.stderr,
        )
        receipt, was_there = work.shard(shard, pairs, list(shard_tasks.tasks(pairs, stored, request.view)))
        receipts.append(receipt)
        skipped += was_there
    return receipts, skipped


def describe(request: Request, sampler: "Sampler", digest: str) -> dict[str, Any]:
    """config.json: everything that the new shards depend on."""
    height, width = sampler.size
    return {
        "model": request.weights.name,
        "weights_digest": digest,
        "source_manifest_sha256": request.source.sha256,
        "split": request.flags.split,
        "height": height,
        "width": width,
        "paste_back": request.flags.paste_back,
        **sampler.settings.described(),
        **request.view.described,
    }


def report(request: Request, receipts: "Sequence[ShardReceipt]", skipped: int, started: float) -> int:
    """The exit code."""
    records, rejects = sum(one.rows for one in receipts), sum(len(one.rejects) for one in receipts)
    result = {
        "output": str(request.output),
        "model": request.weights.name,
        "records": records,
        "rejects": rejects,
        "left_out": len(request.left_out) + request.unpaired,
        "shards": len(receipts),
        "skipped_shards": skipped,
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(result))
    unpaired = f"{request.unpaired} left out: not paired, so nothing could be learnt of them"
    told = reasons.lines([row for receipt in receipts for row in receipt.rejects], request.left_out)
    for line in [*told, *([unpaired] if request.unpaired else [])]:
        print(line, file=sys.stderr)
    if records and rejects <= request.flags.max_reject_rate * (records + rejects):
        return 0
    print(f"{PROG}: {rejects} of {counted(records + rejects, 'record')} rejected: see rejects.parquet", file=sys.stderr)
    return 3
