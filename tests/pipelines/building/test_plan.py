"""The cut into units, fingerprints and tokens, and the plan's way through Parquet."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.building import plan
from pipelines.sources import Refused
from schemas.folders import open_folder


def entry(record_id: str, split: str = "test", size: int = 3, **values: object) -> plan.Planned:
    return plan.Planned(record_id, split, values, {"person_image": (f"{record_id}.jpg", size)}, "line")


@given(st.dictionaries(st.sampled_from(["test", "train", "val"]), st.integers(0, 300), min_size=1), st.integers(1, 70))
def test_units_cover_every_row_once_and_never_span_splits(counts: dict[str, int], size: int) -> None:
    units = plan.cut(counts, size)
    assert [u.number for u in units] == list(range(len(units)))
    position = 0
    for unit in units:
        assert unit.first_row == position and 1 <= unit.rows <= size
        position += unit.rows
    assert position == sum(counts.values())
    for split, count in counts.items():
        own = [u for u in units if u.split == split]
        assert sum(u.rows for u in own) == count and all(u.total == len(own) for u in own)


def test_fingerprints_tell_everything_apart() -> None:
    base = plan.fingerprint(["a"], [entry("x")])
    others = [
        plan.fingerprint(["b"], [entry("x")]),
        plan.fingerprint(["a"], [entry("y")]),
        plan.fingerprint(["a"], [entry("x", size=4)]),
        plan.fingerprint(["a"], [entry("x", category="dresses")]),
        plan.fingerprint(["a"], [entry("x"), entry("z")]),
        plan.fingerprint(["a", ""], [entry("x")]),
    ]
    assert len({base, *others}) == 7
    assert base == plan.fingerprint(["a"], [entry("x")])


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=6), st.randoms())
def test_token_digest_ignores_order(pairs: list[tuple[str, str]], shuffler: object) -> None:
    mixed = list(pairs)
    shuffler.shuffle(mixed)
    assert plan.token_digest(pairs) == plan.token_digest(mixed)


@pytest.mark.parametrize("file_rows", [10, 1_000_000])
def test_a_plan_comes_back_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_rows: int) -> None:
    monkeypatch.setattr(plan, "FILE_ROWS", file_rows)
    monkeypatch.setattr(plan, "ROW_GROUP_ROWS", 4)
    folder = open_folder(str(tmp_path))
    records = [
        entry(f"{split}/{i:03d}", split, tags=[{"name": "ä", "value": None}]) for split in "ab" for i in range(13)
    ]
    refused = [Refused("b/zzz", "b", "missing_file", "gone", "line 7")]
    made = plan.make(reversed(records), refused, shard_size=5, limit=None)
    prints = {unit.number: f"print{unit.number}" for unit in made.units}
    plan.write(folder, made, prints)
    reader = plan.PlanReader(folder)
    assert [u.rows for u in reader.units] == [5, 5, 3, 5, 5, 3]
    assert [record for unit in reader.units for record in reader.of(unit)[0]] == records
    assert reader.of(reader.units[4])[1] == "print4" and reader.fingerprints() == prints
    assert reader.refused() == refused
    assert len(list(tmp_path.glob("_plan*"))) == -(-27 // file_rows)
    plan.write(folder, plan.make(records[:2], [], 5, None), {0: "x"})
    assert [p.name for p in tmp_path.glob("_plan*")] == ["_plan.parquet"]


def test_a_limit_counts_list_entries() -> None:
    refused = [Refused("a/0", "a", "e", "m", "s")]
    made = plan.make([entry("a/1", "a"), entry("a/2", "a")], refused, 5, limit=2)
    assert len(made.records) == 1 and len(made.refused) == 1
