"""Plan and receipts → manifest, rejects, findings, card, again: of a build that was stopped, or whose shards moved."""

import json
import sys
from collections.abc import Sequence

from pipelines.building.finishing import Incomplete, finish
from schemas.cli import flags
from schemas.folders import open_folder

EXAMPLES = "  python -m pipelines.finish output/build_vitonhd"


def main(arguments: Sequence[str]) -> int:
    parser = flags.parser("python -m pipelines.finish", __doc__, EXAMPLES)
    parser.add_argument("output", metavar="OUT", help="folder of a build")
    given = parser.parse_args(arguments)
    output = open_folder(given.output)
    try:
        summary = finish(output)
    except (Incomplete, OSError) as error:
        print(f"python -m pipelines.finish: {flags.one_line(error)}", file=sys.stderr)
        return 1
    print(
        json.dumps(
            {"output": str(output), "records": summary.records, "rejects": summary.rejects, "shards": summary.shards}
        )
    )
    return 0


if __name__ == "__main__":
    flags.run(main, "python -m pipelines.finish")
