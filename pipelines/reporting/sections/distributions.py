"""How values are spread over all records: words of few values, sizes, quality, lengths of captions, areas of labels."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np

from pipelines.reporting.listing import FACETS, Listing, words
from schemas.pages import Bar, Charts, Histogram, Note, Section
from schemas.pages.charts import number

MOST_BARS = 12
BINS, FEW_BINS, FEW = 24, 12, 100  # of histograms; of those over few records


def section(listing: Listing, shares: Iterable[Mapping[str, float]]) -> Section:
    """`shares` are label → share of the frame, of the records whose parse was read."""
    if not len(listing):
        return Section("Distributions", [Note("There is no record.")], id="distributions")
    charts = [*_words(listing), *_numbers(listing), *_labels(list(shares))]
    return Section("Distributions", [Charts(charts)], id="distributions")


def _words(listing: Listing) -> Iterator[Histogram]:
    for name in FACETS:
        values = [words(value) or "none" for value in listing.column(name)]
        if values and set(values) != {"none"} and (name != "dataset" or len(set(values)) > 1):
            yield _counted(name, values)
    heights, widths = listing.column("height"), listing.column("width")
    sizes = [f"{height}×{width}" for height, width in zip(heights, widths, strict=True) if height and width]
    if sizes:
        yield _counted("size, height × width", sizes)


def _counted(title: str, values: list[str]) -> Histogram:
    counted = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    bars = [Bar(value, times) for value, times in counted[:MOST_BARS]]
    rest = sum(times for _, times in counted[MOST_BARS:])
    note = f"and {len(counted) - MOST_BARS:,} more values in {rest:,} records" if rest else ""
    return Histogram(title, bars, note=note, across=True)


def _numbers(listing: Listing) -> Iterator[Histogram]:
    for name, values in listing.measures.items():
        finite = values[np.isfinite(values)]
        if not finite.size:
            continue
        note = f"median {number(float(np.median(finite)))}"
        if finite.size < values.size:
            note += f", unknown of {values.size - finite.size:,}"
        title = name.replace("_", " ")
        low, high = float(finite.min()), float(finite.max())
        if low == high:
            yield Histogram(title, [Bar(number(low), finite.size)], note=note, across=True)
            continue
        counts, edges = np.histogram(finite, bins=FEW_BINS if finite.size < FEW else BINS, range=(low, high))
        bars = [
            Bar(number(a), int(count), f"{number(a)} to {number(b)}: {count:,}")
            for count, (a, b) in zip(counts, pairwise(edges.tolist()), strict=True)
        ]
        yield Histogram(title, bars, number(low), number(high), note)


def _labels(shares: list[Mapping[str, float]]) -> Iterator[Histogram]:
    known = [one for one in shares if one]
    if not known:
        return
    mean = {label: sum(one[label] for one in known) / len(known) for label in known[0]}
    largest = sorted(mean.items(), key=lambda item: -item[1])
    bars = [Bar(label, share, f"{label}: {share:.2%} of the frame") for label, share in largest if share > 0]
    note = f"mean share of the frame, {len(known):,} records"
    yield Histogram("labels of the parse", bars, note=note, across=True)
