"""The server of the page: on loopback unless told otherwise, without analytics, share links or foreign files."""

import contextlib
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.cli.flags import UsageError

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Place:
    """Where the server listens, and how large a file it takes."""

    host: str
    port: int  # 0: a free one
    max_file_size: int  # megabytes

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def bound(self) -> int:
        """A port on which a server can listen. Raises UsageError."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.host, self.port))
                return int(probe.getsockname()[1])
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(
                f"--host {self.host} --port {self.port}: {reason}; allowed is --port 0, a free one"
            ) from None


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder for uploads and results that is gone at the end; Gradio keeps its files there too."""
    folder = Path(tempfile.mkdtemp(prefix="vton-app-"))
    before = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED")}
    os.environ.update(GRADIO_TEMP_DIR=str(folder / "uploads"), GRADIO_ANALYTICS_ENABLED="False")
    try:
        yield folder
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def launch(blocks: object, place: Place) -> str:
    """Starts the server in a thread of its own; its address."""
    import gradio as gr

    from vton_models.app.page import CSS

    assert isinstance(blocks, gr.Blocks)
    sans, mono = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # what the reader's machine has
    theme = gr.themes.Default(font=[gr.themes.Font(name) for name in sans], font_mono=[gr.themes.Font(n) for n in mono])
    blocks.queue(max_size=32)
    _, address, _ = blocks.launch(
        server_name=place.host,
        server_port=place.bound(),
        max_file_size=place.max_file_size * MEGABYTE,
        prevent_thread_lock=True,
        share=False,
        inbrowser=False,
        quiet=True,
        allowed_paths=[],
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        footer_links=["api"],
        theme=theme,
        css=CSS,
    )
    return str(address)


def wait(said: Sequence[str]) -> None:
    """Until somebody interrupts or ends the process."""
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    for line in said:
        print(line, flush=True)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            while not ended.wait(1):
                pass
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.stdout.flush()
