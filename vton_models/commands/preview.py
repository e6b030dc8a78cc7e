"""What the network will see: a record's prepared tensors side by side, one PNG per record. Needs no weights."""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.cli.flags import UsageError, flag
from schemas.folders import places
from schemas.messages import share
from vton_models.command_line import model_flags
from vton_models.system import Config, Purpose

PROG = "python -m vton_models preview"
EXAMPLES = """\
  python -m vton_models preview catvton --shards output/build_vitonhd --output output/preview
  python -m vton_models preview catvton --shards shards --preset mix --split train --limit 50 --output output/preview"""


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    shards: str = flag(help="folder of a finished build", metavar="DIR")
    output: str = flag(help="folder of the pictures", metavar="DIR")
    preset: str = flag("", help="a published recipe's size and options", metavar="NAME")
    tiny: bool = flag(False, help="the size of --tiny in train")
    split: str | None = flag(None, help="split of the shards (default all)")
    limit: int = flag(16, help="records, in the order of the shards")
    seed: int = flag(0, help="of the model's augmentation")


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    line = model_flags.parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    chosen = model_flags.preset(line.module, line.flags.preset)
    config = model_flags.configure(line.module, chosen, line.flags.tiny, line.options)
    if line.flags.limit < 1:
        raise UsageError(f"--limit {line.flags.limit}; allowed is at least 1")
    return preview(line.flags, config)


def preview(flags: Flags, config: Config) -> int:
    """The exit code: 1 when no record could be prepared."""
    started = time.perf_counter()
    from schemas.folders import atomic
    from vton_models.networks import sheets

    folder = places.writable("--output", flags.output)
    check_output(folder)
    written = 0
    for number, record in enumerate(prepared(flags, config)):
        folder.mkdir(parents=True, exist_ok=True)
        drawn = sheets.sheet([sheets.pictures(record)])
        atomic.write(
            folder / f"{number:05d}-{file_name(record['record_id'])}.png", sheets.png(drawn, record["record_id"])
        )
        written += 1
    if not written:
        print(f"{PROG}: no record of {flags.shards} could be prepared", file=sys.stderr)
    seconds = round(time.perf_counter() - started, 3)
    print(json.dumps({"output": flags.output, "records": written, "seconds": seconds}))
    return 0 if written else 1


def check_output(folder: Path) -> None:
    """Raises UsageError for a folder that holds anything but such pictures."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if not re.fullmatch(r"\d{5}-.*\.png", path.name) and path.name != ".DS_Store":
            raise UsageError(f"--output {folder} holds {path.name}, which is no preview; allowed is another folder")


def prepared(flags: Flags, config: Config) -> Iterator[dict[str, Any]]:
    """The first `--limit` records that have all it reads, as the networks see them.

    Raises UsageError for columns that the shards lack.
    """
    from vton_models.reading.dataset import ShardDataset
    from vton_models.reading.view import Viewed
    from vton_models.training import records

    seen, incomplete, without_room, count = records.of_folder(flags.shards, flags.split, config)
    lacking = share(len(incomplete), count, "record", "lacks", "lack")
    lack = f"{lacking} one of {', '.join(seen.needed)}: left out" if incomplete else ""
    small = share(len(without_room), count, "record", "has", "have")
    flat = f"{small} no room for the crop: left out" if without_room else ""
    for line in filter(None, (seen.told, lack, flat)):
        print(line, file=sys.stderr)
    prepare = config.prepare(Purpose.TRAINING)
    dataset = ShardDataset(
        flags.shards,
        seen.columns,
        flags.split,
        records.without([*incomplete, *without_room]) or None,
        seed=flags.seed,
        shuffle=False,
        rank=0,
        world_size=1,
        prepare=Viewed(seen, prepare),
        decode_size=config.decode_size,
    )
    for number, record in enumerate(dataset):
        yield prepare.seen(record)
        if number + 1 == flags.limit:
            return


def file_name(record_id: str) -> str:
    """Letters, digits and ._+- as they are, an underscore for all else; never a path."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", record_id)[:120]
