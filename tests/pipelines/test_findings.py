"""Near-duplicates by hash, in blocks or not, and their wording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import findings
from pipelines.findings import Image, Use


def image(number: int, hash_: str, split: str = "test", identity: str | None = None) -> Image:
    return Image(f"digest{number}", hash_, (Use(f"r{number}", split, identity or f"id{number}"),))


def hexed(bits: int) -> str:
    return f"{bits:064x}"


@given(st.lists(st.integers(0, 2**256 - 1), min_size=2, max_size=40), st.integers(1, 7))
def test_blocks_change_nothing(values: list[int], block: int) -> None:
    words = np.array([findings._words(hexed(value)) for value in values], np.uint64)
    brute = {
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= 100
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "_BLOCK", block)
        assert set(findings.near_pairs(words, 100)) == brute


def test_near_images_are_grouped_and_the_first_stands_for_them() -> None:
    images = [image(0, hexed(0)), image(1, hexed(2**10 - 1)), image(2, hexed(2**200 - 1)), image(3, "")]
    rows = list(findings._image_findings("garment_image", images))
    assert [(row["record_id"], row["severity"]) for row in rows] == [("r0", "info"), ("r1", "warning")]
    assert "10 of 256 bits differ" in rows[1]["detail"]
    assert {row["group"] for row in rows} == {rows[0]["group"]}


def test_one_file_used_by_many_records_is_no_duplicate() -> None:
    shared = Image("d", hexed(5), (Use("r1", "test", "a"), Use("r2", "test", "a")))
    assert list(findings._image_findings("person_image", [shared])) == []


def test_a_near_duplicate_in_two_splits_leaks() -> None:
    rows = list(findings._image_findings("person_image", [image(0, hexed(0)), image(1, hexed(1), split="train")]))
    leaks = [row for row in rows if row["kind"] == "split_leak"]
    assert [(row["record_id"], row["severity"]) for row in leaks] == [("r0", "error"), ("r1", "error")]
    assert "also in train" in leaks[0]["detail"]
