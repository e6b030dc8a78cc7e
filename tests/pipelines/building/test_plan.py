"""The cut into units, fingerprints and tokens, and the plan's way through Parquet."""

import hashlib
import random
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.building import plan, plan_file
from pipelines.sources import Listed, Refused
from pipelines.sources.outcomes import Planned
from pipelines.sources.records import BATCH_ROWS, RUN_BATCHES, Records
from schemas.folders import Entry, open_folder


def entry(record_id: str, split: str = "test", **values: object) -> Listed:
    return Listed(record_id, split, values, {"person_image": f"{record_id}.jpg"}, "line")


def planned(item: Listed, size: int) -> Planned:
    references = {column: (path, size) for column, path in item.references.items()}
    return Planned(item.record_id, item.split, item.values, references, item.source)


def planning(items: Iterable[Listed], size: int = 3) -> plan.Planning:
    return plan.Planning({path: Entry(size, "token") for item in items for path in item.references.values()})


def fingerprint(words: list[str], *items: Listed, size: int = 3) -> str:
    return plan.fingerprint(words, map(planning(items, size).row, Records(items).rows()))


@given(st.dictionaries(st.sampled_from(["test", "train", "val"]), st.integers(0, 300), min_size=1), st.integers(1, 70))
def test_units_cover_every_row_once_and_never_span_splits(counts: dict[str, int], size: int) -> None:
    units = plan.Units(counts, size)
    listed = list(units)
    assert [u.number for u in listed] == list(range(len(units)))
    assert [units[number] for number in range(len(units))] == listed
    position = 0
    for unit in listed:
        assert unit.first_row == position and 1 <= unit.rows <= size
        position += unit.rows
    assert position == sum(counts.values())
    for split, count in counts.items():
        own = [u for u in listed if u.split == split]
        assert sum(u.rows for u in own) == count and all(u.total == len(own) for u in own)


def test_units_of_given_sizes() -> None:
    units = plan.Units({"test": 7, "train": 4}, 100, {"test": [5, 2], "train": [1, 3]})
    assert [(u.stem, u.first_row, u.rows) for u in units] == [
        ("test-00000-of-00002", 0, 5),
        ("test-00001-of-00002", 5, 2),
        ("train-00000-of-00002", 7, 1),
        ("train-00001-of-00002", 8, 3),
    ]
    assert [units[number] for number in range(4)] == list(units)
    for number in (-1, 4):
        with pytest.raises(IndexError):
            units[number]


def test_fingerprints_tell_everything_apart() -> None:
    base = fingerprint(["a"], entry("x"))
    others = [
        fingerprint(["b"], entry("x")),
        fingerprint(["a"], entry("y")),
        fingerprint(["a"], entry("x"), size=4),
        fingerprint(["a"], entry("x", category="dresses")),
        fingerprint(["a"], entry("x"), entry("z")),
        fingerprint(["a", ""], entry("x")),
    ]
    assert len({base, *others}) == 7
    assert base == fingerprint(["a"], entry("x"))


def test_a_fingerprint_is_the_digest_of_its_length_prefixed_words() -> None:
    item = Listed("id/ä", "test", {"b": None, "a": "ü"}, {"person_image": "p.jpg", "garment_image": "g.jpg"}, "line")
    words = ["one", "id/ä", '{"a":"ü","b":null}', "garment_image", "g.jpg", "3", "person_image", "p.jpg", "3"]
    data = b"".join(len(word.encode()).to_bytes(8, "big") + word.encode() for word in words)
    assert fingerprint(["one"], item) == hashlib.sha256(data).hexdigest()[:20]


def test_a_fingerprint_covers_every_row_of_a_long_unit() -> None:
    items = [entry(f"{number:04d}") for number in range(150)]
    words = ["one"]
    for name in (item.record_id for item in items):
        words += [name, "{}", "person_image", f"{name}.jpg", "3"]
    data = b"".join(len(word).to_bytes(8, "big") + word.encode() for word in words)
    assert fingerprint(["one"], *items) == hashlib.sha256(data).hexdigest()[:20]


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=6), st.randoms())
def test_token_digest_ignores_order(pairs: list[tuple[str, str]], shuffler: random.Random) -> None:
    mixed = list(pairs)
    shuffler.shuffle(mixed)
    assert plan.token_digest(pairs) == plan.token_digest(mixed)


@pytest.mark.parametrize("file_rows", [10, 1_000_000])
def test_a_plan_comes_back_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_rows: int) -> None:
    monkeypatch.setattr(plan_file, "FILE_ROWS", file_rows)
    monkeypatch.setattr(plan_file, "ROW_GROUP_ROWS", 4)
    folder = open_folder(str(tmp_path))
    records = [
        entry(f"{split}/{i:03d}", split, tags=[{"name": "ä", "value": None}]) for split in "ab" for i in range(13)
    ]
    refused = [Refused("b/zzz", "b", "missing_file", "gone", "line 7")]
    shuffled = plan.make(reversed(records), refused, shard_size=5, limit=None)
    marks = plan_file.write(folder, shuffled, ["word"], planning(records))
    reader = plan_file.PlanReader(folder)
    assert [u.rows for u in reader.units] == [5, 5, 3, 5, 5, 3] and [mark.unit for mark in marks] == list(reader.units)
    assert [item for unit in reader.units for item in reader.of(unit)[0]] == [planned(item, 3) for item in records]
    prints = [fingerprint(["word"], *records[u.first_row : u.first_row + u.rows]) for u in reader.units]
    assert [mark.fingerprint for mark in marks] == prints == [reader.of(unit)[1] for unit in reader.units]
    assert reader.fingerprints() == dict(enumerate(prints))
    assert reader.paths(reader.units[2]) == ["a/010.jpg", "a/011.jpg", "a/012.jpg"]
    assert marks[2].tokens == plan.token_digest((path, "token") for path in reader.paths(reader.units[2]))
    assert reader.refused() == refused
    assert len(list(tmp_path.glob("_plan*"))) == -(-27 // file_rows)
    plan_file.write(folder, plan.make(records[:2], [], 5, None), [], planning(records))
    assert [p.name for p in tmp_path.glob("_plan*")] == ["_plan.parquet"]


def test_a_limit_counts_list_entries() -> None:
    refused = [Refused("a/0", "a", "e", "m", "s")]
    short = plan.make([entry("a/2", "a"), entry("a/1", "a", tags=None)], refused, 5, limit=2)
    assert [row.record_id for row in short.rows()] == ["a/1"] and list(short.refused) == refused
    assert short.counts == {"a": 1} and [tuple(s) for s in short.signatures] == [
        (("tags",), ("tags",), ("person_image",))
    ]


def test_nothing_but_refused_entries_is_a_plan_too(tmp_path: Path) -> None:
    refused = [Refused("a/0", "a", "e", "m", "s")]
    folder = open_folder(str(tmp_path))
    assert plan_file.write(folder, plan.make([], refused, 5, None), [], planning([])) == []
    reader = plan_file.PlanReader(folder)
    assert len(reader.units) == 0 and reader.refused() == refused and reader.fingerprints() == {}


def test_many_records_are_sorted_as_python_sorts_them() -> None:
    """More than one run; ids of every width, so that bytes and code points are compared alike."""
    count = RUN_BATCHES * BATCH_ROWS + 3_000
    letters = ("z", "é", "\N{CJK UNIFIED IDEOGRAPH-4E00}", "\N{BROKEN HEART}", "Z")
    keys = [(letters[i % 5], f"{letters[i % 3]}{i * 7_919 % 9_973}", f"line {i}") for i in range(count)]
    random.Random(0).shuffle(keys)
    records = Records(Listed(name, split, {"n": 1}, {"person_image": line}, line) for split, name, line in keys)
    assert records[count - 1].record_id == keys[-1][1]
    records.sort()
    assert [row[:3] for row in records.rows()] == sorted(keys)
    assert len(records) == count and records.splits.total() == count and set(records.signatures.values()) == {count}
    equal = Records([entry("a", value=1), entry("a", value=2), entry("Z", value=3)])
    equal.sort()
    assert [row.values for row in equal.rows()] == ['{"value":3}', '{"value":1}', '{"value":2}']


def many(count: int) -> Iterator[Listed]:
    for number in random.Random(0).sample(range(count), count):
        name = f"{number:07d}_00"
        values = {"person_id": name, "garment_id": name, "paired": True, "category": "upper_body"}
        files = {"person_image": f"test/image/{name}.jpg", "garment_image": f"test/cloth/{name}.jpg"}
        yield Listed(f"vitonhd/test/{name}+{name}", "test", values, files, f"test_pairs.txt:{number}: {name}.jpg")


class OneEntry(dict[str, Entry]):
    """Every path is a file, without memory of its own."""

    def __missing__(self, path: str) -> Entry:
        return Entry(1, "1700000000000000000")


def test_a_plan_is_held_in_columns_and_written_by_row_groups(tmp_path: Path) -> None:
    """As objects, a record took 417 bytes and 1,463 at the peak of writing: 29 MB here."""
    count = 20_000
    folder = open_folder(str(tmp_path))
    before = pa.total_allocated_bytes()
    records = Records(many(count))
    assert (pa.total_allocated_bytes() - before) / count <= 140 and len(records) == count  # LZ4's; zstd's is half of it
    tracemalloc.start()
    plan_file.write(folder, plan.make(records, [], 256, None), ["word"], plan.Planning(OneEntry()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 7e6, f"{peak / 1e6:.1f} MB of objects; it is a batch per run and a row group, however many there are"
    assert pq.read_metadata(tmp_path / "_plan.parquet").num_row_groups == -(-count // plan_file.ROW_GROUP_ROWS)


def test_a_unit_reads_its_own_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_file, "ROW_GROUP_ROWS", 10)
    folder = open_folder(str(tmp_path))
    plan_file.write(folder, plan.make(many(100), [], 10, None), ["word"], plan.Planning(OneEntry()))
    groups: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def read(file: pq.ParquetFile, group: int, **options: object) -> pa.Table:
        groups.append(group)
        return whole(file, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read)
    reader = plan_file.PlanReader(folder)
    assert [item.record_id[-10:] for item in reader.of(reader.units[7])[0][:1]] == ["0000070_00"] and groups == [7]
