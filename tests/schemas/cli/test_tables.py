"""Tables in three languages: whatever the cells say, they stay cells."""

import csv
import io
import re

from hypothesis import given
from hypothesis import strategies as st

from schemas.cli import tables
from schemas.cli.tables import Share, Table

NASTY = "a|b\n<script> & 50% of $x_1^2$ ~ {z} \\end{table} #1 [c]"
SAMPLE = Table(
    "Of a & b", ("kind", "n", "share", "mean"), (("x", 1234, Share(0.25), 1.5), (NASTY, None, Share(1), 2.0))
)


def test_markdown() -> None:
    lines = tables.markdown(SAMPLE).splitlines()
    assert lines[:5] == [
        "### Of a &amp; b",
        "",
        "| kind | n | share | mean |",
        "| --- | ---: | ---: | ---: |",
        "| x | 1,234 | 25.0 % | 1.50 |",
    ]
    assert len(lines) == 6 and "&lt;script&gt;" in lines[5] and "a\\|b" in lines[5]
    assert len(re.findall(r"(?<!\\)\|", lines[5])) == 5
    total = tables.markdown(Table("t", ("a", "n"), (("x", 1), ("total", 1)), total=True)).splitlines()
    assert total[-2:] == ["| x | 1 |", "| **total** | **1** |"]


def test_latex() -> None:
    text = tables.latex(Table(SAMPLE.title, SAMPLE.header, SAMPLE.rows, total=True))
    lines = text.splitlines()
    assert r"\begin{tabular}{lrrr}" in lines and lines.count(r"\midrule") == 2
    assert r"x & 1,234 & 25.0 \% & 1.50 \\" in lines
    row = next(line for line in lines if "script" in line)
    assert text.count(r"\end{table}") == 1 and r"\textbackslash{}end\{table\}" in row
    assert all(part in row for part in (r"\&", r"50\%", r"\$x\_1\textasciicircum{}2\$", r"\#1", "{[}c{]}"))
    assert len(re.findall(r"(?<!\\)&", row)) == 3, "cells don't make columns"


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=5))
def test_csv_reads_back(rows: list[list[str]]) -> None:
    text = tables.comma_separated(Table("", ("a", "b"), tuple(map(tuple, rows))))
    assert text.startswith("a,b\r\n")
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == rows


def test_csv_keeps_numbers() -> None:
    assert tables.comma_separated(SAMPLE).splitlines()[1] == "x,1234,0.25,1.5"


@given(st.text())
def test_no_text_breaks_a_line(text: str) -> None:
    table = Table("t", ("a",), ((text,),))
    assert len(tables.markdown(table).split("\n")) == 6
    assert len(tables.latex(table).split("\n")) == 12


def test_shares_are_never_rounded_to_all_or_nothing() -> None:
    shares = [0, 0.00001, 0.5, 0.99999, 1]
    assert [tables.shown(Share(share)) for share in shares] == ["0 %", "0.1 %", "50.0 %", "99.9 %", "100 %"]


def test_what_fits_the_screen_is_a_table() -> None:
    assert tables.listed([("a", "b"), ("x", "yy")], width=5) == "a  b\nx  yy"


@given(st.lists(st.tuples(*[st.text("abc/-", min_size=1, max_size=12)] * 2), min_size=1), st.integers(40, 80))
def test_what_does_not_fit_is_a_paragraph_a_row(rows: list[tuple[str, str]], width: int) -> None:
    told = tables.listed([("name", "value", "text"), *((*row, "many words " * 20) for row in rows)], width)
    paragraphs = [part.splitlines() for part in told.split("\n\n")]
    assert [(lines[0], lines[1].split()) for lines in paragraphs] == [(one, ["value", two]) for one, two in rows]
    assert all(" ".join(lines[2:]).split() == ["text", *["many", "words"] * 20] for lines in paragraphs)
    assert max(map(len, told.splitlines())) <= width


def test_long_text_goes_on_below_itself() -> None:
    told = tables.hanging([("go", "one two three four five six"), ("stop", "")], "  ", width=30)
    assert told == "  go    one two three four\n        five six\n  stop"


def test_addresses_are_not_broken() -> None:
    address = "https://example.org/" + "a-b/" * 30
    assert address in tables.hanging([("from", f"at {address}")], width=40)
