"""Weights on a store as files of this machine: downloaded once, whole, and what they were."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.object_store import Bucket

from schemas.cli.flags import UsageError
from schemas.folders import copies, open_folder

NAMES = ("config.json", "unet/a b[1].safetensors", "unet/deep/x.bin")


def stored(base: str) -> str:
    folder = open_folder(f"{base}/models")
    for name in NAMES:
        folder.write(name, name.encode())
    return f"{base}/models"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return stored(request.getfixturevalue("bucket").url if request.param == "s3" else f"memory://{tmp_path.name}")


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_copy_follows_its_original(url: str) -> None:
    copy, store = copies.local(url), open_folder(url)
    expected = {name: name.encode() for name in NAMES}
    assert content(copy) == expected
    store.write("config.json", b"other bytes")
    store.write("new.txt", b"new")
    store.remove("unet/deep/x.bin")
    assert copies.local(url) == copy
    assert content(copy) == {"config.json": b"other bytes", "new.txt": b"new"} | {
        "unet/a b[1].safetensors": expected["unet/a b[1].safetensors"]
    }
    assert copies.local(f"{url}/unet/a b[1].safetensors").read_bytes() == b"unet/a b[1].safetensors"
    assert content(copies.below(url, "unet")) == {"a b[1].safetensors": b"unet/a b[1].safetensors"}


def test_a_path_is_its_own(tmp_path: Path) -> None:
    assert copies.local(tmp_path) == tmp_path == copies.local(f"file://{tmp_path}")


def test_nothing_is_downloaded_twice_or_trusted_when_damaged(bucket: Bucket) -> None:
    url = stored(bucket.url)
    copy = copies.local(url)
    bucket.server.requests.clear()
    copies.local(url)
    assert not [
        request for request in bucket.server.requests if request.startswith("GET") and "list-type" not in request
    ]
    (copy / "config.json").write_bytes(b"CONFIG.JSON")  # of the same size
    assert copies.local(url) == copy and (copy / "config.json").read_bytes() == b"config.json"
    assert len(bucket.server.matching("GET .*/config.json")) == 1


def test_a_download_that_breaks_leaves_nothing(bucket: Bucket, cache: Path) -> None:
    url = stored(bucket.url)
    bucket.server.deny("GET .*/unet/a")
    with pytest.raises(OSError, match=r"unet/a b\[1\].safetensors"):
        copies.local(url)
    assert not [path for path in cache.rglob("*") if "safetensors" in path.name]
    bucket.server.faults.clear()
    assert len(content(copies.local(url))) == 3


def test_what_is_not_there_is_told(url: str) -> None:
    calls: list[Callable[[], None]] = [
        lambda: copies.check("--weights", f"{url}/none"),
        lambda: copies.check("--weights", f"{url}-none"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=f"^--weights {url}.none: there is no such file or folder"):
            call()
    copies.check("--weights", url)
    copies.check("--weights", f"{url}/config.json")
