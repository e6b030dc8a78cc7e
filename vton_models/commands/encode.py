"""Stores what a model's frozen networks make of each record, so that training needn't run them every step."""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vton_models
from schemas.cli.flags import UsageError, flag, one_line
from schemas.cli.suggestions import suggestion
from schemas.folders import open_folder, places
from schemas.messages import counted, share
from vton_models.command_line import model_flags, weights_flags
from vton_models.command_line.weights_flags import ChosenWeights, WeightsFlags
from vton_models.networks import threads
from vton_models.system import EncodingConfig, Model

if TYPE_CHECKING:
    from schemas.finished.manifest import Manifest
    from schemas.finished.rewriting import ShardReceipt
    from vton_models.encoding.encoding import Encoding
    from vton_models.reading.catalogue import Catalogue
    from vton_models.reading.shard_files import Shard
    from vton_models.reading.view import View

PROG = "python -m vton_models encode"
EXAMPLES = """\
  python -m vton_models encode catvton --shards output/build_vitonhd --weights base:BASE --output output/encoded
  python -m vton_models train catvton --shards output/encoded --init base:BASE"""


@dataclass(frozen=True)
class Flags(WeightsFlags):
    """Flags of this command. Raises UsageError naming the first value that is out of range."""

    shards: str = flag("", help="folder of a finished build", metavar="DIR")
    output: str | None = flag(None, help="folder of the new shards (default output/encode/MODEL)", metavar="DIR")
    split: str | None = flag(None, help="split of the shards (default all)")
    networks: tuple[str, ...] = flag((), help="only what these make, comma-separated (default all)", metavar="A,B")
    batch_size: int = flag(4, help="records encoded at once")
    threads: int | None = flag(None, help=threads.HELP)
    max_reject_rate: float = flag(0.1, help="share of rejects above which the exit code is 3")
    overwrite: bool = flag(False, help="delete encodings of other settings in --output")

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size}; allowed is at least 1")
        if not 0 <= self.max_reject_rate <= 1:
            raise UsageError(f"--max-reject-rate {self.max_reject_rate}; allowed are 0 to 1")
        if self.memory == "low":
            raise UsageError("--memory low rounds the networks to bfloat16; allowed are full, medium")
        threads.check(self.threads)


@dataclass(frozen=True)
class Request:
    """A checked command line, and the shards to work on."""

    weights: ChosenWeights
    flags: Flags
    output: Path
    source: "Manifest"
    shards: "tuple[Shard, ...]"
    listed: "Catalogue"
    view: "View"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 can't go on, 3 too many rejects. Raises UsageError before weights are loaded."""
    line = model_flags.parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    weights = weights_flags.check(line.name, line.module, line.flags, line.options)
    if not line.flags.shards:
        raise UsageError("--shards is missing; allowed is the folder of a finished build")
    if not isinstance(weights.config, EncodingConfig):
        able = [name for name in vton_models.names() if issubclass(vton_models.load(name).Config, EncodingConfig)]
        raise UsageError(f"nothing of {line.name} can be stored; allowed are {', '.join(able)}")
    request = read(weights, line.flags)
    from vton_models.encoding.encoding import shards_folder

    with shards_folder(request.output).locked("encoding"):
        return run(request)


def read(weights: ChosenWeights, flags: Flags) -> Request:
    """Lists the shards. Raises UsageError."""
    from schemas.finished import manifest
    from vton_models.encoding import encoding
    from vton_models.reading import shard_files
    from vton_models.reading.catalogue import catalogue
    from vton_models.training import records

    output = places.writable("--output", flags.output or f"output/encode/{weights.name}")
    if os.path.realpath(output) == os.path.realpath(flags.shards):
        raise UsageError(f"--output {output} is the folder that is read; allowed is another one")
    encoding.shards_folder(output).held()  # whether it may be written is known before weights are loaded
    weights_flags.pick_device(flags.device)
    shards = shard_files.find(flags.shards, flags.split)
    listed = catalogue([flags.shards], None, flags.split, None)
    view = records.view_of((flags.shards,), listed, weights.config)
    able = weights.config.encodes(listed.kinds[0].name) if isinstance(weights.config, EncodingConfig) else {}
    for network in flags.networks:
        if network not in able:
            raise UsageError(f"--networks {network!r}; allowed are {', '.join(able)}{suggestion(network, able)}")
    source = manifest.read(open_folder(flags.shards))
    return Request(weights, flags, output, source, tuple(shards), listed, view)


def run(request: Request) -> int:
    """Encodes; the last line on stdout says what came out."""
    started = time.perf_counter()
    from vton_models.encoding import encoding, folder

    flags, source = request.flags, request.source
    threads.settle(flags.threads, weights_flags.is_tiny(request.weights))
    model, _ = weights_flags.build(request.weights)
    work = plan(request, model)
    config = describe(request, work)
    rewriting = encoding.begin(flags.shards, request.output, config, flags.overwrite, work)
    receipts, skipped = [], 0
    try:
        for number, shard in enumerate(request.shards):
            print(f"{shard.name} ({number + 1} of {len(request.shards)})", file=sys.stderr)
            receipt, was_there = work.shard(rewriting, shard)
            receipts.append(receipt)
            skipped += was_there
    except encoding.EncodingError as error:
        print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1
    rewriting.finish(source, receipts, folder.told(config, request.weights.system.ABOUT, work))
    return report(request, work, receipts, skipped, started)


def plan(request: Request, model: Model) -> "Encoding":
    """What is encoded: what networks make of which nothing is trained, all of these or those that are asked for."""
    from vton_models.encoding.encoding import Encoding
    from vton_models.networks import memory

    encodes, asked = model.config.encodes(request.listed.kinds[0].name), request.flags.networks
    chosen = [name for name in asked or encodes if name not in memory.trained_networks(model)]
    used = {name: encodes[name] for name in encodes if name in chosen}
    return Encoding(model, used, request.view, request.listed.fields, request.flags.batch_size)


def describe(request: Request, work: "Encoding") -> dict[str, Any]:
    """config.json: everything that the new shards depend on."""
    encoders = {
        network: {"digest": encoder.digest, **work.encodes[network].settings}
        for network, encoder in work.encoders.items()
    }
    return {
        "model": request.weights.name,
        "encoders": encoders,
        "columns": list(work.origins),
        "source_manifest_sha256": request.source.sha256,
        "split": request.flags.split,
        **request.view.described,
    }


def report(request: Request, work: "Encoding", receipts: "Sequence[ShardReceipt]", skipped: int, started: float) -> int:
    """The exit code."""
    from vton_models.sampling import reasons

    records, rejects = sum(one.rows for one in receipts), sum(len(one.rejects) for one in receipts)
    column = next(iter(work.origins))
    encoded = sum(sum(one.origins.get(column, {}).values()) for one in receipts)
    result = {
        "output": str(request.output),
        "model": request.weights.name,
        "records": records,
        "encoded": encoded,
        "rejects": rejects,
        "shards": len(receipts),
        "skipped_shards": skipped,
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(result))
    for line in reasons.lines([row for receipt in receipts for row in receipt.rejects], []):
        print(line, file=sys.stderr)
    if encoded < records:
        lack = share(records - encoded, records, "record", "lacks", "lack")
        needed = ", ".join(request.view.needed)
        print(f"{lack} one of {needed}: there without encodings", file=sys.stderr)
    if encoded and rejects <= request.flags.max_reject_rate * (records + rejects):
        return 0
    print(f"{PROG}: {rejects} of {counted(records + rejects, 'record')} rejected, {encoded} encoded", file=sys.stderr)
    return 3
