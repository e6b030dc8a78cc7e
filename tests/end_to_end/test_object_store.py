"""The whole way on an S3 server, as on a disk: build, kill, resume, validate, select, export, report, read."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import commands, object_store
from support.helpers import Dataset, Result, digests
from support.object_store import Bucket

from pipelines.building import receipts
from schemas.folders import open_folder

Command = Callable[..., Result]
BUILD = "pipelines.build_vitonhd"
OWN = {"_run.json"}


def deterministic(bucket: Bucket, prefix: str) -> dict[str, bytes]:
    """Everything that design.md §4 calls so."""
    return {name: data for name, data in bucket.objects(f"{prefix}/").items() if "/" not in name and name not in OWN}


@pytest.fixture
def uploaded(bucket: Bucket, dataset: Dataset) -> str:
    return bucket.upload(dataset.root, "in")


def test_the_same_bytes_as_on_a_disk(
    command: Command, bucket: Bucket, uploaded: str, dataset: Dataset, tmp_path: Path
) -> None:
    local = command(BUILD, "--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2)
    line = (BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 2)
    bucket.put("out/notes.txt", b"mine")
    bucket.put("out/_receipts/notes.txt", b"mine too")
    built = command(*line)
    assert (local.code, built.code) == (0, 0), built.stderr
    assert built.json == local.json | {"output": f"{bucket.url}/out", "seconds": built.json["seconds"]}
    assert deterministic(bucket, "out") == digests(tmp_path / "out") | {"notes.txt": b"mine"}
    again = command(*line)
    assert again.json["skipped_shards"] == 3 and not bucket.server.matching("PUT .*-of-00003.parquet")[3:]
    other = command(BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 3)
    assert other.code == 2 and "allowed is the same flags, another folder, or --overwrite" in other.error
    assert command(*line[:-1], 3, "--overwrite").json["shards"] == 2
    objects = bucket.objects("out/")
    assert (objects["notes.txt"], objects["_receipts/notes.txt"]) == (b"mine", b"mine too")
    assert sum(name.endswith(".parquet") and "-of-" in name for name in objects) == 2
    said = b"".join(bucket.objects().values()) + built.stderr.encode() + built.stdout.encode()
    assert object_store.SECRET.encode() not in said and object_store.KEY.encode() not in said


def test_a_killed_build_goes_on(command: Command, bucket: Bucket, uploaded: str, tmp_path: Path) -> None:
    """It is killed while a shard is on its way; what was whole isn't built again."""
    output = f"{bucket.url}/out"
    line = ["--input", uploaded, "--output", output, "--shard-size", 1, "--direct_num_workers", 1]
    held = bucket.server.hold("PUT .*/out/test-00003-of")
    words = [sys.executable, "-m", BUILD, *map(str, line)]
    (tmp_path / "scratch").mkdir()
    variables = commands.environment(tmp_path) | {"TMPDIR": str(tmp_path / "scratch")}
    killed = subprocess.Popen(words, env=variables, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        assert held.wait(120)
    finally:
        killed.kill()
        killed.wait()
    bucket.server.faults.clear()
    assert list((tmp_path / "scratch").glob("vton-*")) == []
    whole = [name for name in bucket.objects("out/") if name.endswith("-of-00006.parquet")]
    assert whole and "test-00003-of-00006.parquet" not in whole
    assert command("pipelines.validate", output).code == 1 and command("pipelines.finish", output).code == 1
    bucket.server.requests.clear()
    resumed = command(BUILD, *line)
    assert resumed.code == 0, resumed.stderr
    assert resumed.json["skipped_shards"] == len(whole)
    assert len(bucket.server.matching("PUT .*-of-00006.parquet")) == 6 - len(whole)
    command(BUILD, "--input", uploaded, "--output", tmp_path / "local", "--shard-size", 1)
    assert deterministic(bucket, "out") == digests(tmp_path / "local")


def test_resuming_opens_no_receipt(
    command: Command, bucket: Bucket, uploaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[list[str]] = []
    reconcile = receipts.reconcile

    def counted(*words: Any) -> receipts.Resume:
        bucket.server.requests.clear()
        resume = reconcile(*words)
        decided.append(list(bucket.server.requests))
        return resume

    monkeypatch.setattr(receipts, "reconcile", counted)
    line = (BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 1)
    command(*line)
    assert command(*line).json["skipped_shards"] == 6
    assert decided[1] and all(request.startswith(f"GET /{bucket.name}?list-type=2") for request in decided[1])


@pytest.mark.parametrize("root", ["s3", "memory"])
def test_only_what_changed_is_built_again(
    command: Command, bucket: Bucket, dataset: Dataset, root: str, tmp_path: Path
) -> None:
    """A file that is put again with the same bytes has another time everywhere, and another token in some stores."""
    base = bucket.url if root == "s3" else f"memory://{tmp_path.name}"
    store = open_folder(f"{base}/in")
    for path in sorted(dataset.root.rglob("*.*")):
        store.write(path.relative_to(dataset.root).as_posix(), path.read_bytes())
    line = (BUILD, "--input", f"{base}/in", "--output", f"{base}/out", "--shard-size", 2)
    assert command(*line).code == 0
    photo = "test/image/00002_00.jpg"
    store.write(photo, store.read(photo))
    assert command(*line).json["skipped_shards"] == 3
    data = bytearray(store.read(photo))
    data[-3] ^= 1
    store.write(photo, bytes(data))
    assert command(*line).json["skipped_shards"] == 2


@pytest.mark.long
def test_worker_processes(
    process: Command, command: Command, bucket: Bucket, uploaded: str, dataset: Dataset, tmp_path: Path
) -> None:
    engine = ("--direct_running_mode", "multi_processing", "--direct_num_workers", 2)
    built = process(BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 2, *engine)
    assert built.code == 0, built.stderr
    command(BUILD, "--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2)
    assert deterministic(bucket, "out") == digests(tmp_path / "out")


def test_a_busy_server_and_cut_lines_are_survived(command: Command, bucket: Bucket, uploaded: str) -> None:
    bucket.server.throttle("/out|/in", 12, every=9)
    bucket.server.cut("PUT .*-of-00003.parquet", 2)
    built = command(BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 2)
    assert built.code == 0 and [fault.times for fault in bucket.server.faults] == [0, 0], built.stderr
    assert command("pipelines.validate", f"{bucket.url}/out").code == 0


def test_a_shard_that_cannot_be_put_is_told_and_made_later(command: Command, bucket: Bucket, uploaded: str) -> None:
    line = (BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 2)
    bucket.server.deny("PUT .*/out/test-00001")
    failed = command(*line)
    assert failed.code == 1 and "unit test-00001-of-00003: " in failed.error and "Traceback" not in failed.stderr
    bucket.server.faults.clear()
    assert command(*line).json["skipped_shards"] == 2


def test_a_store_that_gives_no_answer_costs_no_record(command: Command, bucket: Bucket, uploaded: str) -> None:
    """A photo that can't be decoded is a reject; one that isn't handed out is read by the next run."""
    line = (BUILD, "--input", uploaded, "--output", f"{bucket.url}/out", "--shard-size", 2)
    bucket.server.expire("GET .*/in/test/image/00002")
    failed = command(*line)
    assert failed.code == 1 and "unit test-00001-of-00003: " in failed.error and "expired" in failed.error
    bucket.server.faults.clear()
    done = command(*line)
    assert (done.code, done.json["records"], done.json["rejects"], done.json["skipped_shards"]) == (0, 6, 0, 2)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build on the disk."""
    folder = tmp_path_factory.mktemp("built")
    data = Dataset(folder / "dataset")
    for seed in range(3):
        data.add(f"{seed:05d}_00", seed)
    data.pairs(*(f"{seed:05d}_00.jpg {seed:05d}_00.jpg" for seed in range(3)))
    commands.call(folder, BUILD, "--input", data.root, "--output", folder / "shards", "--shard-size", 2)
    return folder / "shards"


@pytest.fixture
def shards(bucket: Bucket, built: Path) -> tuple[Path, str]:
    """Finished shards on the disk, and the same in the bucket."""
    return built, bucket.upload(built, "shards")


@pytest.mark.parametrize(
    "words",
    [
        ("pipelines.select", "SHARDS", "--where", "height > 0", "--output", "OUT"),
        ("pipelines.annotate", "SHARDS", "--annotators", "quality", "--output", "OUT"),
        ("pipelines.export", "SHARDS", "--layout", "webdataset", "--output", "OUT"),
        ("pipelines.export", "SHARDS", "--layout", "review", "--output", "OUT"),
        ("pipelines.stats", "SHARDS", "--output", "OUT.md"),
        ("pipelines.report", "SHARDS", "--output", "OUT.html"),
    ],
    ids=lambda words: " ".join(words[:1] + words[2:4]),
)
def test_commands_from_and_to_a_store(
    command: Command, bucket: Bucket, shards: tuple[Path, str], words: tuple[str, ...], tmp_path: Path
) -> None:
    def run(source: object, target: str) -> Result:
        return command(*(word.replace("SHARDS", str(source)).replace("OUT", target) for word in words))

    (tmp_path / "local").mkdir()
    here, there = run(shards[0], f"{tmp_path}/local/out"), run(shards[1], f"{bucket.url}/far/out")
    assert (here.code, there.code) == (0, 0), there.stderr
    local = tmp_path / "local"
    written = {path.relative_to(local).as_posix(): path.read_bytes() for path in local.rglob("*.*")}
    assert bucket.objects("far/") and _content(bucket.objects("far/"), shards[1]) == _content(written, str(shards[0]))


def _content(files: dict[str, bytes], source: str) -> dict[str, bytes]:
    """Without the files that tell when inputs were written; a page names the folder that it shows."""
    own = ("_run.json", "_receipts/")
    return {
        name: data.replace(source.encode(), b"SHARDS") if name.endswith(".html") else data
        for name, data in files.items()
        if not any(word in name for word in own)
    }


COMMANDS = [
    (BUILD, "--input", "BAD", "--output", "OUT"),
    (BUILD, "--input", "IN", "--output", "BAD"),
    (BUILD, "--input", "IN", "--output", "OUT", "--weights", "BAD"),
    ("pipelines.validate", "BAD"),
    ("pipelines.finish", "BAD"),
    ("pipelines.stats", "BAD"),
    ("pipelines.report", "BAD", "--output", "OUT/page.html"),
    ("pipelines.report", "SHARDS", "--output", "BAD/page.html"),
    ("pipelines.stats", "SHARDS", "--output", "BAD/table.md"),
    ("pipelines.select", "BAD", "--where", "height > 0", "--output", "OUT"),
    ("pipelines.select", "SHARDS", "--where", "height > 0", "--output", "BAD"),
    ("pipelines.annotate", "SHARDS", "--annotators", "quality", "--output", "BAD"),
    ("pipelines.annotate", "SHARDS", "--from-folder", "agnostic_mask=BAD", "--output", "OUT"),
    ("pipelines.export", "BAD", "--layout", "review", "--output", "OUT"),
    ("pipelines.export", "SHARDS", "--layout", "review", "--output", "BAD"),
]


@pytest.mark.parametrize("why", ["no bucket", "no permission", "password"])
def test_one_line_before_any_work(command: Command, bucket: Bucket, shards: tuple[Path, str], why: str) -> None:
    bad = {"no bucket": "s3://never-made/x", "no permission": f"{bucket.url}/shut", "password": "s3://me:hidden@b/x"}
    bucket.server.deny("/shut|shut%2F")
    data = bucket.upload(shards[0].parent / "dataset", "in")
    places = {"BAD": bad[why], "IN": data, "SHARDS": shards[1], "OUT": f"{bucket.url}/out"}
    before = bucket.objects()
    for words in COMMANDS:
        done = command(*(re.sub("|".join(places), lambda name: places[name[0]], word) for word in words))
        assert done.code == 2 and "Traceback" not in done.stderr, (words, done.code, done.stderr)
        assert bad[why].replace("me:hidden", "***") in done.error and "hidden" not in done.stderr, (words, done.stderr)
        assert bucket.objects() == before, words
