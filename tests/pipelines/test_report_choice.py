"""Which records a report shows: the worst, and some of every finding, group and stratum, however many others have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.reporting import cards, choice
from pipelines.reporting.cards import Card
from pipelines.reporting.finished import Finding
from pipelines.reporting.listing import Listing
from schemas.kinds import TRYON
from schemas.pages import Figure


def listing(records: int, findings: Sequence[Finding] = (), rare: int = 2) -> Listing:
    """Records of upper bodies, the last of which are dresses; record 5 is the most blurred."""
    table = pa.table(
        {
            "record_id": [f"r{number}" for number in range(records)],
            "split": ["train"] * records,
            "category": ["upper_body"] * (records - rare) + ["dresses"] * rare,
            "caption": [None, *("a shirt" for _ in range(records - 1))],
            "quality": [
                {"person_sharpness": 1.0 if n == 5 else 100.0 + n, "person_hash": "ab"} for n in range(records)
            ],
        }
    )
    places = np.stack([np.zeros(records, np.int64), np.zeros(records, np.int64), np.arange(records)], axis=1)
    return Listing(TRYON, ("train-00000-of-00001.parquet",), table, places, tuple(findings))


def finding(record: int, kind: str = "blurred", severity: str = "warning", group: str = "") -> Finding:
    return Finding(f"r{record}", kind, group, severity, f"person_image of r{record} is so")


def test_everything_is_shown_worst_first_where_it_fits() -> None:
    every = listing(9, [finding(3), finding(4, severity="error"), finding(7, "assumed", "info")])
    assert choice.pictured(every, 9)[:4] == [4, 3, 7, 5], "an error, a warning, an info, then the most blurred"
    assert sorted(choice.pictured(every, 100)) == list(range(9))


def test_rare_findings_groups_and_strata_have_their_share() -> None:
    many = [finding(number) for number in range(100, 900)]
    rare = [
        finding(950, "nobody", "error"),
        finding(10, "near_duplicate", "info", "g"),
        finding(20, "near_duplicate", group="g"),
    ]
    shown = choice.pictured(listing(1000, [*many, *rare]), 24)
    assert len(shown) == len(set(shown)) == 24
    assert {950, 10, 20, 998, 999} <= set(shown), "nobody, both of a group, both dresses"
    blurred = [index for index in shown if 100 <= index < 900]
    assert 0 < len(blurred) < 20


def test_strata_are_spread_over_their_whole_length() -> None:
    shown = choice.pictured(listing(1000, rare=0), 10)
    assert max(shown) > 800 and min(shown) < 200 and choice.pictured(listing(1000, rare=0), 10) == shown


def test_what_stands_for_a_group_is_its_first() -> None:
    every = listing(
        9, [finding(2, "near_duplicate", "warning", "g"), finding(6, "near_duplicate", "info", "g"), finding(8)]
    )
    (group,) = choice.groups(every)
    assert [every.findings[number].record_id for number in group] == ["r6", "r2"]
    assert choice.groups(listing(9, [finding(2, "near_duplicate", "info", "alone")])) == []
    strangers = [Finding("not here", "near_duplicate", "g", "warning", ""), finding(1, "near_duplicate", group="g")]
    assert choice.groups(listing(9, strangers)) == []


def test_measures_and_facets() -> None:
    every = listing(9)
    assert list(every.measures) == ["person_sharpness", "caption length"], "hashes are no numbers"
    assert np.isnan(every.measures["caption length"][0]) and every.measures["caption length"][1] == 7
    assert list(every.facets) == ["category"], "what is the same everywhere tells nothing"


def card(size: int) -> Card:
    return Card("r", "", (), (Figure("x", source="x" * size),), (True,), (), {})


@pytest.mark.parametrize(("budget", "kept"), [(100_000, [7, 3, 5]), (14_000, [7]), (25_000, [7, 3]), (1, [7])])
def test_pictures_beyond_the_budget_are_left_out(budget: int, kept: list[int]) -> None:
    of: list[tuple[int, Any]] = [(7, card(10_000)), (3, card(10_000)), (5, card(10_000))]
    assert list(cards.within(of, budget)) == kept
