"""Shards as files: dictionaries of words, row groups, and the same bytes for the same rows."""

import gc
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas import kinds, record, shards

WORDS = ["pear", "fig", "apple", "plum", "kiwi", "lime", "date", "lemon", "peach", "grape", "melon", "mango"]


def write(rows: list[dict[str, object]], file_format: str, flush_after: int) -> bytes:
    file = io.BytesIO()
    with shards.ShardWriter(file, record.schema(kinds.TRYON, []), file_format) as writer:
        for index, row in enumerate(rows):
            writer.write(row)
            if index == flush_after:
                writer._flush()
    return file.getvalue()


def dictionaries(data: bytes, file_format: str) -> list[list[str]]:
    """Of the column `dataset`, one a row group, as they lie in the file."""
    if file_format == "parquet":
        file = pq.ParquetFile(io.BytesIO(data), read_dictionary=["dataset"])
        groups = [file.read_row_group(number, ["dataset"]) for number in range(file.num_row_groups)]
    else:
        reader = pa.ipc.open_file(io.BytesIO(data))
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        groups = [pa.Table.from_batches([batch]) for batch in batches]
    return [group["dataset"].chunk(0).dictionary.to_pylist() for group in groups]


@pytest.mark.parametrize("file_format", shards.FORMATS)
def test_words_lie_in_the_order_in_which_they_come(file_format: str) -> None:
    """An order by hash would differ from process to process, and shards of equal rows with it."""
    names = [*WORDS[:8], *WORDS[3::-1], *WORDS]
    rows = [{"record_id": str(number), "dataset": name} for number, name in enumerate(names)]
    data = write(rows, file_format, flush_after=9)
    first, second = dictionaries(data, file_format)
    assert first in (WORDS[:8], WORDS) and second == WORDS, "Arrow's reader adds later words to earlier groups"
    file = shards.ShardReader(io.BytesIO(data), f"x.{file_format}")
    assert file.groups == 2 and [row["dataset"] for row in file.rows()] == names
    assert data == write(rows, file_format, flush_after=9)


@pytest.mark.parametrize("file_format", shards.FORMATS)
def test_a_writer_given_up_with_its_file_ends_without_a_word(file_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", heard.append)
    file = io.BytesIO()
    writer = shards.ShardWriter(file, record.schema(kinds.TRYON, []), file_format)
    file.close()
    del writer
    gc.collect()
    assert not heard
