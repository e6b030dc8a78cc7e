"""IGPair (IMAGDressing), persons and the flat garments that they wear → validated shards."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.building import command
from pipelines.building.configuration import Flags
from schemas.cli.flags import UsageError, flag, run

COMMAND = "build_igpair"
_NOTES = """\
Needs IGPair.json, images/ and clothes/; takes openpose/, densepose/ and body_mask/ where they are there. All pairs are
training pairs: IGPair_Test/ holds garments without persons. A cloth_type that is no known word gives no category."""
EXAMPLES = """\
  python -m pipelines.build_igpair --input IGPair --size 640x512 --fit crop --skip parse,keypoints,densepose,caption
  python -m pipelines.build_igpair --input IGPair --limit 1000 --annotators pose,quality --weights models"""


@dataclass(frozen=True)
class IGPairFlags(Flags):
    """The shared flags."""

    input: str | None = flag(None, help="folder that holds IGPair.json, or its URL")


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, f"{__doc__}\n\n{_NOTES}", EXAMPLES, IGPairFlags, arguments)
    flags = line.flags
    if flags.input is None:
        raise UsageError("--input is missing; allowed is the folder that holds IGPair.json, or its URL")
    from pipelines.building.build import Request

    return command.run(Request(line, "igpair", "igpair", flags.input))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
