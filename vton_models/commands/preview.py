"""What the network will see: a record's prepared tensors side by side, one PNG per record. Needs no weights."""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import vton_models
from schemas.cli import flags
from schemas.cli.flags import UsageError, flag
from vton_models.command_line import model_flags

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
    if not arguments or arguments[0] in ("-h", "--help"):
        parser().print_help()
        return 0
    module, name = model_flags.named(arguments), arguments[0]
    values = parser(module, name).parse_args(list(arguments[1:]))
    given = Flags(**{item.name: getattr(values, item.name) for item in fields(Flags)})
    options = model_flags.given_options(values, module.Config)
    config = model_flags.configure(module, model_flags.preset(module, given.preset), given.tiny, options)
    if given.limit < 1:
        raise UsageError(f"--limit {given.limit}; allowed is at least 1")
    return preview(given, module, config)


def parser(module: ModuleType | None = None, name: str = "MODEL") -> flags.Parser:
    about = f"models: {', '.join(vton_models.names())}" if module is None else str(module.__doc__)
    made = flags.parser(f"{PROG} {name}", f"{__doc__}\n\n{about}", EXAMPLES, Flags)
    if module is not None:
        model_flags.add_options(made, module.Config)
    return made


def preview(given: Flags, module: ModuleType, config: Any) -> int:
    """The exit code: 1 when no record could be prepared."""
    started = time.perf_counter()
    from schemas.folders import atomic
    from vton_models.networks import sheets

    folder = Path(given.output)
    written = 0
    for number, record in enumerate(prepared(given, module, config)):
        folder.mkdir(parents=True, exist_ok=True)
        drawn = sheets.sheet([sheets.pictures(record)])
        atomic.write(
            folder / f"{number:05d}-{file_name(record['record_id'])}.png", sheets.png(drawn, record["record_id"])
        )
        written += 1
    if not written:
        print(f"{PROG}: no record of {given.shards} could be prepared", file=sys.stderr)
    seconds = round(time.perf_counter() - started, 3)
    print(json.dumps({"output": given.output, "records": written, "seconds": seconds}))
    return 0 if written else 1


def prepared(given: Flags, module: ModuleType, config: Any) -> Iterator[dict[str, Any]]:
    """The first `--limit` records as `prepare` makes them. Raises UsageError for columns that the shards lack."""
    import torch

    from vton_models.reading.dataset import ShardDataset
    from vton_models.training import records

    with torch.device("meta"):  # the networks' shapes only
        model = module.build(config)
    columns = records.columns_of(given.shards, given.split, model)
    dataset = ShardDataset(
        given.shards,
        columns,
        given.split,
        seed=given.seed,
        shuffle=False,
        rank=0,
        world_size=1,
        prepare=model.prepare,
        decode_size=(config.height, config.width),
    )
    for number, record in enumerate(dataset):
        yield record
        if number + 1 == given.limit:
            return


def file_name(record_id: str) -> str:
    """Letters, digits and ._+- as they are, an underscore for all else; never a path."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", record_id)[:120]
