"""Tables and lists as spreadsheets and editors write them: encodings, marks, delimiters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.tryon import _names, _tables, _text
from schemas.cli.flags import UsageError

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
ROWS = (
    ("image", "cloth", "caption"),
    ("p 0.jpg", "g0.jpg", "red, striped; cut | long"),
    ("p1.jpg", "g1.jpg", "bläulich"),
)


def table(mark: str, newline: str = "\n") -> str:
    quoted = (('"' + cell + '"' if any(c in cell for c in ",;|\t") else cell for cell in row) for row in ROWS)
    return newline.join(mark.join(row) for row in quoted) + newline


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.TSV"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("mark", _text.DELIMITERS)
def test_a_table_says_the_same_in_every_encoding_with_every_delimiter(name: str, encoding: str, mark: str) -> None:
    for text in (table(mark), table(mark, "\r\n"), f"sep={mark}\r\n{table(mark)}"):
        rows = _tables.read(name, text.encode(encoding))
        assert [row.cells for row in rows] == [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]
        assert [row.number for row in rows] == [1, 2] and not any(row.fault for row in rows)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("ending", [".json", ".jsonl"])
def test_json_in_every_encoding(ending: str, encoding: str) -> None:
    text = '[{"image": "ä.jpg"}]' if ending == ".json" else '{"image": "ä.jpg"}\n'
    (row,) = _tables.read(f"pairs{ending}", text.encode(encoding))
    assert row.cells == {"image": "ä.jpg"}


def test_an_encoding_that_cannot_be_told_is_named() -> None:
    with pytest.raises(UsageError, match="'pairs.csv' is neither UTF-8 nor UTF-16; save it as UTF-8"):
        _tables.read("pairs.csv", "image,cloth\nä.jpg,b.jpg\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("image,cloth;caption\na.jpg,b.jpg\n", ","),  # both give two columns, but one row agrees
        ("image;cloth\na,b.jpg;c,d.jpg\n", ";"),
        ("image;cloth;caption\na.jpg\n", ";"),  # the first row is the malformed one
        ("image\na.jpg\n", ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_what_header_and_row_agree_on(text: str, mark: str) -> None:
    assert _text.delimiter(text, ",") == (mark, text)


@pytest.mark.parametrize(
    "line", ["a b.jpg;c.jpg", "a b.jpg | c.jpg", '"a b.jpg";"c.jpg"', '"a b.jpg"; c.jpg', "a b.jpg\tc.jpg"]
)
def test_lists_of_pairs_with_other_delimiters(line: str) -> None:
    assert _names.split_pair(line) == ("a b.jpg", "c.jpg")


@given(st.text().filter(lambda text: not text.startswith("\0")))  # UTF-16's mark and a NUL are UTF-32's mark
def test_text_comes_back_from_every_marked_encoding(text: str) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert _text.decode(text.encode(encoding)) == text


@given(st.binary())
def test_any_bytes_are_text_where_errors_are_replaced(data: bytes) -> None:
    assert isinstance(_text.decode(data, "replace"), str)
