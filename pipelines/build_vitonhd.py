"""VITON-HD layout → validated shards. Without --input, the embedded sample: drawn people with exact annotations."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.building import command
from pipelines.building.configuration import Flags
from schemas.cli.flags import flag, run

COMMAND = "build_vitonhd"
SPACES = ("cihp", "lip", "atr")
EXAMPLES = """\
  python -m pipelines.build_vitonhd --runner DirectRunner
  python -m pipelines.build_vitonhd --input zalando-hd-resized --split test --output shards \\
      --skip parse,keypoints,densepose,caption
  python -m pipelines.build_vitonhd --input DIR --recompute agnostic --agnostic-recipe vitonhd \\
      --direct_num_workers 8 --direct_running_mode multi_processing
  python -m pipelines.build_vitonhd --input DIR --split test --pair-list 1018"""


@dataclass(frozen=True)
class VitonHdFlags(Flags):
    """The shared flags, which of several pair lists is meant, and whose ids the parse folder has."""

    pair_list: str | None = flag(
        None, help="only lists that end so, e.g. 1018 for test_pairs_1018.txt", metavar="SUFFIX"
    )
    parse_space: str = flag(
        "cihp", help="label space of the parse folder: ATR's or LIP's where another parser made it", choices=SPACES
    )


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, __doc__, EXAMPLES, VitonHdFlags, arguments)
    flags = line.flags
    from pipelines.building.build import Request

    location, dataset = flags.input, "vitonhd"
    if location is None:
        from pipelines.sources import sample

        location, dataset = str(sample.cached_root()), "sample"
        print(f"no --input: building the embedded sample, {location}", file=sys.stderr)
    listing = {"pair_list": flags.pair_list} if flags.pair_list else {}
    listing |= {"parse_space": flags.parse_space} if flags.parse_space != "cihp" else {}
    return command.run(replace(Request(line, "vitonhd", dataset, location), listing=listing))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
