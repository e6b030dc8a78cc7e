"""Rows of a CSV, TSV, JSONL, JSON or Parquet file, the same whatever the format; cells keep the format's own types."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.tryon import _text
from schemas import json_text
from schemas.cli.flags import UsageError
from schemas.messages import printable


@dataclass(frozen=True)
class Row:
    """One row: column → cell, empty ones left out. `number` counts rows from 1, lines in JSONL; `fault`: why unread."""

    number: int
    cells: dict[str, Any]
    fault: str = ""


def read(name: str, data: bytes, ignored: frozenset[str] = frozenset()) -> list[Row]:
    """The rows of a file, told by its name's ending, without the ignored columns.

    Raises UsageError for another ending, or a file that isn't of its format.
    """
    ending = next((known for known in READERS if name.lower().endswith(known)), None)
    if ending is None:
        raise UsageError(f"--input {name!r}; allowed are files ending in {', '.join(READERS)}")
    try:
        rows = list(READERS[ending](name, data, ignored))
    except UsageError:
        raise
    except (ValueError, RecursionError, pa.ArrowException, OSError, csv.Error) as error:
        raise UsageError(f"--input {name!r} is no readable {ending[1:]} table: {type(error).__name__}") from None
    if not rows:
        raise UsageError(f"--input {name!r} holds no row")
    return rows


def _csv(name: str, data: bytes, ignored: frozenset[str], usual: str = ",") -> Iterator[Row]:
    delimiter, text = _text.delimiter(_decoded(name, data), usual)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [column.strip() for column in next(lines, [])]
    _check_header(name, header)
    for number, cells in enumerate(_lines(lines), start=1):
        if isinstance(cells, str):
            yield Row(number, {}, cells)
        elif len(cells) != len(header):
            yield Row(number, {}, f"{len(cells)} cells; the header names {len(header)} columns")
        else:
            yield Row(number, {c: v for c, v in zip(header, cells, strict=True) if v and c not in ignored})


def _decoded(name: str, data: bytes) -> str:
    try:
        return _text.decode(data)
    except UnicodeDecodeError:
        raise UsageError(f"--input {name!r} is neither UTF-8 nor UTF-16; save it as UTF-8") from None


def _lines(lines: Iterator[list[str]]) -> Iterator[list[str] | str]:
    """The lines that aren't blank; for one that can't be parsed, why."""
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            yield str(error)
            continue
        if cells is None:
            return
        if cells:
            yield cells


def _check_header(name: str, header: list[str]) -> None:
    twice = sorted(column for column, times in Counter(header).items() if times > 1)
    if twice:
        raise UsageError(f"--input {name!r} has two columns {printable(twice[0])!r}; allowed is one of a name")


def _tsv(name: str, data: bytes, ignored: frozenset[str]) -> Iterator[Row]:
    return _csv(name, data, ignored, usual="\t")


def _jsonl(name: str, data: bytes, ignored: frozenset[str]) -> Iterator[Row]:
    for number, line in enumerate(_lines_of(data), start=1):
        if line.strip():
            try:
                yield _object(number, json_text.parse(line), ignored)
            except ValueError as error:
                yield Row(number, {}, f"no JSON ({type(error).__name__})")


def _lines_of(data: bytes) -> list[bytes]:
    """As UTF-8, each by itself, so that one that is none costs itself alone."""
    try:
        return _text.decode(data).encode().split(b"\n")
    except UnicodeDecodeError:
        return data.split(b"\n")


def _json(name: str, data: bytes, ignored: frozenset[str]) -> Iterator[Row]:
    document = json_text.parse(_decoded(name, data))
    if not isinstance(document, list):
        raise UsageError(f"--input {name!r} is a JSON {type(document).__name__}; allowed is a list of objects")
    for number, item in enumerate(document, start=1):
        yield _object(number, item, ignored)


def _object(number: int, item: Any, ignored: frozenset[str]) -> Row:
    if not isinstance(item, dict):
        return Row(number, {}, f"a JSON {type(item).__name__}; allowed is an object")
    return Row(number, _filled(item, ignored))


def _filled(cells: dict[str, Any], ignored: frozenset[str]) -> dict[str, Any]:
    return {c: v for c, v in cells.items() if v is not None and v != "" and c not in ignored}


def _parquet(name: str, data: bytes, ignored: frozenset[str]) -> Iterator[Row]:
    file = pq.ParquetFile(pa.BufferReader(data))
    _check_header(name, file.schema_arrow.names)
    columns = [field for field in file.schema_arrow if field.name not in ignored]
    for field in columns:
        if _holds_bytes(field.type):
            raise UsageError(
                f"--input {name!r}: column {printable(field.name)!r} holds bytes, and pictures are read from files;"
                " allowed are paths: write the pictures to files first, or name it in --ignore-columns"
            )
    number = 0
    for batch in file.iter_batches(columns=[field.name for field in columns]):
        for cells in _python(batch):
            number += 1
            yield Row(number, {}, cells) if isinstance(cells, str) else Row(number, _filled(cells, ignored))


def _python(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """The rows as Python values; for one with a value that Python can't hold (a day of the year 2,900,000), why."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError, ArithmeticError) as error:
        if len(batch) == 1:
            yield f"a value out of range ({type(error).__name__})"
            return
        for row in range(len(batch)):
            yield from _python(batch.slice(row, 1))


def _holds_bytes(kind: pa.DataType) -> bool:
    """Also pictures as Hugging Face `datasets` stores them: struct<bytes, path>."""
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return binary or (pa.types.is_struct(kind) and any(_holds_bytes(member.type) for member in kind))


READERS: dict[str, Callable[[str, bytes, frozenset[str]], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
}
