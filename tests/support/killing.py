"""Commands that end by SIGKILL in the middle of their work."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ATTEMPTS = 20


def killed_midway(
    words: Sequence[str],
    folder: Path,
    begun: Callable[[], bool],
    complete: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Starts the command whose output is `folder`, and kills it once it has `begun` and before it is `complete`.

    One that was faster than its killer starts afresh, in an empty folder: a busy machine costs time, not the proof.
    """
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=stderr, env=env, cwd=cwd)
            while process.poll() is None and not begun():
                time.sleep(0.001)
            process.kill()
            code = process.wait()
            stderr.seek(0)
            assert code in (0, -signal.SIGKILL), stderr.read().decode()
        if begun() and not complete():
            return
        shutil.rmtree(folder)
    raise AssertionError(f"{ATTEMPTS} times faster than its killer: {' '.join(words)}")
