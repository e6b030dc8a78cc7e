"""DeepFashion In-shop: garments worn in several photos, paired worn to worn as CatVTON trains → validated shards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.building import command
from pipelines.building.configuration import Flags
from pipelines.sources.tryon import deepfashion
from schemas.cli.flags import UsageError, flag, run

COMMAND = "build_deepfashion"
_NOTES = """\
The person is an item's front photo, else its full one; the garment is seen in another photo of the same item and
colour (full, else side; never back). CatVTON's own list of pairs is unpublished. Without Eval/list_eval_partition.txt
all is train; query and gallery are test."""
EXAMPLES = """\
  python -m pipelines.build_deepfashion --input DeepFashion/In-shop --skip parse,keypoints,densepose,caption
  python -m pipelines.build_deepfashion --input In-shop --split test --pairs-per-item all --size 512x384 --fit pad \\
      --weights models"""


@dataclass(frozen=True)
class DeepFashionFlags(Flags):
    """The shared flags, and how many pairs an item gives."""

    input: str | None = flag(None, help="folder that holds img/ or img_highres/, or its URL")
    pairs_per_item: str = flag(
        "one", help="of an item in one colour: the best pair, or every ordered pair", choices=deepfashion.PAIRS
    )


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, f"{__doc__}\n\n{_NOTES}", EXAMPLES, DeepFashionFlags, arguments)
    flags = line.flags
    if flags.input is None:
        raise UsageError("--input is missing; allowed is the folder that holds img/ or img_highres/, or its URL")
    from pipelines.building.build import Request

    request = Request(line, "deepfashion", "deepfashion", flags.input)
    return command.run(replace(request, listing={"pairs": flags.pairs_per_item}))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
