"""Near hashes: all pairs of a few, what the index misses of many, and how groups and work stay bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.judging import near

MANY = 100_000


def hashes(*values: int) -> np.ndarray:
    """uint64 [n 4] of numbers of 256 bits."""
    return np.array([[value >> 64 * word & 2**64 - 1 for word in range(4)] for value in values], np.uint64)


def random(count: int, generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 2**64, (count, 4), np.uint64)


def studio(count: int, generator: np.random.Generator) -> np.ndarray:
    """Different garments photographed alike: members of a cluster are about 90 bits apart, and some 60."""
    noise = np.packbits(generator.random((count, near.BITS), np.float32) < 0.23, axis=1).view(np.uint64)
    return random(100, generator)[generator.integers(0, 100, count)] ^ noise


def within(centre: np.ndarray, count: int, bits: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Hashes that differ from those of `centre` in some of these many bits."""
    differing = generator.integers(bits[0], bits[1] + 1, count)
    places = np.argsort(generator.random((count, near.BITS), np.float32), axis=1)
    changed = np.zeros((count, near.BITS), np.uint8)
    np.put_along_axis(changed, places, np.arange(near.BITS) < differing[:, None], axis=1)
    return centre ^ np.packbits(changed, axis=1).view(np.uint64)


@given(st.lists(st.integers(0, 2**256 - 1), min_size=2, max_size=40), st.integers(1, 7))
def test_blocks_change_nothing(values: list[int], block: int) -> None:
    pairs: set[tuple[int, int]] = set()
    brute = {
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= 100
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "_BLOCK", block)
        near.all_pairs(
            hashes(*values),
            np.arange(len(values)),
            100,
            lambda a, b, _: pairs.update(zip(a.tolist(), b.tolist(), strict=True)),
        )
    assert pairs == brute


def test_all_bits_differing_is_far() -> None:
    assert near.groups(hashes(0, 2**256 - 1, 1), 32).first.tolist() == [0, 1, 0]


@pytest.mark.parametrize("kind", [random, studio])
def test_the_index_finds_what_all_pairs_find(kind: object) -> None:
    """Families of up to six, each within 16 bits of its first: the index groups them as comparing all pairs does."""
    generator = np.random.default_rng(3)
    words = kind(6_000, generator)  # type: ignore[operator]
    words[3_000:] = within(words[generator.integers(0, 600, 3_000)], 3_000, (0, 16), generator)
    exact, indexed = near.groups(words, 32), near.groups(words, 32, exact=0)
    assert (exact.first == indexed.first).all() and (indexed.capped, indexed.full) == (0, 0)
    assert (near.groups(words, 32, exact=0).first == indexed.first).all(), "and so every time"


@pytest.mark.parametrize("kind", [random, studio])
def test_planted_pairs_among_many(kind: object) -> None:
    """Every pair within 8 bits, 95 % within 16 and 85 % within 22; nothing else is joined."""
    generator = np.random.default_rng(5)
    words = kind(MANY, generator)  # type: ignore[operator]
    for place, bits in enumerate(((1, 8), (9, 16), (17, 22))):
        copies = slice(MANY - 2_000 * (place + 1), MANY - 2_000 * place)
        words[copies] = within(words[place * 2_000 : (place + 1) * 2_000], 2_000, bits, generator)
    grouped = near.groups(words, 32)
    recall = []
    for place in range(3):
        copies = grouped.first[MANY - 2_000 * (place + 1) : MANY - 2_000 * place]
        recall.append(float((copies == np.arange(place * 2_000, (place + 1) * 2_000)).mean()))
    assert recall[0] == 1 and recall[1] >= 0.95 and recall[2] >= 0.85
    assert np.bincount(grouped.first).max() == 2 and grouped.capped == 0


@pytest.mark.parametrize("most", [0, 4, 20])
def test_groups_of_images_that_are_all_alike_are_bounded_and_counted(most: int) -> None:
    generator = np.random.default_rng(7)
    words = within(np.zeros((30_000, 4), np.uint64), 30_000, (0, most), generator)
    grouped = near.groups(words, 32)
    sizes = np.bincount(grouped.first)
    assert sizes.max() <= near.MOST_IN_GROUP and sizes[sizes > 0].min() >= 1 and grouped.full >= 30
    assert (grouped.first <= np.arange(30_000)).all() and (grouped.first[grouped.first] == grouped.first).all()


def test_a_bucket_that_is_not_compared_whole_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that share 128 bits fall into few buckets; without effort, these are capped."""
    generator = np.random.default_rng(9)
    words = random(5_000, generator)
    words[:, :2] = 0
    monkeypatch.setattr(near, "_LARGEST_BUCKET", 64)
    for effort, is_capped in ((100_000, False), (0, True)):
        monkeypatch.setattr(near, "_EFFORT", effort)
        assert (near.groups(words, 32, exact=0).capped > 0) is is_capped
