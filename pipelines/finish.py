"""Plan and receipts → manifest, rejects, findings, card, again: of a build that was stopped, or whose shards moved."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.building.finishing import Incomplete, finish
from schemas.cli.flags import one_line, parse, positional, run
from schemas.folders import open_folder

PROG = "python -m pipelines.finish"
EXAMPLES = "  python -m pipelines.finish output/build_vitonhd"


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    output: str = positional(help="folder of a build", metavar="OUT")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 shards are missing. Raises UsageError."""
    output = open_folder(parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES).output)
    try:
        summary = finish(output)
    except (Incomplete, OSError) as error:
        print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1
    counts = {"records": summary.records, "rejects": summary.rejects, "shards": summary.shards}
    print(json.dumps({"output": str(output), **counts}))
    return 0


if __name__ == "__main__":
    run(main, PROG)
