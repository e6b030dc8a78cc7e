"""What object stores do that disks don't: busy servers, broken uploads, buckets, markers, pages, other clients."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.object_store import Bucket

from schemas.cli.failures import NotAdmitted, Unreachable
from schemas.cli.flags import UsageError
from schemas.folders import RemoteFolder, names, open_file, open_folder, open_parent, secrets, stores

PART = 5 << 20  # bytes: the least that S3 takes as a part of several


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "FIRST_WAIT", 0.001)


def tries(work: Callable[[], object]) -> BaseException:
    with pytest.raises((OSError, Unreachable)) as caught:
        work()
    return caught.value


def test_a_throttled_server_is_asked_again(bucket: Bucket) -> None:
    folder = open_folder(f"{bucket.url}/out")
    operations: dict[str, Callable[[], object]] = {
        "PUT .*/a": lambda: folder.write("a", b"one"),
        "GET .*/a": lambda: folder.read("a"),
        "HEAD .*/a": lambda: folder.entry("a"),
        "GET .*list-type": lambda: folder.files(),
        "DELETE .*/a": lambda: folder.remove("a"),
    }
    for pattern, operation in operations.items():
        bucket.server.throttle(pattern, 2)
        operation()
        assert bucket.server.faults[-1].times == 0, pattern
    assert bucket.objects() == {}


class Busy:
    """A driver that says no some times, in the way of its kind."""

    def __init__(self, refusals: list[Exception]) -> None:
        self.refusals = refusals

    def __call__(self) -> str:
        if self.refusals:
            raise self.refusals.pop()
        return "done"


def refusal(**attributes: object) -> Exception:
    error = RuntimeError("no")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    "error",
    [
        refusal(status=429),
        refusal(code=503),
        refusal(response={"ResponseMetadata": {"HTTPStatusCode": 503}}),
        refusal(response=type("Response", (), {"status_code": 429})()),
        OSError("Please reduce your request rate."),
        OSError(16, "SlowDown"),
        TimeoutError(),
        ConnectionResetError(),
    ],
    ids=repr,
)
def test_what_passes_is_waited_for(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(stores, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(stores.time, "sleep", waits.append)
    assert stores.patiently(Busy([error] * 4), "s3://a/b") == "done"
    assert len(waits) == 4 and waits == sorted(waits) and waits[0] < 0.3 < 1 < waits[-1] * 2
    waits.clear()
    assert str(tries(lambda: stores.patiently(Busy([error] * 99), "s3://a/b"))).startswith("s3://a/b: ")
    assert len(waits) == stores.ATTEMPTS - 1


@pytest.mark.parametrize("error", [refusal(status=403), FileNotFoundError("x"), refusal(code=404), OSError("damaged")])
def test_what_stays_is_not_waited_for(error: Exception) -> None:
    busy = Busy([error] * 2)
    tries(lambda: stores.patiently(busy, "s3://a/b"))
    assert len(busy.refusals) == 1


def test_an_exception_in_the_middle_puts_nothing(bucket: Bucket) -> None:
    folder = open_folder(f"{bucket.url}/out")
    folder.write("a", b"old")
    for name in ("a", "b"):
        with pytest.raises(RuntimeError), folder.create(name) as file:
            file.write(b"x" * 6_000_000)
            raise RuntimeError
    assert bucket.objects("out/") == {"a": b"old"}


@pytest.mark.parametrize("parts", [1, 3])
def test_a_broken_upload_leaves_nothing(bucket: Bucket, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither under the name, nor parts that are paid for."""
    monkeypatch.setattr("s3fs.core.calculate_chunksize", lambda size, chunksize=None: PART)
    size = parts * PART - 1
    folder = open_folder(f"{bucket.url}/out")
    bucket.server.deny("PUT .*/out/shard.*partNumber=2" if parts > 1 else "PUT .*/out/shard")

    def put() -> None:
        with folder.create("shard") as file:
            file.write(b"\0" * size)

    assert isinstance(tries(put), PermissionError)
    assert folder.files() == {} == bucket.objects()
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    bucket.server.faults.clear()
    put()
    assert folder.files()["shard"].size == size


def test_an_upload_over_a_cut_line_is_made_again(bucket: Bucket) -> None:
    folder = open_folder(f"{bucket.url}/out")
    bucket.server.cut("PUT .*/out/shard", 2)
    with folder.create("shard") as file:
        file.write(b"x" * 3_000_000)
    assert bucket.objects() == {"out/shard": b"x" * 3_000_000}


def test_where_a_put_is_not_whole_a_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(f"memory://{tmp_path.name}")
    assert isinstance(folder, RemoteFolder)
    folder.write("a", b"old")
    system, seen = folder.store.system, []

    def half(source: str, target: str) -> None:
        seen.append(target)
        system.pipe_file(target, b"ha")
        raise ConnectionAbortedError("half")

    monkeypatch.setattr(system, "put_file", half)

    def put() -> None:
        with folder.create("a") as file:
            file.write(b"half")

    tries(put)
    assert names.is_temporary(seen[0].rpartition("/")[2])
    assert folder.read("a") == b"old" and list(folder.files()) == ["a"]


def test_no_bucket_is_made_by_the_way(bucket: Bucket) -> None:
    folder = open_folder("s3://never-made/out")
    error = tries(lambda: folder.make("sub"))
    assert isinstance(error, FileNotFoundError) and "there is no bucket never-made" in str(error)
    assert not folder.is_folder() and folder.files() == {}
    with pytest.raises(UsageError, match="s3://never-made/page.html can't be written: there is no bucket never-made"):
        open_parent("s3://never-made/page.html")
    assert "never-made" not in [one["Name"] for one in bucket.client.list_buckets()["Buckets"]]
    open_folder(f"{bucket.url}/new").make("sub")
    assert bucket.objects() == {}


def test_who_may_not_read_is_told_where(bucket: Bucket) -> None:
    bucket.put("shut/a", b"x")
    bucket.server.deny("/shut")
    folder = open_folder(f"{bucket.url}/shut")
    with pytest.raises(UsageError, match=f"^{bucket.url}/shut can't be read: .+; allowed is what you may read"):
        folder.is_folder()
    error = tries(lambda: folder.read("a"))
    assert isinstance(error, PermissionError) and f"'{bucket.url}/shut/a'" in str(error)


def test_who_is_not_known_any_more_is_no_reader_of_bad_files(bucket: Bucket) -> None:
    """A build would reject what can't be read; it stops instead."""
    bucket.put("old/a", b"x")
    bucket.server.expire("/old")
    folder = open_folder(f"{bucket.url}/old")
    error = tries(lambda: folder.read("a"))
    assert isinstance(error, NotAdmitted) and str(error).startswith(f"{bucket.url}/old/a: ")
    with pytest.raises(UsageError, match=f"^{bucket.url}/old can't be read: "):
        folder.is_folder()


def test_a_marker_of_a_folder_is_no_file(bucket: Bucket) -> None:
    """Consoles make folders as empty objects whose names end with a slash."""
    for key in ("out/", "out/sub/", "out/sub/a"):
        bucket.put(key, b"")
    folder = open_folder(f"{bucket.url}/out")
    assert (list(folder.files()), folder.folders()) == ([], ["sub"])
    assert (list(folder.files("sub")), folder.folders("sub")) == (["a"], [])
    assert list(folder.files("sub/a")) == [] and folder.is_folder("sub") and not folder.is_folder("sub/a")


def test_more_than_a_page_of_names(bucket: Bucket) -> None:
    from moto.s3.models import s3_backends

    for number in range(2_345):
        next(iter(s3_backends.values()))["global"].put_object(bucket.name, f"out/{number:05d}", b"")
    assert len(open_folder(f"{bucket.url}/out").files()) == 2_345
    assert len(bucket.server.matching("GET .*list-type")) == 3


def test_what_others_write_is_seen_at_once(bucket: Bucket) -> None:
    """fsspec would remember a listing, and answer questions after single files from it."""
    folder = open_folder(f"{bucket.url}/out")
    folder.write("a", b"one")
    assert list(folder.files()) == ["a"]
    bucket.put("out/b", b"another")
    bucket.put("out/a", b"longer than before")
    assert list(folder.files()) == ["a", "b"]
    assert folder.entry("a").size == 18 and folder.files()["a"].size == 18
    bucket.client.delete_object(Bucket=bucket.name, Key="out/a")
    assert list(folder.files()) == ["b"]
    tries(lambda: folder.entry("a"))


def test_the_token_is_the_content_where_the_store_knows_it(bucket: Bucket) -> None:
    folder = open_folder(f"{bucket.url}/out")
    folder.write("a", b"one")
    before = folder.entry("a")
    bucket.put("out/a", b"one")
    assert folder.entry("a") == before == folder.files()["a"]
    bucket.put("out/a", b"two")
    assert folder.entry("a").token != before.token


def test_a_folder_goes_over_a_fork(bucket: Bucket) -> None:
    folder = open_folder(f"{bucket.url}/out")
    folder.write("a", b"one")
    opened = folder.open("a")
    assert opened.read(1) == b"o"
    child = os.fork()
    if not child:
        good = folder.read("a") == b"one" and opened.read() == b"ne" and open_file(f"{folder}/a").read() == b"one"
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert folder.read("a") == b"one" and opened.read() == b"ne"


URLS = [
    ("s3://key:secret@bucket/x", "s3://***@bucket/x"),
    ("ftp://me:pass%40word@host/x", "ftp://***@host/x"),
    (
        "https://b.com/x?X-Amz-Credential=AK&X-Amz-Signature=abc&v=1",
        "?X-Amz-Credential=***&X-Amz-Signature=***&v=1",
    ),
    ("https://a.blob.core.windows.net/c/x?sv=2024&sig=abcdef", "?sv=***&sig=***"),
]


@pytest.mark.parametrize(("url", "shown"), URLS, ids=["s3", "ftp", "presigned", "sas"])
def test_urls_with_credentials_are_refused_and_not_repeated(url: str, shown: str) -> None:
    with pytest.raises(UsageError, match="holds credentials") as caught:
        open_folder(url)
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    "url", ["abfs://container@account.dfs.core.windows.net/x", "hf://datasets/a/b@main/x", "s3://b/k=1"]
)
def test_urls_without_credentials_are_not_refused(url: str) -> None:
    secrets.check(url)
    assert secrets.redacted(url) == url


def test_what_a_driver_says_is_cleared_of_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.config import conf

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setitem(conf, "s3", {"key": "AKIAIOSFODNN7", "client_kwargs": {"aws_session_token": "session-token"}})
    told = "AKIAIOSFODNN7 wJalrXUtnFEMI/K7MDENG session-token https://u:pw@h/x?X-Amz-Signature=ab12 a/b"
    error = stores.translated(RuntimeError(told), "https://u:pw@h/x?token=abc")
    said = "RuntimeError: *** *** *** https://***@h/x?X-Amz-Signature=*** a/b"
    assert str(error) == f"https://***@h/x?token=***: {said}"


def test_an_absent_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(protocol: str) -> Any:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.get_filesystem_class", absent)
    with pytest.raises(UsageError, match=r"^'s3://b/x' needs `pip install 'vton-pipelines\[s3\]'`$"):
        open_folder("s3://b/x")
    with pytest.raises(UsageError, match="^'gs://b/x' needs `pip install gcsfs`$"):
        open_folder("gs://b/x")


def test_a_file_url_is_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert str(open_folder(f"file://{tmp_path}")) == str(tmp_path)
    assert open_file(f"file://{tmp_path}/a").read() == b"x"
