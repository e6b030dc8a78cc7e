"""moto's S3 server in this process, which counts requests and can be told to answer some of them otherwise."""

import contextlib
import io
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Environ = dict[str, Any]
Answer = Callable[[str, list[tuple[str, str]]], Any]
KEY, SECRET, REGION = "AKIAOFTHETESTS", "a-secret-that-nothing-may-show", "us-east-1"
_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"
_SLOW_DOWN = _ERROR.format("SlowDown", "Please reduce your request rate.").encode()
_EXPIRED = _ERROR.format("ExpiredToken", "The provided token has expired.").encode()
_DENIED = _ERROR.format("AccessDenied", "Access Denied").encode()


@dataclass
class Fault:
    """What a request that matches is answered with; it is struck out after so many `times`."""

    pattern: str
    status: str
    body: bytes
    times: int
    cut: bool = False  # the connection breaks while the body is being sent
    every: int = 1  # only each so-many-eth request of those that match
    held: threading.Event | None = None  # set when somebody waits: half of the body is read, and no answer comes
    seen: int = 0

    def applies(self, request: str) -> bool:
        if self.times <= 0 or not re.search(self.pattern, request):
            return False
        self.seen += 1
        return self.seen % self.every == 0


@dataclass
class ObjectStore:
    """A server; `requests` are its log, "PUT /bucket/key" with the query behind."""

    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    client: Any = None  # boto3's: somebody else than the code under test
    numbers: Iterator[int] = field(default_factory=count)  # of buckets
    lock: threading.Lock = field(default_factory=threading.Lock)

    def throttle(self, pattern: str, times: int, every: int = 1) -> None:
        self.faults.append(Fault(pattern, "503 Slow Down", _SLOW_DOWN, times, every=every))

    def deny(self, pattern: str) -> None:
        self.faults.append(Fault(pattern, "403 Forbidden", _DENIED, 1_000_000))

    def expire(self, pattern: str) -> None:
        """The credentials hold no longer."""
        self.faults.append(Fault(pattern, "401 Unauthorized", _EXPIRED, 1_000_000))

    def cut(self, pattern: str, times: int) -> None:
        """Uploads break in the middle: half of the body is read, then the server hangs up."""
        self.faults.append(Fault(pattern, "", b"", times, cut=True))

    def hold(self, pattern: str) -> threading.Event:
        """Uploads stop in the middle; the event is set when the first does."""
        held = threading.Event()
        self.faults.append(Fault(pattern, "", b"", 1_000_000, cut=True, held=held))
        return held

    def matching(self, pattern: str) -> list[str]:
        return [request for request in self.requests if re.search(pattern, request)]

    def fault_of(self, request: str) -> Fault | None:
        with self.lock:
            self.requests.append(request)
            fault = next((one for one in self.faults if one.applies(request)), None)
            if fault is not None:
                fault.times -= 1
            return fault


def _application(store: ObjectStore, real: Callable[[Environ, Answer], Iterable[bytes]]) -> Any:
    def answered(environ: Environ, answer: Answer) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING")
        path = f"{environ['PATH_INFO']}".encode("latin-1").decode()
        fault = store.fault_of(f"{environ['REQUEST_METHOD']} {path}{'?' + query if query else ''}")
        if fault is None:
            return real(environ, answer)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if fault.cut:
            environ["wsgi.input"].read(length // 2)
            if fault.held:
                fault.held.set()
                with contextlib.suppress(OSError):
                    environ["werkzeug.socket"].recv(1 << 30, socket.MSG_WAITALL)  # until the other side is gone
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("the test cuts the line")
        environ["wsgi.input"].read(length)
        answer(fault.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(fault.body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else fault.body]

    return answered


@contextmanager
def serving() -> Iterator[ObjectStore]:
    """A server on a free port of this machine until the block ends."""
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            """Nothing: standard error belongs to the commands."""

    store = ObjectStore()
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    application = _application(store, DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    server.log = lambda *words: None  # type: ignore[method-assign]
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store.client = boto3.client(
        "s3", endpoint_url=store.url, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Bucket:
    """A bucket of the server, looked at as another client sees it."""

    name: str
    server: ObjectStore

    @property
    def client(self) -> Any:
        return self.server.client

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=io.BytesIO(data))

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Key below the prefix → content."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key.removeprefix(prefix): self.get(key) for key in keys}

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def upload(self, folder: Any, prefix: str) -> str:
        """A folder of this machine; returns its URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"{self.url}/{prefix}"


def variables(server: ObjectStore) -> dict[str, str]:
    """How users tell s3fs where the server is and who they are."""
    settings = {"AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
    return settings | {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
