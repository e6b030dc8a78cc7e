"""What the world can cause, in one line: files, disks, stores, memory, absent packages. Our own mistakes stay loud."""

import os

OURS = ("schemas", "annotators", "pipelines", "vton_models")
# Packages that talk to servers and stores, whose errors aren't all OSErrors: credentials, quotas, answers.
_CLIENTS = ("aiohttp", "azure", "botocore", "gcsfs", "google", "httpcore", "httpx", "huggingface_hub", "urllib3")


class Unreachable(Exception):
    """A store, and not one file of it: busy for long, not there, or its credentials don't hold any more.

    No OSError, which says that a file can't be used: of those a build makes rejects, and goes on.
    """


class NotAdmitted(Unreachable):
    """A store that this user has no valid credentials for."""


def told(error: BaseException) -> str | None:
    """The line for a failure that isn't ours; None where it may be our own mistake, whose traceback is wanted."""
    if isinstance(error, Unreachable):
        return str(error)
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        return f"the package {name} isn't installed" if name and name not in OURS else None
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    kind, package = type(error).__name__, type(error).__module__.partition(".")[0]
    if (package, kind) == ("torch", "OutOfMemoryError"):
        return f"out of memory on the GPU: {_line(error)}"
    if (package, kind) == ("pyarrow", "ArrowInvalid"):
        return f"a damaged file: {_line(error)}"
    return f"{kind}: {_line(error)}" if package in _CLIENTS else None


def _of_the_system(error: OSError) -> str:
    """Path and reason; of two paths the second, since the first is only what a file is called until it is whole."""
    path = error.filename if error.filename2 is None else error.filename2
    reason = error.strerror or _line(error) or type(error).__name__
    if path is None or isinstance(path, int):
        return reason
    return f"{os.fsdecode(path)}: {reason}"


def _line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")
