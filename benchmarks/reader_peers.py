"""The readers that `reader.py` compares: each writes the same records in its own form, and gives shuffled batches.

A record is a dict column → bytes or str. `equal` readers decode with our functions, to the same tensors; the others as
their documentation shows: whole photos, resized, floats in [−1, 1].
"""

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from schemas import shards
from vton_models.reading import decoding
from vton_models.reading.dataset import ShardDataset

Record = dict[str, Any]
HEIGHT, WIDTH = 512, 384  # of the training tensors
BATCH, BUFFER, SEED = 16, 500, 1
PHOTOS, MASK, PLAIN_MASK = ("person_image", "garment_image"), "agnostic_mask", "mask_8bit"
TRAINED = ["record_id", *PHOTOS, MASK, "caption"]


# ---- decoding
def equal(record: Record) -> Record:
    """What our reader gives: uint8, photos decoded at half size, 1-bit masks."""
    size = (HEIGHT, WIDTH)
    out = {name: torch.from_numpy(decoding.decode_image(record[name], size)) for name in PHOTOS}
    out[MASK] = torch.from_numpy(decoding.decode_mask(record[MASK], size))
    return out | {"record_id": record["record_id"], "caption": record["caption"]}


def usual(record: Record) -> Record:
    """OpenCV at full size, resized by area; float32 [3 h w] in [−1, 1], the mask [1 h w] in [0, 1]."""
    out = {}
    for name in PHOTOS:
        photo = cv2.cvtColor(cv2.imdecode(np.frombuffer(record[name], np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        out[name] = _floats(cv2.resize(photo, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    mask = cv2.imdecode(np.frombuffer(record[PLAIN_MASK], np.uint8), cv2.IMREAD_GRAYSCALE)
    mask = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    out[MASK] = torch.from_numpy(mask)[None].float().div_(255)
    return out | {"record_id": record["record_id"], "caption": record["caption"]}


def usual_pillow(record: Record) -> Record:
    """The same of Pillow images, which Hugging Face datasets decodes to."""
    size = (WIDTH, HEIGHT)
    out = {n: _floats(np.asarray(record[n].convert("RGB").resize(size, resample=2))) for n in PHOTOS}
    mask = np.array(record[PLAIN_MASK].convert("L").resize(size, resample=0))
    out[MASK] = torch.from_numpy(mask)[None].float().div_(255)
    return out | {"record_id": record["record_id"], "caption": record["caption"]}


def raw(record: Record) -> Record:
    """Nothing decoded."""
    return {name: record[name] for name in TRAINED}


def _floats(photo: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1))).float().div_(127.5).sub_(1)


def together(records: list[Record]) -> Record:
    """Tensors stacked, the rest lists."""
    first = records[0]
    stacked = {k for k, v in first.items() if isinstance(v, torch.Tensor)}
    return {k: torch.stack([r[k] for r in records]) if k in stacked else [r[k] for r in records] for k in first}


def _together_numpy(records: list[Record]) -> Record:
    first = records[0]
    stacked = {k for k, v in first.items() if isinstance(v, torch.Tensor)}
    return {k: np.stack([r[k].numpy() for r in records]) if k in stacked else [r[k] for r in records] for k in first}


def one_thread(_: int = 0) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


# ---- writing; every form is made from our shards
def rows(work: Path) -> Iterator[Record]:
    """The records of our shards as bytes and strings."""
    for path in sorted((work / "ours").glob("*.parquet")):
        with path.open("rb") as file:
            for row in shards.ShardReader(file, path.name).rows():
                yield {k: v["bytes"] if isinstance(v, dict) else v for k, v in row.items()}


def write_webdataset(work: Path, out: Path, per_shard: int) -> None:
    import webdataset

    with webdataset.ShardWriter(str(out / "%05d.tar"), maxcount=per_shard, verbose=0) as sink:
        for row in rows(work):
            content = {f"{k}.bin" if isinstance(v, bytes) else f"{k}.txt": v for k, v in row.items()}
            sink.write({"__key__": row["record_id"], **content})


def write_streaming(work: Path, out: Path, per_shard: int) -> None:
    import streaming

    first = next(rows(work))
    columns = {k: "bytes" if isinstance(v, bytes) else "str" for k, v in first.items()}
    with streaming.MDSWriter(out=str(out), columns=columns, size_limit=1 << 26) as sink:
        for row in rows(work):
            sink.write(row)


def write_litdata(work: Path, out: Path, per_shard: int) -> None:
    import litdata

    os.environ["READER_PEERS"] = str(work)
    count = sum(1 for _ in rows(work))
    litdata.optimize(_numbered, list(range(count)), str(out), num_workers=1, chunk_bytes="64MB", verbose=False)


@cache
def _reading(work: str) -> Iterator[Record]:
    return rows(Path(work))


def _numbered(_: int) -> Record:
    return next(_reading(os.environ["READER_PEERS"]))  # one worker asks in order


def write_grain(work: Path, out: Path, per_shard: int) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    sink = None
    for number, row in enumerate(rows(work)):
        if number % per_shard == 0:
            if sink:
                sink.close()
            sink = ArrayRecordWriter(str(out / f"{number // per_shard:05d}.array_record"), "group_size:1,uncompressed")
        sink.write(pickle.dumps(row))
    sink.close()


def write_lance(work: Path, out: Path, per_shard: int) -> None:
    import lance

    lance.write_dataset(pa.RecordBatchReader.from_batches(*_as_arrow(work, per_shard)), str(out), mode="overwrite")


def _as_arrow(work: Path, per_shard: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    first = next(rows(work))
    schema = pa.schema({k: pa.large_binary() if isinstance(v, bytes) else pa.string() for k, v in first.items()})
    return schema, (pa.RecordBatch.from_pylist(list(part), schema) for part in _parts(rows(work), per_shard))


def _parts(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    while part := list(islice(records, size)):
        yield part


WRITERS = {
    "webdataset": write_webdataset,
    "streaming": write_streaming,
    "litdata": write_litdata,
    "grain": write_grain,
    "lance": write_lance,
}


# ---- reading
def ours(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    size = (HEIGHT, WIDTH)
    data = ShardDataset(work / "ours", TRAINED, seed=SEED, batch_size=BATCH, decode_size=size)
    return DataLoader(data, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)


def ours_threads(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    """`workers` decoding threads in the one process."""
    return ShardDataset(
        work / "ours", TRAINED, seed=SEED, batch_size=BATCH, decode_size=(HEIGHT, WIDTH), threads=workers
    )


def webdataset(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    import webdataset as wds

    def record(sample: dict[str, bytes]) -> Record:
        found = {k.rpartition(".")[0]: v if k.endswith(".bin") else v.decode() for k, v in sample.items() if "." in k}
        return take(found)

    tars = sorted(map(str, (work / "webdataset").glob("*.tar")))
    data = wds.WebDataset(tars, shardshuffle=100, seed=SEED, empty_check=False).shuffle(BUFFER).map(record)
    return _loader(data, workers)


class _Mapped(Dataset):
    def __init__(self, data: Any, take: Callable[[Record], Record]) -> None:
        self.data, self.take = data, take

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Record:
        return self.take(self.data[int(index)])


class _Streamed(IterableDataset):
    def __init__(self, data: Any, take: Callable[[Record], Record]) -> None:
        self.data, self.take = data, take

    def __iter__(self) -> Iterator[Record]:
        return (self.take(record) for record in self.data)


def hf_map(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    from datasets import Dataset as HuggingFace

    data, take = _hf(HuggingFace.from_parquet(_parquet(work), cache_dir=str(work / "hf_cache")), take)
    generator = torch.Generator().manual_seed(SEED)
    return _loader(_Mapped(data, take), workers, shuffle=True, generator=generator)


def hf_stream(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    from datasets import load_dataset

    data = load_dataset("parquet", data_files=_parquet(work), split="train", streaming=True)
    data, take = _hf(data, take)
    return _loader(_Streamed(data.shuffle(seed=SEED, buffer_size=BUFFER), take), workers)


def _parquet(work: Path) -> list[str]:
    return sorted(map(str, (work / "ours").glob("*.parquet")))


def _hf(data: Any, take: Callable[[Record], Record]) -> tuple[Any, Callable[[Record], Record]]:
    """Only the columns in use; pictures as Pillow images, or as bytes where our functions decode them."""
    from datasets import Image

    usual_way = take is usual
    pictures = [*PHOTOS, PLAIN_MASK if usual_way else MASK]
    data = data.select_columns(["record_id", *pictures, "caption"])
    for name in pictures:
        data = data.cast_column(name, Image(decode=usual_way))
    if usual_way:
        return data, usual_pillow
    return data, lambda record: take({k: v["bytes"] if isinstance(v, dict) else v for k, v in record.items()})


def streaming(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()

    class Taken(StreamingDataset):
        def __getitem__(self, index: Any) -> Any:
            return take(super().__getitem__(index))

    folder = str(work / "streaming")
    return _loader(Taken(local=folder, shuffle=True, batch_size=BATCH, shuffle_seed=SEED), workers)


def litdata(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    import litdata as lit

    class Taken(lit.StreamingDataset):
        def __getitem__(self, index: Any) -> Any:
            return take(super().__getitem__(index))

    data = Taken(input_dir=str(work / "litdata"), shuffle=True, seed=SEED, drop_last=False)
    options = {"prefetch_factor": 4} if workers else {}
    return lit.StreamingDataLoader(data, batch_size=BATCH, num_workers=workers, collate_fn=together, **options)


class _Unpickled:
    """Caps threads once per process, as grain has no hook for it in its workers."""

    capped = False

    def __init__(self, take: Callable[[Record], Record]) -> None:
        self.take = take

    def __call__(self, data: bytes) -> Record:
        if not _Unpickled.capped:
            one_thread()
            _Unpickled.capped = True
        return self.take(pickle.loads(data))


def grain(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    import grain as g

    source = g.sources.ArrayRecordDataSource(sorted(map(str, (work / "grain").glob("*.array_record"))))
    options = g.ReadOptions(num_threads=0 if workers else 1, prefetch_buffer_size=0 if workers else 2 * BATCH)
    data = g.MapDataset.source(source).shuffle(seed=SEED).map(_Unpickled(take)).to_iter_dataset(options)
    data = data.batch(BATCH, batch_fn=_together_numpy)
    if not workers:
        return data
    return data.mp_prefetch(g.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=4))


def lance(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    """Batches of rows at random places, which is what Lance's format is for."""
    folder = str(work / "lance")
    return _loader(
        _LanceRows(folder, take), workers, sampler=_shuffled_batches(_LanceRows(folder, take)), batch_size=None
    )


class _LanceRows(Dataset):
    def __init__(self, folder: str, take: Callable[[Record], Record]) -> None:
        import lance

        self.folder, self.take = folder, take
        self.count, self.data = lance.dataset(folder).count_rows(), None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: list[int]) -> Record:
        import lance

        if self.data is None:  # Lance's threads don't survive a fork
            self.data = lance.dataset(self.folder)
        names = TRAINED if self.take is not usual else [PLAIN_MASK if name == MASK else name for name in TRAINED]
        return together([self.take(row) for row in self.data.take(indices, columns=names).to_pylist()])


def _shuffled_batches(data: Dataset) -> list[list[int]]:
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(SEED)).tolist()
    return [order[at : at + BATCH] for at in range(0, len(order), BATCH)]


def spdl(work: Path, take: Callable[[Record], Record], workers: int) -> Iterable[Record]:
    """SPDL's pipeline over our Parquet; its decoding threads are what a loader's workers are elsewhere."""
    from spdl.pipeline import PipelineBuilder

    threads = max(1, workers)
    names = TRAINED if take is not usual else [PLAIN_MASK if name == MASK else name for name in TRAINED]
    builder = PipelineBuilder().add_source(_shuffled_rows(work, names)).pipe(take, concurrency=threads)
    pipeline = builder.aggregate(BATCH).pipe(together).add_sink(4).build(num_threads=threads)
    with pipeline.auto_stop():
        yield from pipeline


def _shuffled_rows(work: Path, names: list[str]) -> Iterator[Record]:
    """Row groups in random order through a buffer from which rows are drawn."""
    rng = np.random.default_rng(SEED)
    files = [pq.ParquetFile(path) for path in _parquet(work)]
    groups = [(file, number) for file in files for number in range(file.num_row_groups)]
    buffer: list[Record] = []
    for at in rng.permutation(len(groups)):
        file, number = groups[at]
        for row in file.read_row_group(number, columns=names).to_pylist():
            buffer.append({k: v["bytes"] if isinstance(v, dict) else v for k, v in row.items()})
            if len(buffer) >= BUFFER:
                yield buffer.pop(int(rng.integers(len(buffer))))
    while buffer:
        yield buffer.pop(int(rng.integers(len(buffer))))


def _loader(data: Any, workers: int, **options: Any) -> Iterable[Record]:
    stacked = {"batch_size": BATCH, "collate_fn": together}
    options = (stacked if "batch_size" not in options else {}) | options
    options |= {"num_workers": workers, "worker_init_fn": one_thread}
    if workers and isinstance(data, _LanceRows):
        options["multiprocessing_context"] = "spawn"
    return DataLoader(data, prefetch_factor=4 if workers else None, **options)


READERS: dict[str, Callable[..., Iterable[Record]]] = {
    "ours": ours,
    "ours_again": ours,  # the control
    "ours_threads": ours_threads,
    "webdataset": webdataset,
    "hf_map": hf_map,
    "hf_stream": hf_stream,
    "streaming": streaming,
    "litdata": litdata,
    "grain": grain,
    "lance": lance,
    "spdl": spdl,
}
