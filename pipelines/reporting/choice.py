"""Which records are listed, and whose pictures are shown: the worst, groups of duplicates, and all strata alike."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from pipelines.reporting.listing import Listing

GROUPS, OF_A_GROUP = 16, 6  # groups of near-duplicates that are shown, and records of each
GROUPED = ("near_duplicate", "split_leak")  # findings that name a group
STRATA = ("split", "category", "dynamics")
_GOLDEN = 0.6180339887498949


def listed(listing: Listing, most: int) -> list[int]:
    """Indices of at most so many records, in order."""
    return sorted(pictured(listing, most)) if len(listing) > most else list(range(len(listing)))


def pictured(listing: Listing, most: int) -> list[int]:
    """Indices of at most so many records, what matters most first.

    Kinds of findings, groups and strata take turns, so that each shows some however many records another has.
    """
    if most >= len(listing):
        return sorted(range(len(listing)), key=lambda index: (-listing.worst[index], index))
    grouped = [listing.index_of[listing.findings[number].record_id] for group in groups(listing) for number in group]
    queues = [*_by_kind(listing), grouped, *_strata(listing)]
    return list(dict.fromkeys(_in_turns(queues)))[:most]


def groups(listing: Listing) -> list[list[int]]:
    """Indices of findings on images that are alike or in two splits: what stands for a group first, a record once."""
    members: dict[str, dict[str, int]] = {}
    order = sorted(range(len(listing.findings)), key=lambda number: listing.findings[number].severity != "info")
    for number in order:
        finding = listing.findings[number]
        if finding.kind in GROUPED and finding.group and finding.record_id in listing.index_of:
            members.setdefault(finding.group, {}).setdefault(finding.record_id, number)
    several = (list(group.values()) for _, group in sorted(members.items()) if len(group) > 1)
    return [group[:OF_A_GROUP] for group in islice(several, GROUPS)]


def _by_kind(listing: Listing) -> Iterator[list[int]]:
    kinds: dict[str, list[int]] = {}
    for index, numbers in listing.found.items():
        for number in numbers:
            if listing.findings[number].severity != "info":
                kinds.setdefault(listing.findings[number].kind, []).append(index)
    for _, indices in sorted(kinds.items()):
        yield sorted(set(indices), key=lambda index: (-listing.worst[index], index))


def _strata(listing: Listing) -> Iterator[list[int]]:
    """Of every split and category, spread over the whole stratum however many of it are taken."""
    columns = [listing.facets[name] for name in STRATA if name in listing.facets]
    strata: dict[tuple[str, ...], list[int]] = {}
    keys = zip(*columns, strict=True) if columns else ((),) * len(listing)
    for index, key in enumerate(keys):
        strata.setdefault(key, []).append(index)
    for _, indices in sorted(strata.items()):
        order = np.argsort(np.arange(len(indices)) * _GOLDEN % 1, kind="stable")
        yield [indices[position] for position in order.tolist()]


def _in_turns(queues: Sequence[Sequence[int]]) -> Iterator[int]:
    for turn in range(max(map(len, queues), default=0)):
        yield from (queue[turn] for queue in queues if turn < len(queue))
