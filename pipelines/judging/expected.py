"""How many records the papers and their repositories publish, and what finished shards lack of them.

Another dataset is one more entry of PUBLISHED.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """A dataset's counts: (split, category) → records, "" = all; garments where they are published, 0 = not.

    `binding` is false where nobody but its authors can make the same selection: then nothing is said to be missing.
    """

    source: str
    records: Mapping[tuple[str, str], int]
    garments: int = 0
    binding: bool = True


PUBLISHED = {
    "vitonhd": Published(
        "Choi et al., CVPR 2021 (arXiv:2103.16874): train_pairs.txt, test_pairs.txt",
        {("train", ""): 11_647, ("test", ""): 2_032},
    ),
    "dresscode": Published(
        "Morelli et al., CVPRW 2022 (arXiv:2204.08532)",
        {
            ("train", "upper_body"): 13_563,
            ("train", "lower_body"): 7_151,
            ("train", "dresses"): 27_678,
            ("test", "upper_body"): 1_800,
            ("test", "lower_body"): 1_800,
            ("test", "dresses"): 1_800,
        },
    ),
    "igpair": Published("IMAGDressing-v1, AAAI 2025 (arXiv:2407.12705)", {("", ""): 324_857}, garments=86_873),
    "deepfashion": Published(
        "CatVTON, ICLR 2025 (arXiv:2407.15886): its own selection of in-shop pairs, unpublished",
        {("train", ""): 13_098, ("test", ""): 1_896},
        binding=False,
    ),
    "dreambooth": Published(
        "AnyDoor's benchmark (arXiv:2307.09481): 30 things of DreamBooth, each in 80 scenes of COCO",
        {("test", ""): 2_400},
    ),
}


@dataclass
class Counted:
    """What finished shards hold: (split, category) → records, garments by id, and ids of what was rejected."""

    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    garments: set[str] = field(default_factory=set)
    rejects: list[str] = field(default_factory=list)


def compare(name: str, counted: Counted, built_split: str = "all") -> tuple[list[str], list[str]]:
    """(what is missing, what else to say), a line each; a split that the build was told to leave out isn't missed."""
    published = PUBLISHED[name]
    missing: list[str] = []
    notes: list[str] = []
    for (split, category), count in published.records.items():
        label = " ".join(filter(None, (split, category))) or "all"
        if split and built_split not in ("all", split):
            notes.append(f"{label}: not compared, the build took --split {built_split}")
            continue
        records = sum(_matching(counted.records, split, category))
        lacks = f"{label}: {_lacking('records', records, count)}"
        if records >= count or not published.binding:
            notes.append(lacks)
        else:
            missing.append(lacks + _rejected(counted.rejects, split, category))
    if published.garments:
        garments = len(counted.garments)
        lines = notes if garments >= published.garments else missing
        lines.append(_lacking("garments", garments, published.garments))
    return missing, [*notes, f"published: {published.source}"]


def _lacking(what: str, present: int, count: int) -> str:
    told = f"{present:,} of {count:,} {what}"
    if present == count:
        return told
    more = present - count
    return f"{told}, {-more:,} missing" if more < 0 else f"{told}, {more:,} more than published"


def _rejected(rejects: list[str], split: str, category: str) -> str:
    rejected = sum(_is_of(record_id, split, category) for record_id in rejects)
    return f"; {rejected:,} of them {'is' if rejected == 1 else 'are'} in rejects.parquet" if rejected else ""


def _matching(records: Mapping[tuple[str, str], int], split: str, category: str) -> Iterator[int]:
    for (own_split, own_category), count in records.items():
        if split in ("", own_split) and category in ("", own_category):
            yield count


def _is_of(record_id: str, split: str, category: str) -> bool:
    """By the words of the id, `dataset/split/category/…`."""
    words = record_id.split("/")[1:-1]
    return all(not word or word in words for word in (split, category))
