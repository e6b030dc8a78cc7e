"""Answers that aren't the file, on loopback: none of them gets the file's name, and each is one line."""

import gzip
import hashlib
import io
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest
from support.file_server import Handler, Server, server

from annotators.common import downloading, fetching, weights
from schemas.cli.flags import UsageError

__all__ = ["server"]  # a fixture
BYTES = bytes(range(256)) * 400
PATH = "/thing.bin"
Answer = Callable[[Handler], None]


def said(line: str) -> None:
    """Nobody listens."""


def entry(server: Server, sha256: str | None = None, size: int | None = None) -> weights.Weights:
    source = weights.Source(url=f"{server.url}{PATH}")
    return weights.Weights("thing", "a test", "MIT", (source,), ("thing.bin",), 1, sha256, size=size)


def visible(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def answer(status: int, headers: dict[str, str], body: bytes = b"") -> Answer:
    """Headers and body as they are, and the end of the connection."""

    def send(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def whole(kind: str = "application/octet-stream", body: bytes = BYTES, **more: str) -> Answer:
    return answer(200, {"Content-Type": kind, "Content-Length": str(len(body))} | more, body)


PAGE = b"\n <!DOCTYPE html><html>log in</html>"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (answer(200, {}, BYTES[:5000]), "states no length"),
        (answer(200, {"Transfer-Encoding": "chunked"}, b"5\r\nabcde\r\n0\r\n\r\n"), "states no length"),
        (answer(200, {"Content-Length": "many"}, BYTES), "states no length"),
        (answer(200, {"Content-Length": str(10**18)}, BYTES), "announces 1000000000000000000 bytes; .* are free"),
        (answer(200, {"Content-Length": str(len(BYTES) + 1)}, BYTES), "102400 of 102401 bytes came; run the command"),
        (whole("text/html; charset=utf-8", b"<html>log in</html>"), "answers with text/html, which isn't the file"),
        (whole("application/json", b"{}"), "answers with application/json, which isn't the file"),
        (whole(body=PAGE), "answers with a page, which isn't the file; does this network ask to log in"),
        (whole(body=b""), "HTTP 200 and 0 bytes"),
        (answer(204, {"Content-Length": "0"}), "HTTP 204 and 0 bytes"),
        (whole(body=gzip.compress(BYTES), **{"Content-Encoding": "gzip"}), "answers gzip-encoded"),
        (answer(206, {"Content-Length": "9", "Content-Range": "bytes 0-8/9"}, b"9 bytes.."), "where 0- was asked for"),
        (answer(500, {"Content-Length": "0"}), "HTTP 500"),
    ],
)  # fmt: skip
def test_what_is_not_the_file_is_refused(server: Server, tmp_path: Path, wrong: Answer, message: str) -> None:
    server.answers[PATH] = wrong
    with pytest.raises(weights.FetchError, match=message) as caught:
        fetching.download(entry(server), tmp_path, said)
    assert "\n" not in str(caught.value) and not visible(tmp_path)


def test_a_refused_answer_leaves_no_part_of_it_in_the_next_file(server: Server, tmp_path: Path) -> None:
    for wrong in (whole(body=PAGE), answer(200, {"Content-Length": str(len(BYTES) + 1)}, BYTES)):
        server.answers[PATH] = wrong
        with pytest.raises(weights.FetchError):
            fetching.download(entry(server), tmp_path, said)
    del server.answers[PATH]
    server.files[PATH] = BYTES
    assert fetching.download(entry(server), tmp_path, said).read_bytes() == BYTES


@pytest.mark.parametrize(
    "stated", ["bytes 0-{last}/{size}", "bytes {start}-{last}/{more}", "bytes {start}-{last}/*", "", "items 0-1/2"]
)
def test_a_part_of_another_range_is_dropped(server: Server, tmp_path: Path, stated: str) -> None:
    server.files[PATH], server.cut = BYTES, 10_000
    with pytest.raises(weights.FetchError):
        fetching.download(entry(server), tmp_path, said)
    start = (tmp_path / ".thing.bin.part").stat().st_size
    server.cut = 0

    def part(handler: Handler) -> None:
        if handler.headers.get("Range") is None:
            return whole()(handler)
        numbers = {"start": start, "last": len(BYTES) - 1, "size": len(BYTES), "more": len(BYTES) + 1}
        headers = {"Content-Length": str(len(BYTES) - start), "Content-Range": stated.format(**numbers)}
        answer(206, headers, b"?" * (len(BYTES) - start))(handler)

    server.answers[PATH] = part
    assert fetching.download(entry(server), tmp_path, said).read_bytes() == BYTES, "from the start"


def test_announced_size_and_digest_are_the_publishers(server: Server, tmp_path: Path) -> None:
    server.files[PATH] = BYTES
    with pytest.raises(weights.FetchError, match="has 102400 bytes; its publisher's file has 5"):
        fetching.download(entry(server, size=5), tmp_path, said)
    with pytest.raises(weights.FetchError, match=f"not {'0' * 64}; the file was removed"):
        fetching.download(entry(server, "0" * 64), tmp_path, said)
    assert not visible(tmp_path)
    digest = hashlib.sha256(BYTES).hexdigest()
    path = fetching.download(entry(server, digest, len(BYTES)), tmp_path, said)
    path.write_bytes(b"another")
    with pytest.raises(weights.FetchError, match=f"not {digest}; remove it to download it again"):
        fetching.download(entry(server, digest), tmp_path, said)


def test_where_no_digest_is_stated_the_first_one_counts(server: Server, tmp_path: Path) -> None:
    server.files[PATH] = BYTES
    path = fetching.download(entry(server), tmp_path, said)
    digest = hashlib.sha256(BYTES).hexdigest()
    assert (tmp_path / ".thing.bin.sha256").read_text() == f"{digest}  thing.bin\n"
    assert weights.digest(path) == digest
    path.write_bytes(b"another")
    with pytest.raises(UsageError, match="changed since they were downloaded: sha256 is .*, it was"):
        weights.digest(path)
    with pytest.raises(weights.FetchError, match="changed since they were downloaded"):
        fetching.download(entry(server), tmp_path, said)


def test_https_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Response(io.BytesIO):
        url, status, headers = "http://elsewhere.example/thing.bin", 200, Message()

    monkeypatch.setattr("urllib.request.urlopen", lambda request, timeout: Response(BYTES))
    with pytest.raises(weights.FetchError, match="leads to http://elsewhere.example/thing.bin, which isn't https"):
        downloading.download("https://example.org/thing.bin", tmp_path / ".thing.bin.part", "its terms")
    assert not list(tmp_path.iterdir())


def test_every_digest_of_the_table_is_one() -> None:
    known = [one for one in weights.TABLE.values() if one.sha256]
    assert len(known) >= 7 and all(one.size and len(one.sha256 or "") == 64 for one in known)
    assert all(one.sha256 for one in weights.TABLE.values() if one.sources[0].url), "no hub states theirs"
