"""Shards on an S3 server, read as on a disk, by forked workers too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support import small_shards
from support.object_store import Bucket
from torch.utils.data import DataLoader

from schemas.cli.flags import UsageError
from vton_models import ShardDataset


def ids(dataset: ShardDataset, workers: int = 0) -> list[Any]:
    loader = DataLoader(dataset, batch_size=None, num_workers=workers, timeout=60 if workers else 0)
    return [name for batch in loader for name in batch["record_id"]]


def test_two_workers_read_what_one_process_reads_from_a_disk(bucket: Bucket, tmp_path: Path) -> None:
    """The parent has read footers through its own event loop before it forks."""
    local = small_shards.write(tmp_path / "shards", 24)
    url = bucket.upload(local, "shards")

    def made(path: object) -> ShardDataset:
        return ShardDataset(str(path), ["record_id", "person_image"], seed=5, batch_size=4, window=8)

    far = made(url)
    assert ids(far, 2) == (expected := ids(made(local))) and len(expected) == 24
    assert made(url).state_dict() == made(local).state_dict()


def test_a_busy_server_is_waited_for_while_reading(bucket: Bucket, tmp_path: Path) -> None:
    url = bucket.upload(small_shards.write(tmp_path / "shards", 8), "shards")
    dataset = ShardDataset(url, ["record_id"], batch_size=2)
    bucket.server.throttle("GET .*parquet", 2)
    assert len(ids(dataset)) == 8 and bucket.server.faults[0].times == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://never-made/x", "can't list s3://never-made/x: there is no such folder"),
        ("SHUT", "SHUT can't be read"),
        ("s3://me:hidden@b/x", "'s3://***@b/x' holds credentials"),
    ],
)
def test_a_place_that_cannot_be_read(bucket: Bucket, url: str, told: str) -> None:
    bucket.server.deny("/shut|shut%2F")
    place = f"{bucket.url}/shut"
    with pytest.raises(UsageError) as caught:
        ShardDataset(url.replace("SHUT", place))
    assert told.replace("SHUT", place) in str(caught.value) and "hidden" not in str(caught.value)


def _columns(requests: Sequence[str]) -> int:
    return sum(request.startswith("GET") and request.endswith(".parquet") for request in requests)


def test_a_row_group_is_few_requests(bucket: Bucket, tmp_path: Path) -> None:
    """Not one for each column."""
    url = bucket.upload(small_shards.write(tmp_path / "shards", 4), "shards")
    dataset = ShardDataset(url, batch_size=2)
    bucket.server.requests.clear()
    assert len(ids(dataset)) == 4
    assert 1 <= _columns(bucket.server.requests) <= 6
