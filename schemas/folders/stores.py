"""An fsspec file system as folders use it: fresh in every process, patient with a busy server, silent on secrets."""

import errno
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from schemas.cli.failures import NotAdmitted, Unreachable
from schemas.cli.flags import one_line
from schemas.folders import secrets

ATTEMPTS = 7
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds
_EXTRAS = {"s3": "'vton-pipelines[s3]'", "s3a": "'vton-pipelines[s3]'", "gs": "gcsfs", "gcs": "gcsfs"}
_EXTRAS |= {"hf": "huggingface-hub", "abfs": "adlfs", "az": "adlfs"}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_THROTTLED = ("slowdown", "throttl", "reduce your request rate", "toomanyrequests", "requestlimitexceeded")
# Of botocore's classes and of S3's codes.
_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}
_CREDENTIALS |= {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "TokenRefreshRequired"}


class Store:
    """The file system of a URL. It may be asked from several threads, and from processes forked later.

    Failures are OSErrors or Unreachable with the path that was asked for, whatever the driver raises.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: tuple[int, Any, str] | None = None
        self.is_atomic = bool(self.system.async_impl)  # a put is whole or absent; without folders of its own

    @property
    def system(self) -> Any:
        return self._open()[1]

    @property
    def root(self) -> str:
        return self._open()[2]

    def call(self, operation: str, name: str, *words: Any, **options: Any) -> Any:
        """Does one operation for the file `name`, again after a while where the server was busy.

        All are such that doing them twice gives the same.
        """
        where = f"{self.url}/{name}" if name else self.url
        return patiently(lambda: getattr(self.system, operation)(*words, **options), where)

    def has(self, operation: str) -> bool:
        """Whether the driver has its own way to do it, beside fsspec's general one."""
        from fsspec import AbstractFileSystem

        return getattr(type(self.system), operation) is not getattr(AbstractFileSystem, operation)

    def _open(self) -> tuple[int, Any, str]:
        """In a forked process anew: the event loop of its parent doesn't run there."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), *_file_system(self.url))
        return self._opened


def patiently(work: Callable[[], Any], where: str) -> Any:
    """What the work gives, tried again with back-off. Raises OSError or Unreachable, which name `where`."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except (NotImplementedError, MemoryError):
            raise
        except Exception as error:
            if attempt == ATTEMPTS or not is_transient(error):
                raise translated(error, where) from None
        time.sleep(min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(0.25, 0.5))
    raise AssertionError(f"no attempt of {ATTEMPTS}")


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a little later."""
    for one in _chain(error):
        if _status(one) in _TRANSIENT or isinstance(one, TimeoutError | ConnectionResetError | BrokenPipeError):
            return True
        if any(word in str(one).lower() for word in _THROTTLED):
            return True
    return False


def translated(error: BaseException, where: str) -> OSError | Unreachable:
    """The failure with its path, without what the driver knows of credentials.

    An OSError where a file isn't there or may not be read, Unreachable for what may end with the next attempt.
    """
    where, reason = secrets.redacted(where), secrets.redacted(one_line(error)) or type(error).__name__
    if any(_is_of_credentials(one) for one in _chain(error)):
        return NotAdmitted(f"{where}: {reason}")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where)
    if isinstance(error, PermissionError) or any(_status(one) == 403 for one in _chain(error)):
        return PermissionError(errno.EACCES, reason, where)
    if isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError):
        return type(error)(error.errno or errno.EIO, reason, where)
    return Unreachable(f"{where}: {reason if isinstance(error, OSError) else f'{type(error).__name__}: {reason}'}")


def missing_driver(location: str, error: ImportError) -> str:
    """What to install for this URL."""
    protocol = location.partition("://")[0].split("::")[-1]
    wanted = _EXTRAS.get(protocol)
    return f"{location!r} needs `pip install {wanted}`" if wanted else f"{location!r}: {one_line(error)}"


def _file_system(url: str) -> tuple[Any, str]:
    """Without a cache of listings: other processes write into the same folders."""
    import fsspec
    from fsspec.asyn import AsyncFileSystem

    protocol = url.partition("://")[0].split("::")[0]
    plain = issubclass(fsspec.get_filesystem_class(protocol), AsyncFileSystem) and "::" not in url
    system, root = fsspec.core.url_to_fs(url, **({"use_listings_cache": False} if plain else {}))
    return system, str(root).rstrip("/")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it: drivers hide the answer of the server."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _is_of_credentials(error: BaseException) -> bool:
    answer: Any = getattr(error, "response", None)
    code = (answer.get("Error") or {}).get("Code") if isinstance(answer, dict) else None
    return type(error).__name__ in _CREDENTIALS or code in _CREDENTIALS or _status(error) == 401


def _status(error: BaseException) -> int | None:
    """The HTTP status that a driver's error carries."""
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):
        status = (answer.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    else:
        status = getattr(answer, "status_code", None) or getattr(error, "status", None) or getattr(error, "code", None)
    return int(status) if isinstance(status, int | str) and str(status).isdigit() else None
