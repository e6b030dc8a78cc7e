"""The order of records, against its description written out plainly, and what it promises."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vton_models.reading import order

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=30)


@st.composite
def orders(draw: st.DrawFn, shuffle: bool = True) -> order.EpochOrder:
    sizes = np.array(draw(SIZES), np.int64)
    chosen = order.Settings(
        seed=draw(st.integers(0, 2**31)),
        shares=draw(st.sampled_from([1, 2, 3, 4, 6])),
        batch_size=draw(st.integers(1, 5)),
        window=draw(st.sampled_from([1, 24, 100, 1024])),
        shuffle=shuffle,
    )
    return order.EpochOrder(chosen, draw(st.integers(0, 3)), order.every_group(sizes))


def rows_of(made: order.EpochOrder, batch: order.Batch) -> list[int]:
    return made.positions(batch.block)[batch.offset : batch.offset + batch.count].tolist()


def rank_batches(made: order.EpochOrder, world_size: int, rank: int) -> list[order.Batch]:
    return [made.batch(j, world_size, rank) for j in range(made.batches(world_size, rank))]


@given(orders())
def test_batches_are_those_of_the_design(made: order.EpochOrder) -> None:
    """design.md §6, line by line."""
    shares, size, window = made.settings.shares, made.settings.batch_size, made.settings.window
    lanes, total = 12, made.runs.total
    rounds = total // (shares * size)
    n = [rounds // lanes + (lane < rounds % lanes) for lane in range(lanes)]
    first = [sum(n[:lane]) for lane in range(lanes)]
    k = max(1, window // lanes // size) * size
    assert 0 <= made.front <= total - rounds * shares * size
    for j in range(rounds * shares):
        t, v = divmod(j, shares)
        lane, i = t % lanes, t // lanes
        b, o = divmod(i * size, k)
        width = min(k, n[lane] * size - b * k)
        start = made.front + v * rounds * size + first[lane] * size + b * k
        batch = made.batch(j, 1, 0)
        assert (batch.block.first, batch.block.size, batch.offset, batch.count) == (start, width, o, size)
        seed = order.derive_seed("block", made.settings.seed, made.epoch, v, lane, b)
        assert rows_of(made, batch) == (start + order.permutation(width, seed))[o : o + size].tolist()


@given(orders())
def test_no_row_comes_twice_and_few_are_left_out(made: order.EpochOrder) -> None:
    seen = [row for batch in rank_batches(made, 1, 0) for row in rows_of(made, batch)]
    assert len(set(seen)) == len(seen) == made.rounds * made.settings.shares * made.settings.batch_size
    assert made.runs.total - len(seen) < made.settings.shares * made.settings.batch_size
    assert all(0 <= row < made.runs.total for row in seen)


@given(orders(), st.data())
def test_ranks_share_the_steps_evenly(made: order.EpochOrder, data: st.DataObject) -> None:
    """Every world size that divides the shares makes the same steps of the same batches."""
    world = data.draw(st.sampled_from([n for n in (1, 2, 3, 4, 6) if made.settings.shares % n == 0]))
    parts = [rank_batches(made, world, rank) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    together = sorted((b.round, b.share) for part in parts for b in part)
    assert together == [(b.round, b.share) for b in rank_batches(made, 1, 0)]
    per_step = made.settings.shares // world
    assert all(b.round == j // per_step for part in parts for j, b in enumerate(part))


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 6, 12])
def test_workers_share_no_lane(workers: int) -> None:
    """Worker w of N makes batches w, w + N, …; no two of them read the same lane."""
    made = order.EpochOrder(order.Settings(1, 2, 4, 200, True), 0, order.every_group(np.full(60, 25)))
    owners: dict[tuple[int, int], set[int]] = {}
    for j, batch in enumerate(rank_batches(made, 2, 1)):
        owners.setdefault(batch.block.lane, set()).add(j % workers)
    assert len(owners) == 12
    assert all(len(found) == 1 for found in owners.values())


@given(orders(shuffle=False), st.data())
def test_unshuffled_keeps_everything_in_shard_order(made: order.EpochOrder, data: st.DataObject) -> None:
    shares = made.settings.shares
    world = data.draw(st.sampled_from([n for n in (1, 2, 3) if shares % n == 0]))
    batches = [batch for rank in range(world) for batch in rank_batches(made, world, rank)]
    batches.sort(key=lambda batch: (batch.round, batch.share))
    assert [row for batch in batches for row in rows_of(made, batch)] == list(range(made.runs.total))
    counts = [batch.count for batch in batches]
    assert all(0 < count <= made.settings.batch_size for count in counts)
    assert counts[: made.rounds * shares] == [made.settings.batch_size] * (made.rounds * shares)


def test_the_order_is_pinned() -> None:
    """Another version of this package or of NumPy must go on with an old state's order."""
    made = order.EpochOrder(order.Settings(7, 1, 2, 1024, True), 3, order.every_group(np.array([5, 4, 6])))
    assert made.runs.group.tolist() == [1, 2, 0]
    pairs = [[1, 2], [4, 3], [5, 6], [7, 8], [10, 9], [12, 11], [14, 13]]
    assert [rows_of(made, batch) for batch in rank_batches(made, 1, 0)] == pairs


def test_seed_epoch_and_window_change_the_order() -> None:
    groups = order.every_group(np.full(40, 9))

    def rows(seed: int, epoch: int, window: int) -> list[tuple[int, int]]:
        made = order.EpochOrder(order.Settings(seed, 1, 4, window, True), epoch, groups)
        positions = [row for batch in rank_batches(made, 1, 0) for row in rows_of(made, batch)]
        index = np.searchsorted(made.runs.starts, positions, side="right") - 1
        return list(zip(made.runs.group[index].tolist(), (positions - made.runs.starts[index]).tolist(), strict=True))

    seen = [rows(*case) for case in ((1, 0, 96), (2, 0, 96), (1, 1, 96), (1, 0, 240))]
    assert seen[0] == rows(1, 0, 96)
    assert all(a != b for i, a in enumerate(seen) for b in seen[:i])
    assert all(set(a) == set(seen[0]) for a in seen)  # 360 rows fill 90 batches: nothing is left out


@settings(max_examples=60)
@given(st.lists(SIZES, min_size=1, max_size=3), st.data())
def test_weights_divide_an_epoch(datasets: list[list[int]], data: st.DataObject) -> None:
    sizes = np.array([n for found in datasets for n in found], np.int64)
    bounds = np.cumsum([0, *map(len, datasets)])
    members = [np.arange(a, b) for a, b in pairwise(bounds)]
    weights = [data.draw(st.floats(0.1, 5)) if sum(found) else 0.0 for found in datasets]
    if not sum(weights):
        return
    shuffle = data.draw(st.booleans())
    for epoch in range(2):
        chosen = order.Settings(3, 1, 1, 1024, shuffle)
        runs = order.weighted(sizes, members, weights, chosen, epoch)
        assert (runs.first >= 0).all() and (runs.first + runs.count <= sizes[runs.group]).all()
        assert runs.total == sizes.sum()
        for groups, weight in zip(members, weights, strict=True):
            rows = int(runs.count[np.isin(runs.group, groups)].sum())
            assert abs(rows - weight / sum(weights) * sizes.sum()) <= 1
            own = int(sizes[groups].sum())
            times = np.bincount(np.repeat(runs.group, np.minimum(runs.count, 1)), minlength=len(sizes))[groups]
            if own:  # whole passes, and at most one more
                assert times[sizes[groups] > 0].max(initial=0) <= rows // own + 1
                assert times[sizes[groups] > 0].min(initial=rows) >= rows // own


def test_the_last_row_group_of_a_weight_is_cut_anywhere() -> None:
    """Four rows of five: the first four or the last four, in about every second epoch."""
    chosen = order.Settings(3, 1, 1, 1024, True)
    runs = [order.weighted(np.array([5, 5]), [np.arange(1), np.arange(1, 2)], [4, 6], chosen, e) for e in range(40)]
    cuts = [(int(run.first[0]), int(run.count[0])) for run in runs]
    assert set(cuts) == {(0, 4), (1, 4)} and 10 < cuts.count((1, 4)) < 30


def test_what_a_weight_leaves_out_changes_with_the_epoch() -> None:
    sizes, members = np.full(20, 10), [np.arange(10), np.arange(10, 20)]
    chosen = order.Settings(3, 1, 1, 1024, True)
    runs = [order.weighted(sizes, members, [1.0, 3.0], chosen, epoch) for epoch in range(2)]
    taken = [set(run.group[run.group < 10].tolist()) for run in runs]
    assert [len(t) for t in taken] == [5, 5] and taken[0] != taken[1]
    assert [int(run.count[run.group >= 10].sum()) for run in runs] == [150, 150]
