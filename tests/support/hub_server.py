"""A stand-in for the hub on loopback, as huggingface_hub speaks to it: repositories, large files, commits, downloads.

It keeps what is committed, counts what is sent, and misbehaves on request.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_standInTokenForTests"
_REPOSITORY = r"(?:(?P<room>datasets|models)/)?(?P<id>[\w.-]+/[\w.-]+)"


@dataclass
class Repository:
    """Its files by path, which of them are large, and its commits' messages."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr((sorted(self.files.items()), self.commits)).encode()).hexdigest()


class HubServer(http.server.ThreadingHTTPServer):
    """`repositories` by "datasets/OWNER/NAME" or "models/OWNER/NAME"; `objects` are large files by their sha256.

    `on_upload(digest)` is called for each large file that comes in, and gives the status to answer with.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.uploaded: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.on_upload: Callable[[str], int] = lambda digest: 200
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Each route is a method, found by the pattern beside it."""

    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, path))
        self.server.tokens.add(self.headers.get("Authorization"))
        for pattern, route in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match:
                return route(self, **match.groupdict())
        return self.send(404, {"error": f"no route {path}"})

    def named(self, room: str | None, id: str) -> Repository | None:
        return self.server.repositories.get(f"{room or 'models'}/{id}")

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked.get('type', 'model')}s/{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            return self.send(409, {"error": "You already created this repository", "url": f"{self.server.url}/{name}"})
        self.server.repositories[name] = Repository(asked.get("visibility") == "private" or bool(asked.get("private")))
        shown = name.removeprefix("models/")
        return self.send(200, {"url": f"{self.server.url}/{shown}", "name": shown, "id": name})

    def info(self, room: str | None, id: str) -> None:
        repository = self.named(room, id)
        if repository is None:
            return self.send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        siblings = [{"rfilename": name, **self.described(repository, name)} for name in sorted(repository.files)]
        told = {"id": id, "sha": repository.sha, "private": repository.private, "siblings": siblings, "tags": []}
        return self.send(200, told)

    def described(self, repository: Repository, name: str) -> dict[str, Any]:
        data = repository.files[name]
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        large = {"oid": hashlib.sha256(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
        lfs = {"lfs": large | {"size": len(data), "pointerSize": 130}} if name in repository.large else {}
        return {"size": len(data), "oid": blob, "blobId": blob, **lfs}

    def tree(self, room: str | None, id: str) -> None:
        repository = self.named(room, id)
        assert repository is not None
        files = [{"type": "file", "path": name, **self.described(repository, name)} for name in repository.files]
        return self.send(200, files)

    def preupload(self, room: str | None, id: str) -> None:
        modes = []
        for file in json.loads(self.body)["files"]:
            is_large = file["path"].endswith((".parquet", ".safetensors", ".jpg"))
            modes.append({"path": file["path"], "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False})
        return self.send(200, {"files": modes})

    def batch(self, room: str | None, id: str) -> None:
        objects = []
        for one in json.loads(self.body)["objects"]:
            actions = {"actions": {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}?X-Signature=secret"}}}
            objects.append(one | ({} if one["oid"] in self.server.objects else actions))
        return self.send(200, {"transfer": "basic", "objects": objects})

    def upload(self, digest: str) -> None:
        status = self.server.on_upload(digest)
        if status != 200:
            return self.send(status, {"error": "as the test asked"})
        assert hashlib.sha256(self.body).hexdigest() == digest
        self.server.objects[digest] = self.body
        self.server.uploaded.append(digest)
        return self.send(200, {})

    def validate(self) -> None:
        import yaml

        yaml.safe_load(json.loads(self.body)["content"].split("---\n")[1])
        return self.send(200, {"errors": [], "warnings": []})

    def commit(self, room: str | None, id: str) -> None:
        repository = self.named(room, id)
        assert repository is not None
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                repository.commits.append(value["summary"])
            elif line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
                repository.large.discard(value["path"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.server.objects[value["oid"]]
                repository.large.add(value["path"])
        return self.send(200, {"commitUrl": f"{self.server.url}/{id}/commit/1", "commitOid": repository.sha})

    def resolve(self, room: str | None, id: str, file: str) -> None:
        repository = self.named(room, id)
        if repository is None:
            return self.send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        if file not in repository.files:
            return self.send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        data = repository.files[file]
        tag = hashlib.sha256(data).hexdigest()
        return self.send(200, data, {"ETag": f'"{tag}"', "X-Repo-Commit": repository.sha})

    def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        told = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


ROUTES: dict[str, Callable[..., None]] = {
    "/api/repos/create": Handler.create,
    "/api/validate-yaml": Handler.validate,
    r"/lfs/(?P<digest>\w+)": Handler.upload,
    rf"/api/{_REPOSITORY}(?:/revision/[^/]+)?": Handler.info,
    rf"/api/{_REPOSITORY}/tree/[^/]+": Handler.tree,
    rf"/api/{_REPOSITORY}/preupload/[^/]+": Handler.preupload,
    rf"/api/{_REPOSITORY}/commit/[^/]+": Handler.commit,
    rf"/{_REPOSITORY}\.git/info/lfs/objects/batch": Handler.batch,
    rf"/{_REPOSITORY}/resolve/[^/]+/(?P<file>.+)": Handler.resolve,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[HubServer]:
    """A running stand-in, which this process and those that it starts take for the hub, with a login."""
    server = HubServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = {"HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf")}
    for name, value in (settings | {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    yield server
    server.shutdown()
    server.server_close()
