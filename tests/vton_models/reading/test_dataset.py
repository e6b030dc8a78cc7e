"""ShardDataset through real loaders: order, split over workers and ranks, resume, filters, weights, bad records."""

import io
import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from support import small_shards
from support.reader_shards import row, write
from torch.utils.data import DataLoader

from schemas import codecs
from schemas.cli.flags import UsageError
from vton_models.reading import dataset as module
from vton_models.reading import shard_files
from vton_models.reading.dataset import ShardDataset

torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

RECORDS = 61


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("shards") / "made", [row(n) for n in range(RECORDS)])


def loader(data: ShardDataset, workers: int, **options: Any) -> Any:
    return torchdata.StatefulDataLoader(data, batch_size=None, num_workers=workers, **options)


def ids(source: Any) -> list[Any]:
    return [item["record_id"] for item in source]


def flat(lists: Any) -> list[Any]:
    return list(chain.from_iterable(lists))


def make(folder: Any, **options: Any) -> ShardDataset:
    return ShardDataset(folder, **{"columns": ["record_id"], "seed": 7, "window": 48, **options})


def test_items_are_arrays_words_and_numbers(folder: Path) -> None:
    for item in ShardDataset(folder):
        number = int(item["record_id"][1:])
        assert (item["person_image"] == number).all() and item["person_image"].shape == (24, 16, 3)
        assert (item["agnostic_mask"][: number % 24] == 255).all() and item["agnostic_mask"].dtype == np.uint8
        assert item["parse"].max() == (255 % 20 if number % 24 else 0)
        assert (item["keypoints"] == number).all() and item["keypoints"].shape == (25, 3)
        assert item["caption"] == (f"number {number}" if number % 5 else None)
        assert item["paired"] is (number % 2 == 0) and item["category"] in ("upper_body", "dresses", None)


def test_batches_are_stacked(folder: Path) -> None:
    data = ShardDataset(folder, ["record_id", "person_image", "keypoints", "caption", "height"], batch_size=4)
    batches = list(data)
    assert len(batches) == len(data) == data.batches_per_epoch == RECORDS // 4
    assert data.records_per_epoch == RECORDS // 4 * 4
    for batch in batches:
        assert batch["person_image"].shape == (4, 24, 16, 3) and batch["person_image"].dtype == torch.uint8
        assert batch["keypoints"].dtype == torch.float32
        assert batch["person_image"][:, 0, 0, 0].tolist() == [int(name[1:]) for name in batch["record_id"]]
        assert batch["height"] == [24] * 4


def test_order_is_the_same_with_workers(folder: Path) -> None:
    epochs = [make(folder, batch_size=2) for _ in range(4)]
    expected = [ids(epochs[0]) for _ in range(3)]
    assert expected[0] != expected[1] != expected[2] and sorted(flat(expected[0])) != flat(expected[0])
    for workers in (1, 2, 3):
        made = loader(epochs[workers], workers, persistent_workers=workers == 2)
        assert [ids(made) for _ in range(2)] == expected[:2]
        assert epochs[workers].state_after(0)["epoch"] == 1


def test_torchs_own_loader_works(folder: Path) -> None:
    expected = [ids(data) for data in [make(folder)] * 2]
    made = DataLoader(make(folder), batch_size=None, num_workers=2)
    assert [ids(made), ids(made)] == expected and len(made) == RECORDS


@pytest.mark.parametrize("shuffle", [True, False])
def test_ranks_are_disjoint_and_even(folder: Path, shuffle: bool) -> None:
    parts = [ids(make(folder, rank=rank, world_size=3, shuffle=shuffle)) for rank in range(3)]
    seen = flat(parts)
    assert len(set(seen)) == len(seen)
    assert len(seen) == RECORDS - RECORDS % 3 if shuffle else sorted(seen) == [f"r{n:03d}" for n in range(RECORDS)]
    assert len({len(part) for part in parts}) == (1 if shuffle else 2)


def test_two_ranks_make_the_steps_of_one(folder: Path) -> None:
    one = [batch["record_id"] for batch in make(folder, batch_size=3, shares=2)]
    two = [[b["record_id"] for b in make(folder, batch_size=3, rank=r, world_size=2)] for r in range(2)]
    assert one == [batch for step in zip(*two, strict=True) for batch in step]


def test_unshuffled_keeps_shard_order(folder: Path) -> None:
    stored = [name for path in sorted(folder.iterdir()) for name in pq.read_table(path)["record_id"].to_pylist()]
    batches = ids(make(folder, shuffle=False, batch_size=8))
    assert flat(batches) == stored and [len(batch) for batch in batches] == [8] * 7 + [5]
    assert ids(loader(make(folder, shuffle=False, batch_size=8), 2)) == batches


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loaders_state_resumes(folder: Path, workers: int) -> None:
    whole = ids(make(folder, batch_size=3))
    for stop in (1, 2, 7, len(whole) - 1, len(whole)):
        first = loader(make(folder, batch_size=3), workers)
        walk = iter(first)
        head = [next(walk)["record_id"] for _ in range(stop)]
        if stop == len(whole):
            assert next(walk, None) is None
        state = first.state_dict()
        second = loader(make(folder, batch_size=3, seed=1), workers)  # the seed is the state's
        second.load_state_dict(state)
        rest = ids(second)
        if stop < len(whole):
            assert head + rest == whole
            rest = ids(second)
        follows = make(folder, batch_size=3)
        assert rest == [ids(follows), ids(follows)][1]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_readers_own_state_resumes_for_any_number_of_workers(folder: Path, workers: int) -> None:
    reference = make(folder, batch_size=3)
    epochs = [ids(reference), ids(reference), ids(reference)]
    first = make(folder, batch_size=3)
    list(DataLoader(first, batch_size=None, num_workers=1))
    for _, _batch in zip(range(5), DataLoader(first, batch_size=None, num_workers=1), strict=False):
        pass
    state = json.loads(json.dumps(first.state_after(5)))
    assert len(json.dumps(state)) < 1024 and (state["epoch"], state["batch"]) == (1, 5)
    second = make(folder, batch_size=3)
    second.load_state_dict(state)
    assert second.state_dict() == state
    again = DataLoader(second, batch_size=None, num_workers=workers)
    assert ids(again) == epochs[1][5:] and ids(again) == epochs[2]
    last = make(folder, batch_size=3)
    last.load_state_dict(second.state_after(len(epochs[2])))  # a finished epoch: the next one begins
    following = make(folder, batch_size=3)
    assert ids(last) == [ids(following) for _ in range(4)][3]


def test_resume_with_another_world_size(folder: Path) -> None:
    whole = ids(make(folder, batch_size=2, shares=4))
    first = make(folder, batch_size=2, rank=1, world_size=4)
    state = first.state_after(3)
    for world in (1, 2):
        parts = []
        for rank in range(world):
            data = make(folder, batch_size=2, rank=rank, world_size=world)
            data.load_state_dict(state)
            parts.append(ids(data))
        steps = [zip(*[iter(part)] * (4 // world), strict=True) for part in parts]
        rest = [b for step in zip(*steps, strict=True) for b in sorted(flat(map(list, step)))]
        expected = [sorted(whole[i : i + 4]) for i in range(12, len(whole), 4)]
        assert rest == flat(expected)


def test_a_state_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    state = make(folder, batch_size=2, shares=4).state_after(1)
    other = write(tmp_path / "other", [row(n) for n in range(40)])
    with pytest.raises(ValueError, match=f"data '{state['data']}', this dataset '"):
        make(other, batch_size=2).load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size 2, this dataset 3"):
        make(folder, batch_size=3).load_state_dict(state)
    with pytest.raises(ValueError, match="4 shares, which 3 ranks"):
        make(folder, batch_size=2, rank=0, world_size=3).load_state_dict(state)
    with pytest.raises(ValueError, match="1 batches inside a step .* with 2 ranks"):
        make(folder, batch_size=2, rank=0, world_size=2).load_state_dict(state)


def test_moved_data_is_the_same_data(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    make(moved).load_state_dict(make(folder).state_after(3))


def test_arrow_and_stores_give_the_same(folder: Path, tmp_path: Path) -> None:
    expected = list(ShardDataset(folder, window=48))
    arrow = write(tmp_path / "arrow", [row(n) for n in range(RECORDS)], form="arrow")
    store = fsspec.filesystem("memory")
    for source, form in ((folder, "parquet"), (arrow, "arrow")):
        for path in source.iterdir():
            store.pipe_file(f"/reader/{form}/{path.name}", path.read_bytes())
    sources = [arrow, "memory://reader/parquet", "memory://reader/arrow"]
    for source in sources:
        for item, same in zip(ShardDataset(source, window=48), expected, strict=True):
            assert list(item) == list(same)
            for name in ("record_id", "person_image", "keypoints", "caption", "category", "quality", "geometry"):
                np.testing.assert_equal(item[name], same[name])
    some = list(ShardDataset(arrow, ["caption", "category"], window=48))
    assert some == [{"caption": e["caption"], "category": e["category"]} for e in expected]
    assert ids(loader(make("memory://reader/parquet"), 2)) == ids(make(folder))


class Counting(io.FileIO):
    """A file that counts what is read of it."""

    total = 0

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        Counting.total += count
        return count

    def read(self, size: int = -1) -> bytes:
        data = super().read(size) or b""
        Counting.total += len(data)
        return data


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_only_the_wanted_columns_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    noise = np.random.default_rng(0)
    rows = [row(n) for n in range(40)]
    for item in rows:
        item["garment_image"] = {"bytes": noise.bytes(100_000), "path": "n.jpg"}
        item["person_image"] = {"bytes": codecs.encode_png(noise.integers(0, 256, (120, 90, 3), dtype=np.uint8))}
    made = write(tmp_path / "noise", rows, of=1, form=form)
    wanted = sum(len(item["person_image"]["bytes"]) for item in rows)
    monkeypatch.setattr(shard_files, "open_file", lambda url: Counting(url.removeprefix("file://")))
    Counting.total = 0
    assert len(list(ShardDataset(f"file://{made}", ["person_image"], shuffle=False))) == 40
    assert wanted < Counting.total < 1.2 * wanted + 500_000  # of 5.3 MB; footers are read twice


def test_filters(folder: Path) -> None:
    def numbers(filters: Any, **options: Any) -> list[int]:
        return sorted(int(name[1:]) for name in ids(make(folder, filters=filters, **options)))

    every = range(RECORDS)
    assert numbers([("category", "==", "upper_body")]) == [n for n in every if n % 3 == 0]
    assert numbers([("paired", "==", True), ("height", ">", 20)]) == [n for n in every if n % 2 == 0]
    assert numbers([[("category", "==", "dresses")], [("caption", "==", "number 6")]]) == sorted([*range(1, 61, 3), 6])
    assert numbers([("quality.person_area", "<", 0.0951)]) == list(range(10))
    assert numbers([("record_id", "in", ["r003", "r044"])], shuffle=False) == [3, 44]
    data = make(folder, filters=[("paired", "==", True)])
    assert data.records_per_epoch == len(data) == 31
    with pytest.raises(ValueError, match="data"):
        data.load_state_dict(make(folder).state_dict())
    for wrong, message in (
        ([("colour", "==", "red")], "unknown column 'colour'"),
        ([("paired", "~", True)], "operator"),
        ([("height", "==", "tall")], "tall"),
        ("paired", "allowed are"),
        ([("height", ">", 99)], "0 records"),
        ([("quality.size", ">", 1)], "no such member"),
    ):
        with pytest.raises(UsageError, match=message):
            make(folder, filters=wrong)


def test_a_shard_in_the_place_of_another_is_read_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a rebuild under the same name, and under a relative name in another working folder."""
    place = Path(shutil.copytree(folder, tmp_path / "a/shards"))
    write(tmp_path / "b/shards", [row(n + 100) for n in range(RECORDS)])
    monkeypatch.chdir(tmp_path / "a")
    before = sorted(ids(make("shards")))
    monkeypatch.chdir(tmp_path / "b")
    assert sorted(ids(make("shards"))) == [f"r{n + 100:03d}" for n in range(RECORDS)] != before
    write(place, [row(n + 200) for n in range(RECORDS)])
    assert sorted(ids(make(place))) == [f"r{n + 200:03d}" for n in range(RECORDS)]


def test_weights(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = [row(n) | {"record_id": f"f{n:02d}"} for n in range(20)]
    small = write(tmp_path / "small", few, of=1, columns=("caption",))
    data = make([folder, small], columns=["record_id", "agnostic_mask"])
    assert f"{small} lacks agnostic_mask" in capsys.readouterr().err
    items = list(data)
    assert len(items) == RECORDS + 20
    assert all((item["agnostic_mask"] is None) == (item["record_id"][0] == "f") for item in items)
    for path in ([f"{folder}:0.5", f"{small}:0.5"], [(folder, 3), (small, 3.0)], {folder: 1, small: 1}):
        made = make(path)
        for _ in range(2):
            names = ids(made)
            assert len(names) == RECORDS + 20 and abs(sum(name[0] == "f" for name in names) - 40.5) < 1
            assert len({name for name in names if name[0] == "f"}) == 20
    assert not any(name[0] == "f" for name in ids(make({folder: 1, small: 0})))
    assert ids(loader(make([f"{folder}:0.5", f"{small}:0.5"]), 2)) == ids(make([(folder, 1), (small, 1)]))
    for wrong in ([f"{folder}:0.5", small], {folder: 0}, [f"{folder}:-1"], {folder: float("nan")}, []):
        with pytest.raises(UsageError):
            make(wrong)


def draws(item: dict[str, Any], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Stands for a model's augmentation."""
    photo = torch.from_numpy(item["person_image"])
    return {"noise": torch.rand(3, generator=generator), "photo": photo}


def test_prepare_draws_the_same_whatever_the_workers(folder: Path) -> None:
    options: dict[str, Any] = {"columns": ["person_image"], "batch_size": 2, "prepare": draws}
    expected = list(make(folder, shares=2, **options))
    assert expected[0]["noise"].shape == (2, 3) and expected[0]["photo"].shape == (2, 24, 16, 3)
    assert len({tuple(n) for batch in expected for n in batch["noise"].tolist()}) == 60
    assert len({batch["seed"] for batch in expected}) == len(expected) == 30
    two = [list(make(folder, rank=rank, world_size=2, **options)) for rank in range(2)]
    workers = list(loader(make(folder, shares=2, **options), 3))
    for other in ([batch for step in zip(*two, strict=True) for batch in step], workers):
        for a, b in zip(other, expected, strict=True):
            assert (a["record_id"], a["seed"]) == (b["record_id"], b["seed"])
            assert torch.equal(a["noise"], b["noise"]) and torch.equal(a["photo"], b["photo"])
    single = next(iter(make(folder, columns=["person_image"], prepare=draws)))
    assert isinstance(single["record_id"], str) and single["noise"].shape == (3,)


def test_every_epoch_and_every_seed_has_draws_of_its_own(folder: Path) -> None:
    """A place in the order doesn't mirror, crop or drop whatever comes to it in the same way for ever."""

    def drawn(data: ShardDataset) -> dict[str, tuple[float, ...]]:
        return {item["record_id"]: tuple(item["noise"].tolist()) for item in data}

    data = make(folder, columns=["person_image"], prepare=draws)
    first, second = drawn(data), drawn(data)
    other = drawn(make(folder, columns=["person_image"], prepare=draws, seed=1))
    assert not {item["seed"] for item in data} & {item["seed"] for item in data}, "nor does a step"
    assert len(set(first.values())) == len(set(second.values())) == len(set(other.values())) > 50
    assert not set(first.values()) & (set(second.values()) | set(other.values()))


def test_bad_records_are_replaced_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(n) for n in range(30)]
    rows[4]["person_image"] = {"bytes": b"broken", "path": "x.jpg"}
    made = write(tmp_path / "bad", rows)
    data = make(made, columns=["record_id", "person_image"], batch_size=3)
    batches = list(data)
    assert [len(batch["record_id"]) for batch in batches] == [3] * 10
    assert sorted(set(flat(ids(batches)))) == [f"r{n:03d}" for n in range(30) if n != 4]
    assert data.bad_records == {"r004": "CodecError: not a picture"}
    assert ids(data) and capsys.readouterr().err.count("left out r004: CodecError") == 1
    again = loader(make(made, columns=["record_id", "person_image"], batch_size=3), 2)
    assert ids(again) == ids(batches)
    few = write(tmp_path / "few", rows[:6])  # here each block is a single record
    names = ids(make(few, columns=["record_id", "person_image"]))
    assert len(names) == 6 and set(names) == {f"r{n:03d}" for n in range(6) if n != 4}
    plain = make(made, columns=["record_id", "person_image"], shuffle=False, batch_size=3)
    assert sorted(len(batch["record_id"]) for batch in plain) == [2] + [3] * 9


def _never(item: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
    raise ValueError("no joints")


def test_nothing_usable_ends_the_run(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="no record of a whole block can be used; the last: no joints"):
        list(make(folder, prepare=_never))


def test_finished_folders_only(folder: Path, tmp_path: Path) -> None:
    made = Path(shutil.copytree(folder, tmp_path / "made"))
    first, second = sorted(path.name for path in made.iterdir())
    entries = [{"name": n, "bytes": (made / n).stat().st_size, "sha256": n[:9], "rows": 1} for n in (first, second)]
    (made / "_run.json").write_text("{}")
    with pytest.raises(UsageError, match="no manifest.json: the build isn't finished"):
        make(made)
    (made / "manifest.json").write_text(json.dumps({"shards": entries[:1]}))
    with pytest.raises(UsageError, match="1 of 2 shards of split train"):
        make(made)
    (made / "manifest.json").write_text(json.dumps({"shards": entries}))
    assert len(make(made)) == RECORDS
    for name in ("../made/" + first, "/etc/train-00000-of-00001.parquet", "notes.txt"):
        (made / "manifest.json").write_text(json.dumps({"shards": [entries[0] | {"name": name}]}))
        with pytest.raises(UsageError, match="no shard's name"):
            make(made)
    (made / "manifest.json").write_text(json.dumps({"shards": [entries[0] | {"bytes": 1}]}))
    with pytest.raises(UsageError, match="isn't as manifest.json says"):
        make(made)
    (made / "manifest.json").write_text("[]")
    with pytest.raises(UsageError, match="damaged"):
        make(made)


def test_as_many_records_as_a_step_takes_are_enough(folder: Path) -> None:
    assert len(make(folder, batch_size=RECORDS)) == 1
    with pytest.raises(UsageError, match="61 records don't fill one step of 62"):
        make(folder, batch_size=31, shares=2)


def test_wrong_usage_is_one_line(folder: Path, tmp_path: Path) -> None:
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path, {}, "has no shards; it has none"),
        (tmp_path / "absent", {}, "can't list"),
        ("nowhere://x", {}, "nowhere"),
        (folder, {"split": "test"}, "no split 'test'; it has train"),
        (folder, {"columns": ["person"]}, "unknown column 'person'; .* has record_id, dataset"),
        (folder, {"batch_size": 100}, "61 records don't fill one step of 100"),
        (folder, {"rank": 1}, "allowed are both or none"),
        (folder, {"rank": 2, "world_size": 2}, "rank 2; allowed are 0 to 1"),
        (folder, {"shares": 3, "rank": 0, "world_size": 2}, "allowed are multiples of 2"),
        (folder, {"window": 0}, "window 0"),
    ]
    for path, options, message in cases:
        with pytest.raises(UsageError, match=message) as caught:
            make(path, **options)
        assert "\n" not in str(caught.value)
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no readable shard"):
        make(tmp_path)


def test_rank_and_world_size_come_from_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    data = make(folder)
    assert (data.rank, data.world_size, data.settings.shares, len(data)) == (1, 2, 2, 30)


def test_a_lane_reads_a_row_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one more read per lane than there are row groups, whatever the workers; small windows keep cut groups."""
    made = write(tmp_path / "many", [row(n) for n in range(420)], of=3)
    data = make(made, batch_size=2, window=48)
    read: list[int] = []
    plain = module.catalogue.Catalogue.read
    monkeypatch.setattr(module.catalogue.Catalogue, "read", lambda c, g, names: (read.append(g), plain(c, g, names))[1])
    assert len(ids(data)) == 210
    assert len(set(read)) == len(data._catalogue.rows) == 60
    assert len(read) <= 60 + 12


def test_workers_start_after_opencv_has_used_its_threads(tmp_path):
    """A forked worker that sets OpenCV's number of threads waits forever for the threads of its parent."""
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 0)
    folder = small_shards.write(tmp_path / "shards", 4)
    loader = DataLoader(
        ShardDataset(str(folder), ["record_id"], batch_size=2), batch_size=None, num_workers=1, timeout=30
    )
    assert len(list(loader)) == 2


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    """Records of which every second has no mask and every third no joints; two splits."""
    rows = [row(n) for n in range(8)]
    for number, item in enumerate(rows):
        item["agnostic_mask"] = item["agnostic_mask"] if number % 2 else None
        item["keypoints"] = item["keypoints"] if number % 3 else None
        item["parse"] = None
    return write(tmp_path / "gaps", rows)


def test_columns_with_nulls_are_a_value_and_a_presence_mask(gaps: Path) -> None:
    columns = ["record_id", "person_image", "agnostic_mask", "keypoints", "parse", "caption"]
    (batch,) = ShardDataset(gaps, columns, batch_size=8, shuffle=False)
    assert {name for name in batch if name.startswith("has_")} == {"has_agnostic_mask", "has_keypoints", "has_parse"}
    numbers = torch.tensor([int(name[1:]) for name in batch["record_id"]])
    assert torch.equal(batch["has_agnostic_mask"], numbers % 2 == 1)
    assert torch.equal(batch["has_keypoints"], numbers % 3 > 0)
    assert batch["agnostic_mask"].shape == (8, 24, 16) and batch["agnostic_mask"].dtype == torch.uint8
    assert not batch["agnostic_mask"][numbers % 2 == 0].any() and batch["agnostic_mask"][numbers % 2 == 1].any()
    assert torch.equal(batch["keypoints"][:, 0, 0], torch.where(numbers % 3 > 0, numbers, 0).float())
    assert not batch["has_parse"].any() and batch["parse"].shape == (8, 0, 0)
    assert None in batch["caption"], "words stay a list"


def test_nulls_among_pictures_of_several_sizes_are_empty(gaps: Path, tmp_path: Path) -> None:
    rows = [row(n) for n in range(3)]
    rows[0]["agnostic_mask"] = None
    rows[1]["agnostic_mask"] = {"bytes": codecs.encode_mask(np.full((5, 7), 255, np.uint8)), "path": "m.png"}
    made = write(tmp_path / "sizes", rows, of=3)
    (batch,) = ShardDataset(made, ["agnostic_mask"], batch_size=3, shuffle=False)
    assert [value.shape for value in batch["agnostic_mask"]] == [(0, 0), (5, 7), (24, 16)]
    assert batch["has_agnostic_mask"].tolist() == [False, True, True]


def test_several_splits_read_as_one_are_told(gaps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, split in enumerate(("test", "train")):
        path = gaps / f"train-{number:05d}-of-00002.parquet"
        path.rename(gaps / f"{split}-00000-of-00001.parquet")
    ShardDataset(gaps, ["record_id"])
    assert capsys.readouterr().err == "records of test and train are mixed; split='train' reads one alone\n"
    for options in ({"split": "train"}, {"rank": 1, "world_size": 2}):
        ShardDataset(gaps, ["record_id"], **options)
        assert capsys.readouterr().err == ""
