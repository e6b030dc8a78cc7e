"""Which rows stand in for those that can't be used."""

import numpy as np
import pyarrow as pa
import pytest

from vton_models.reading import order
from vton_models.reading.blocks import BlockReader


@pytest.mark.parametrize("rows", [100, 30])
def test_the_blocks_others_come_first_then_rows_behind_it_and_its_own_last(rows: int) -> None:
    """Behind the last row of all the first one follows; only what is in the block already lies in memory."""
    epoch = order.EpochOrder(order.Settings(1, 1, 3, 12 * 12, True), 0, order.every_group(np.array([rows])))
    batches = [epoch.batch(number, 1, 0) for number in range(epoch.rounds)]
    reader = BlockReader(epoch, lambda group: pa.record_batch({"n": np.arange(rows)}))
    for batch in batches:
        block = batch.block
        used = epoch.positions(block).tolist()
        own = used[batch.offset : batch.offset + 3]
        following = reader.following(batch)
        assert following[-3:] == own
        others = [position for position in used if position not in own]
        assert sorted(following[: len(others)]) == sorted(others)
        assert following[: len(used) - batch.offset - 3] == used[batch.offset + 3 :], "those not yet used at first"
        behind = [(block.first + block.size + at) % rows for at in range(min(32, rows - block.size))]
        assert following[len(others) : -3] == behind
