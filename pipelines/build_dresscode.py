"""Dress Code layout → validated shards: three category folders, with any subset of its annotations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.building import command
from pipelines.building.configuration import Flags
from schemas.cli.flags import UsageError, flag, run
from schemas.labels import Category

COMMAND = "build_dresscode"
_NOTES = """\
Label maps stay as they are (parse_atr) and give parse; dense/ gives densepose and its picture; keypoints are brought
from their 384x512 frame to the photo's pixels. What is not there is computed, as in every build."""
EXAMPLES = """\
  python -m pipelines.build_dresscode --input DressCode --output shards
  python -m pipelines.build_dresscode --input DressCode --category dresses,lower_body --split test --pairing paired
  python -m pipelines.build_dresscode --input DressCode --category upper_body --split test --pair-list 1008"""


@dataclass(frozen=True)
class DressCodeFlags(Flags):
    """The shared flags, and the part of the dataset that is wanted."""

    category: tuple[str, ...] = flag((), help=f"only these of {', '.join(Category)}", metavar="A,B")
    pair_list: str | None = flag(
        None, help="only lists that end so, e.g. 1008 for test_pairs_1008.txt", metavar="SUFFIX"
    )


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, f"{__doc__}\n\n{_NOTES}", EXAMPLES, DressCodeFlags, arguments)
    flags = line.flags
    if flags.input is None:
        raise UsageError("no --input; allowed is a folder in Dress Code's layout, or its URL")
    for name in flags.category:
        if name not in list(Category):
            raise UsageError(f"--category {name!r}; allowed are {', '.join(Category)}")
    from pipelines.building.build import Request

    listing: dict[str, str | tuple[str, ...]] = {}
    if flags.category:
        listing["categories"] = tuple(sorted(set(flags.category)))
    if flags.pair_list:
        listing["pair_list"] = flags.pair_list
    request = Request(line, "dresscode", "dresscode", flags.input)
    return command.run(replace(request, listing=listing))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
