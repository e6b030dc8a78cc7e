"""Threads, slabs that are used again, and batches handed over by workers: always the same batches, and no torn ones."""

import gc
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import reader_shards
from torch.utils.data import DataLoader

from schemas.cli.flags import UsageError
from vton_models.reading import handover, slabs
from vton_models.reading.dataset import ShardDataset

RECORDS = 61
DTYPES = [torch.uint8, torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.int64]


def slow_first(item: dict[str, Any], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Later batches are done before earlier ones."""
    time.sleep(0.002 * (5 - int(item["record_id"][1:]) % 6))
    return reader_shards.large(item, generator)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [reader_shards.row(number) for number in range(RECORDS)]
    return reader_shards.write(tmp_path_factory.mktemp("shards"), rows)


def make(folder: Path, **options: Any) -> ShardDataset:
    defaults: dict[str, Any] = {
        "columns": ["record_id"],
        "seed": 7,
        "window": 48,
        "batch_size": 3,
        "prepare": reader_shards.large,
    }
    return ShardDataset(folder, **{**defaults, **options})


def assert_same(batches: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [batch["record_id"] for batch in batches] == [batch["record_id"] for batch in expected]
    for batch, same in zip(batches, expected, strict=True):
        assert list(batch) == list(same)
        for name, value in same.items():
            assert torch.equal(batch[name], value) if isinstance(value, torch.Tensor) else batch[name] == value
            assert type(batch[name]) is type(value)


@pytest.mark.parametrize("prepare", [reader_shards.large, slow_first])
@pytest.mark.parametrize(("workers", "threads"), [(0, 1), (0, 3), (1, 0), (2, 0), (2, 2)])
def test_batches_are_the_same(folder: Path, workers: int, threads: int, prepare: Callable[..., Any]) -> None:
    plain, parallel = make(folder), make(folder, threads=threads, prepare=prepare)
    loader = DataLoader(parallel, batch_size=None, num_workers=workers, persistent_workers=workers == 2)
    for _ in range(2):
        assert_same(list(loader), list(plain))  # lists: every batch is kept while the next ones are made


def test_a_spawned_worker_hands_over_too(folder: Path) -> None:
    loader = DataLoader(make(folder), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert_same(list(loader), list(make(folder)))


def test_batches_that_are_let_go_leave_their_memory_to_the_next(folder: Path) -> None:
    places = [batch["large"].data_ptr() for batch in make(folder)]
    assert len(set(places)) <= 2
    kept = [batch["large"] for batch in make(folder)]
    assert len({tensor.data_ptr() for tensor in kept}) == len(kept)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_looks_into_a_batch_keeps_it(folder: Path, workers: int) -> None:
    """A slice, a NumPy view and a transposed view outlive the batch."""
    expected = [batch["large"].clone() for batch in make(folder)]
    views: list[Any] = []
    for number, batch in enumerate(DataLoader(make(folder), batch_size=None, num_workers=workers)):
        whole = batch.pop("large")
        views.append([whole[:], whole.numpy()[:], whole.transpose(1, 2), whole[1:]][number % 4])
        del whole, batch
    gc.collect()
    for number, (view, same) in enumerate(zip(views, expected, strict=True)):
        values = torch.as_tensor(view)
        assert torch.equal(values, [same, same, same.transpose(1, 2), same[1:]][number % 4])


def test_a_worker_uses_its_slabs_again(folder: Path) -> None:
    """One batch at a time is alive here, and some wait in the loader."""
    data = make(folder, batch_size=1)
    places = {batch["large"].data_ptr() for batch in DataLoader(data, batch_size=None, num_workers=1)}
    assert len(places) <= 8 < len(data)
    assert len(handover._seen[data._family, 0][1]) <= 16  # two large tensors a batch


def test_slabs_go_with_their_dataset(folder: Path) -> None:
    data = make(folder)
    family = data._family
    list(DataLoader(data, batch_size=None, num_workers=2))
    first_life = handover._seen[family, 0][0]
    list(DataLoader(data, batch_size=None, num_workers=2))
    assert handover._seen[family, 0][0] != first_life and len([key for key in handover._seen if key[0] == family]) == 2
    del data
    gc.collect()
    assert not [key for key in handover._seen if key[0] == family]


def test_more_batches_than_slots_may_be_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_SLOTS", 3)
    assert_same(list(DataLoader(make(folder), batch_size=None, num_workers=2)), list(make(folder)))


def _doubled(batch: dict[str, Any]) -> dict[str, Any]:
    return {**batch, "large": batch["large"] * 2, "half": batch["half"][:1]}


def test_a_loaders_own_function_sees_tensors(folder: Path) -> None:
    """What it computes, or cuts out, travels as torch sends it."""
    loader = DataLoader(make(folder), batch_size=None, num_workers=2, collate_fn=_doubled)
    assert_same(list(loader), [_doubled(batch) for batch in make(folder)])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(0, 3), (2, 5), (3, 70_000)], ids=str)
def test_every_tensor_arrives_as_it_was_sent(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    ring = handover.Ring("family", 0)
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        sent = ring.room(shape, dtype)
        sent.copy_(torch.randint(0, 2, shape).to(dtype))
        queue = context.Queue()
        queue.put(sent)
        arrived = queue.get(timeout=60)
        assert (
            type(arrived) is torch.Tensor
            and arrived.dtype == dtype
            and torch.equal(arrived, sent.as_subclass(torch.Tensor))
        )
    handover.forget("family")


def test_a_free_slab_of_another_size_is_replaced() -> None:
    ring, queue = handover.Ring("sizes", 0), multiprocessing.get_context("fork").Queue()
    for number in range(200):
        tensor = ring.room((1 + number % 7, slabs.LEAST), torch.uint8)
        tensor.fill_(number)
        queue.put(tensor)
        assert bool((queue.get(timeout=60) == number).all())
    assert len(ring._slabs) < handover._SLOTS and int(ring._taken.sum()) == 0
    handover.forget("sizes")


def test_slabs_keep_few_of_few_sizes() -> None:
    room = slabs.Slabs()
    kept = [room.room((number // 30 + 1, slabs.LEAST), torch.uint8) for number in range(3000)]
    kept.clear()
    assert sum(len(waiting) for waiting in room._free.values()) <= slabs._SIZES * slabs._EACH
    assert len(room._free) <= slabs._SIZES


def test_threads_replace_bad_records_as_one_thread_does(tmp_path: Path) -> None:
    rows = [reader_shards.row(number) for number in range(60)]
    for number in (4, 5, 30):
        rows[number]["person_image"] = {"bytes": b"broken", "path": "x.jpg"}
    made = reader_shards.write(tmp_path / "bad", rows)
    options: dict[str, Any] = {"columns": ["record_id", "person_image"], "prepare": None}
    plain, threaded = make(made, **options), make(made, threads=3, **options)
    for _ in range(2):
        assert_same(list(threaded), list(plain))
    assert threaded.bad_records == plain.bad_records and len(plain.bad_records) == 3
    order = [make(made, shuffle=False, threads=threads, **options) for threads in (0, 3)]
    assert_same(list(order[1]), list(order[0]))


def _never(item: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
    raise ValueError("no joints")


def test_nothing_usable_ends_the_run_of_threads(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="no record of a whole block can be used; the last: no joints"):
        list(make(folder, prepare=_never, threads=2))


@pytest.mark.parametrize("stop", [1, 7, 20])
def test_state_is_that_of_the_batches_taken_not_of_those_ahead(folder: Path, stop: int) -> None:
    whole = list(make(folder))
    first = make(folder, threads=3)
    walk = iter(first)
    head = [next(walk) for _ in range(stop)]
    second = make(folder, threads=2)
    second.load_state_dict(first.state_dict())
    assert_same([*head, *second], whole)


def test_negative_threads_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="threads -1; allowed are numbers from 0 on"):
        make(folder, threads=-1)


def test_arrays_without_a_preparation_get_slabs_too(tmp_path: Path) -> None:
    photo = np.zeros((200, 150, 3), np.uint8)
    rows = [reader_shards.row(number, photo + number) for number in range(24)]
    made = reader_shards.write(tmp_path / "photos", rows)
    options: dict[str, Any] = {"columns": ["record_id", "person_image", "agnostic_mask"], "prepare": None}
    expected = list(make(made, **options))
    assert expected[0]["person_image"].shape == (3, 200, 150, 3) and "has_agnostic_mask" in expected[0]
    for workers, threads in ((0, 2), (2, 0)):
        loader = DataLoader(make(made, threads=threads, **options), batch_size=None, num_workers=workers)
        assert_same(list(loader), expected)
