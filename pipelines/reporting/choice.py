"""Which records are listed, and whose pictures are shown: the worst, groups of duplicates, and all strata alike."""

from collections.abc import Iterator, Sequence

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
    queues = [*_by_kind(listing), [index for group in groups(listing) for index in group], *_strata(listing)]
    return list(dict.fromkeys(_in_turns(queues)))[:most]


def groups(listing: Listing) -> list[list[int]]:
    """Records of the same group of near-duplicates, the first groups of each severity of finding."""
    members: dict[str, list[int]] = {}
    for finding in listing.findings:
        index = listing.index_of.get(finding.record_id)
        if finding.kind in GROUPED and finding.group and index is not None:
            group = members.setdefault(finding.group, [])
            if index not in group:
                group.append(index)
    return [group[:OF_A_GROUP] for _, group in sorted(members.items()) if len(group) > 1][:GROUPS]


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
