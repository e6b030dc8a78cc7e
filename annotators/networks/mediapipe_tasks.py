"""What every use of MediaPipe's Tasks needs: an end without a trace, and a start without chatter."""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any


def close(task: Any) -> None:
    """Frees a MediaPipe task. While the interpreter ends its thread is gone, and its destructor would print a trace."""
    try:
        task.close()
    except RuntimeError:
        task._handle = None


_NATIVE_LOG = re.compile(rb"^(INFO: |WARNING: |[IW]\d{4} )")
_one_redirection = threading.Lock()


@contextlib.contextmanager
def quiet_native_log() -> Iterator[None]:
    """Keeps the start-up chatter of MediaPipe's C++ off standard error; every other line that came is passed on."""
    with _one_redirection, tempfile.TemporaryFile() as captured:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            captured.seek(0)
            lines = captured.read().splitlines(keepends=True)
            os.write(2, b"".join(line for line in lines if not _NATIVE_LOG.match(line)))
