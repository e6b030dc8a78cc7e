"""A server of files on loopback, with ranges and tags, that answers as the hub does and misbehaves on request."""

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest


class Server(http.server.ThreadingHTTPServer):
    """`files` by path, or what to do in `answers`; `cut` bytes after which a connection drops; `lie` about digests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None, str | None]] = []
        self.answers: dict[str, Callable[[Handler], None]] = {}
        self.cut, self.lie = 0, False
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Files with Range and ETag; `server.cut` bytes after which a connection drops; a small imitation of the hub."""

    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, head: bool) -> None:
        self.server.requests.append(
            (self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"))
        )
        path = self.path.split("?")[0].replace("/resolve/main/", "/resolve/abc/")
        if path in self.server.answers:
            return self.server.answers[path](self)
        if path.startswith("/gated"):
            return self.refuse(403)
        if path.startswith("/api/models/"):
            return self.model_info(path.removeprefix("/api/models/").split("/revision/")[0])
        body = self.server.files.get(path)
        if body is None:
            return self.refuse(404, {"X-Error-Code": "EntryNotFound"})
        self.send_file(path, body, head)

    def model_info(self, repo: str) -> None:
        if "gated" in repo:
            return self.refuse(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        files = {path.split("/resolve/abc/")[1]: body for path, body in self.server.files.items() if repo in path}
        if not files:
            return self.refuse(404, {"X-Error-Code": "RepoNotFound"})
        siblings = [
            {"rfilename": file, "size": len(body), "blobId": "b", "lfs": self.lfs(body) if len(body) > 99 else None}
            for file, body in files.items()
        ]
        body = json.dumps({"id": repo, "sha": "abc", "siblings": siblings, "tags": []}).encode()
        self.send(200, body, {"Content-Type": "application/json"})

    def lfs(self, body: bytes) -> dict[str, Any]:
        stated = "0" * 64 if self.server.lie else hashlib.sha256(body).hexdigest()
        return {"size": len(body), "sha256": stated, "pointerSize": 130}

    def send_file(self, path: str, body: bytes, head: bool) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {"ETag": tag, "X-Repo-Commit": "abc", "Accept-Ranges": "bytes"}
        start, status = 0, 200
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and self.headers.get("If-Range", tag) == tag:
            start, status = int(wanted[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        if start >= len(body):
            return self.refuse(416)
        self.send(status, body[start:], headers, head)

    def send(self, status: int, body: bytes, headers: dict[str, str], head: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not head:
            self.wfile.write(body[: self.server.cut] if self.server.cut else body)

    def refuse(self, code: int, headers: dict[str, str] | None = None) -> None:
        self.send(code, b"", headers or {})


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
