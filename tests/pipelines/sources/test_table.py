"""Tables of paths: formats, names of columns, defaults, and what bad rows do."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import layouts_tables
from support.layouts_tables import table_bytes, table_rows

from pipelines.sources import Listing
from pipelines.sources.tryon import _tables
from pipelines.sources.tryon.table import COLUMNS, Table, listing
from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.folders import LocalFolder, open_folder

ENDINGS = sorted(_tables.READERS)
PAIR = {"person_image": "photos/{}.jpg", "garment_image": "clothes/{}.jpg"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    folder = tmp_path_factory.mktemp("table")
    layouts_tables.table_files(folder)
    found = open_folder(str(folder))
    assert isinstance(found, LocalFolder)
    return found


def pair(number: int = 0, **cells: Any) -> dict[str, Any]:
    person_id = layouts_tables.ids()[number]
    return {name: path.format(person_id) for name, path in PAIR.items()} | cells


def read(
    root: LocalFolder, rows: list[dict[str, Any]], ending: str = ".jsonl", split: str = "all", **how: Any
) -> Listing:
    table = {key: how.pop(key) for key in ("renamed", "ignored") if key in how}
    return listing(root, split, "unpaired", table=Table(f"t{ending}", table_bytes(rows, ending), **table), **how)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_says_the_same(root: LocalFolder, ending: str) -> None:
    found = read(root, table_rows(), ending)
    assert not found.refused and found.repeated_lines == 0
    first, second, third = found.records
    person_id = layouts_tables.ids()[0]
    assert first.record_id == f"table/train/{person_id}+g0" and first.source == f"t{ending}:1"
    assert first.references["parse"] == f"labels/{person_id}.png" and len(first.references) == 5
    assert first.values == {
        "garment_view": "flat",
        "paired": True,
        "caption": "caption 0",
        "captions": [{"text": "caption 0", "model": None}, {"text": "other, words", "model": None}],
        "tags": [{"name": "item", "value": "Top"}, {"name": "looks", "value": None}],
        "category": "upper_body",
        "person_id": person_id,
        "garment_id": "g0",
    }
    assert (second.split, second.values["paired"]) == ("test", False)
    assert [(i.values["category"], i.values.get("garment_type")) for i in (second, third)] == [
        *(("lower_body", "jeans"), ("dresses", "Evening dress")),
    ]
    assert [item.source for item in read(root, table_rows(), ending, split="test").records] == [f"t{ending}:2"]


def test_defaults(root: LocalFolder) -> None:
    (found,) = read(root, [pair()]).records
    person_id = layouts_tables.ids()[0]
    assert found.record_id == f"table/train/{person_id}+{person_id}"
    assert found.values == {
        "garment_view": "flat",
        "paired": True,
        "category": None,
        "person_id": person_id,
        "garment_id": person_id,
    }
    (found,) = read(root, [pair()], category="dresses").records
    assert found.values["category"] == "dresses"


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ({"person_id": "a", "garment_id": "a"}, {"paired": True}),
        ({"person_id": "a", "garment_id": "b"}, {"paired": False}),
        ({"person_id": "a", "garment_id": "b", "paired": "Yes"}, {"paired": True}),
        ({"person_id": 12, "garment_id": "a/b"}, {"person_id": "12", "garment_id": "a_b"}),
        ({"garment_id": "b"}, {"paired": True}),
        ({"category": "Poncho?"}, {"category": "upper_body", "garment_type": "Poncho?"}),
        ({"category": "thing"}, {"category": None, "garment_type": "thing"}),
        ({"category": "DRESSES"}, {"category": "dresses"}),
        ({"garment_type": "skirt"}, {"category": "lower_body", "garment_type": "skirt"}),
        ({"category": "upper_body", "garment_type": "skirt"}, {"category": "upper_body", "garment_type": "skirt"}),
        ({"garment_view": "WORN"}, {"garment_view": "worn"}),
        ({"captions": "one, two"}, {"caption": "one, two", "captions": [{"text": "one, two", "model": None}]}),
        ({"captions": [{"text": "a", "model": "blip"}], "caption": "b"}, {"caption": "b"}),
        ({"tags": [["item", "Top"]]}, {"tags": [{"name": "item", "value": "Top"}]}),
        ({"tags": [{"name": "item", "value": "Top"}]}, {"tags": [{"name": "item", "value": "Top"}]}),
    ],
)
def test_values(root: LocalFolder, cells: dict[str, Any], values: dict[str, Any]) -> None:
    (found,) = read(root, [pair(**cells)]).records
    assert values.items() <= found.values.items()


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ({"person_image": "../photos/a.jpg"}, "outside_root"),
        ({"person_image": "/etc/passwd"}, "outside_root"),
        ({"parse": "s3://bucket/a.png"}, "outside_root"),
        ({"parse": "labels/none.png"}, "missing_file"),
        ({"person_image": 3}, "malformed_row"),
        ({"person_image": None}, "malformed_row"),
        ({"keypoints": [1, 2]}, "malformed_row"),
        ({"split": "validation"}, "malformed_row"),
        ({"split": "../train"}, "malformed_row"),
        ({"paired": "perhaps"}, "malformed_row"),
        ({"paired": 2}, "malformed_row"),
        ({"garment_view": "folded"}, "malformed_row"),
        ({"person_id": 1.5}, "malformed_row"),
        ({"person_id": True}, "malformed_row"),
        ({"caption": ["a"]}, "malformed_row"),
        ({"caption": "\ud800"}, "malformed_row"),
        ({"captions": [1.5]}, "malformed_row"),
        ({"captions": "[1,"}, "malformed_row"),
        ({"captions": "[" * 50_000}, "malformed_row"),
        ({"tags": 7}, "malformed_row"),
        ({"tags": {"item": {"a": 1}}}, "malformed_row"),
        ({"tags": "{"}, "malformed_row"),
        ({"category": ["dress"]}, "malformed_row"),
    ],
)
def test_a_bad_row_is_refused_alone(root: LocalFolder, cells: dict[str, Any], error: str) -> None:
    found = read(root, [pair(1), pair() | cells])
    assert len(found.records) == 1
    (refused,) = found.refused
    assert (refused.error, refused.source) == (error, "t.jsonl:2") and refused.record_id.endswith("/row-000002")
    assert refused.message.isprintable() and len(refused.message) < 300


def test_rows_that_are_no_rows(root: LocalFolder) -> None:
    good = table_bytes([pair()], ".jsonl")
    table = Table("t.jsonl", b"\xef\xbb\xbf" + good + b"\n{\n7\n" + b"[" * 100_000 + b"\n")
    found = listing(root, "all", "unpaired", table=table)
    assert len(found.records) == 1 and [item.source for item in found.refused] == [f"t.jsonl:{n}" for n in (3, 4, 5)]
    good = table_bytes([pair()], ".csv")
    table = Table("t.csv", good + b"one\r\na,b,c\r\n\r\n" + b"x" * 200_000 + b",b\r\n")
    found = listing(root, "all", "unpaired", table=table)
    assert len(found.records) == 1 and [item.source for item in found.refused] == [f"t.csv:{n}" for n in (2, 3, 4)]


def test_repeated_rows_are_dropped_and_other_rows_of_one_id_refused(root: LocalFolder) -> None:
    found = read(root, [pair(), pair(), pair(caption="other")])
    assert (len(found.records), found.repeated_lines) == (1, 1)
    assert [item.error for item in found.refused] == ["repeated_id"]


def test_ids_of_files_with_one_name(tmp_path: Path) -> None:
    root = open_folder(str(tmp_path))
    for name in ("a/p.jpg", "b/p.jpg", "a/g.jpg", "b/g.jpg"):
        layouts_tables.put(tmp_path, name, b"x")
    rows = [{"person_image": f"{f}/p.jpg", "garment_image": f"{f}/g.jpg"} for f in "ab"]
    found = listing(root, "all", "unpaired", table=Table("t.json", table_bytes(rows, ".json")))
    assert [item.record_id for item in found.records] == ["table/train/a_p+a_g", "table/train/b_p+b_g"]
    assert all(item.values["paired"] for item in found.records)


def test_columns_of_other_names(root: LocalFolder) -> None:
    rows = [{"image": pair()["person_image"], "cloth": pair()["garment_image"], "price": 3}]
    how = {"renamed": (("cloth", "garment_image"), ("image", "person_image"))}
    assert len(read(root, rows, ".csv", **how, ignored=("price",)).records) == 1
    with pytest.raises(UsageError, match=r"'price' of t\.csv .* --ignore-columns"):
        read(root, rows, ".csv", **how)
    with pytest.raises(UsageError, match="no column 'garment_image' in t.csv; there are image"):
        read(root, rows, ".csv", renamed=(("image", "person_image"),), ignored=("price", "cloth"))
    with pytest.raises(UsageError, match="no column 'persons'; allowed are person_mask|source"):
        read(root, rows, ".csv", renamed=(("image", "persons"),))
    with pytest.raises(UsageError, match="two columns of t.csv are 'person_image'"):
        read(root, rows, ".csv", renamed=(("cloth", "person_image"), ("image", "person_image")), ignored=("price",))
    assert str(Table("t.csv", b"", **how, ignored=("price",))) == (
        "t.csv, cloth=garment_image, image=person_image, without price"
    )


def test_every_allowed_column_is_one_of_the_record() -> None:
    assert set(COLUMNS) <= set(kinds.TRYON.fields) and len(set(COLUMNS)) == len(COLUMNS)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.xlsx", b"PK"),
        ("t", b"a,b"),
        ("t.csv", b""),
        ("t.csv", b"person_image,garment_image\n"),
        ("t.csv", b"\xff\xfe"),
        ("t.csv", b"a,a\n1,2\n"),
        ("t.json", b"{}"),
        ("t.json", b"[]"),
        ("t.json", b"[" * 100_000),
        ("t.jsonl", b"\n\n"),
        ("t.parquet", b"PAR1 no PAR1"),
        ("t.parquet", b""),
    ],
)
def test_a_file_that_is_no_table(root: LocalFolder, name: str, data: bytes) -> None:
    with pytest.raises(UsageError, match=name):
        listing(root, "all", "unpaired", table=Table(name, data))


def test_pictures_inside_parquet_are_refused_clearly(root: LocalFolder) -> None:
    picture = {"bytes": b"\xff\xd8", "path": "a.jpg"}
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([pair() | {"garment_image": picture, "more": picture}]), sink)
    with pytest.raises(UsageError, match="'garment_image' holds bytes"):
        listing(root, "all", "unpaired", table=Table("t.parquet", sink.getvalue(), ignored=("more",)))


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(COLUMNS),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=4,
        ),
        max_size=6,
    )
)
def test_any_row_is_a_record_or_refused(root: LocalFolder, cells: dict[str, Any]) -> None:
    found = read(root, [pair(1), pair() | cells])
    assert len(found.records) + len(found.refused) + found.repeated_lines == 2
