"""VITON-HD layout → validated shards. Without --input, the embedded sample: drawn people with exact annotations."""

import sys
from collections.abc import Sequence

from annotators.common import flags
from pipelines import command
from pipelines.configuration import Flags

COMMAND = "build_vitonhd"
EXAMPLES = """\
  python -m pipelines.build_vitonhd --runner DirectRunner
  python -m pipelines.build_vitonhd --input zalando-hd-resized --split test --output shards \\
      --skip parse,keypoints,densepose,caption
  python -m pipelines.build_vitonhd --input DIR --recompute agnostic --agnostic-recipe vitonhd \\
      --direct_num_workers 8 --direct_running_mode multi_processing"""


def main(arguments: Sequence[str]) -> int:
    parser = command.parser(COMMAND, __doc__, EXAMPLES)
    shared, settings, engine_options = command.parse(parser, arguments, Flags)
    from pipelines.build import Request

    location, dataset = shared.input, "vitonhd"
    if location is None:
        from pipelines.sources import sample

        location, dataset = str(sample.cached_root()), "sample"
        print(f"no --input: building the embedded sample, {location}", file=sys.stderr)
    return command.run(Request(COMMAND, "vitonhd", dataset, location, shared, settings, engine_options))


if __name__ == "__main__":
    flags.run(main, f"python -m pipelines.{COMMAND}")
