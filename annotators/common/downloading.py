"""A file from a plain address: resumed where it stopped, and refused where the answer can't be that file."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotators.common import hub
from annotators.common.weights import FetchError

_ATTEMPTS = 5  # a dropped connection is resumed this often
_CHUNK = 1 << 20
_SECONDS = 60  # without a byte
_PAGES = ("text/", "application/xhtml", "application/json", "application/xml")
_NO_FILE = "which isn't the file; does this network ask to log in?"
_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<head")


class _Resumable(OSError):
    """A connection that ended too early, or a part that doesn't fit: the next attempt may go on."""


def download(url: str, partial: Path, terms: str, size: int | None = None) -> None:
    """Until the file is whole, resuming dropped connections; `size` in bytes where it is known.

    Raises FetchError, at once for an answer that isn't the file: without a length, of another length than the known
    one, longer than there is room, encoded, a page of text, or not by https although the address is.
    """
    failure = OSError()
    for _ in range(_ATTEMPTS):
        try:
            return _attempt(url, partial, terms, size)
        except OSError as error:  # urllib's, http.client's and socket's errors
            failure = error
    raise FetchError(f"{url}: {hub.one_line(failure)}; run the command again to resume") from None


def forget(partial: Path) -> None:
    """Removes what stands beside a partial file."""
    _tag_of(partial).unlink(missing_ok=True)


def _attempt(url: str, partial: Path, terms: str, size: int | None) -> None:
    """Appends what is missing if the server still has the same file, else starts over. Raises OSError, FetchError."""
    import http.client
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    start = partial.stat().st_size if partial.is_file() else 0
    tag = _tag_of(partial).read_text() if start and _tag_of(partial).is_file() else ""
    headers = {"User-Agent": "vton-pipelines", "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={start}-", "If-Range": tag} if tag else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=_SECONDS) as response:
            _check_kind(url, response.url, response.headers)
            start, total = _extent(url, response, start if tag else 0, tag, partial)
            _check_size(url, total, size, partial)
            stated = response.headers.get("ETag") or ""
            _tag_of(partial).write_text("" if stated.startswith("W/") else stated)  # a weak one can't be resumed by
            _write(url, response, partial, start, total)
    except HTTPError as error:
        if error.code == 416:  # nothing follows what is here: it was whole, or belongs to another file
            partial.unlink(missing_ok=True)
            raise _Resumable("the partial file didn't fit and was dropped") from None
        if error.code in (401, 403):
            raise FetchError(f"{url} is refused (HTTP {error.code}); accept its terms at {terms}") from None
        raise FetchError(f"{url}: HTTP {error.code}") from None
    except http.client.HTTPException as error:
        raise _Resumable(hub.one_line(error)) from None


def _check_kind(url: str, answered: str, headers: Mapping[str, str]) -> None:
    """Raises FetchError for an answer by http to a call by https, a page of text, and encoded bytes."""
    if url.startswith("https:") and not answered.startswith("https:"):
        raise FetchError(f"{url} leads to {answered}, which isn't https; nothing was kept")
    kind = (headers.get("Content-Type") or "").lower()
    if kind.startswith(_PAGES):
        raise FetchError(
            f"{url} answers with {kind.split(';')[0]}, which isn't the file; does this network ask to log in?"
        )
    encoding = (headers.get("Content-Encoding") or "identity").lower()
    if encoding != "identity":
        raise FetchError(f"{url} answers {encoding}-encoded, which wasn't asked for; nothing was kept")


def _extent(url: str, response: Any, start: int, tag: str, partial: Path) -> tuple[int, int]:
    """From which byte on the answer goes, and the length of the whole file. Raises FetchError, _Resumable."""
    length = response.headers.get("Content-Length")
    if length is None or not length.isdigit():
        raise FetchError(f"{url} states no length, so a cut file couldn't be told from a whole one; nothing was kept")
    if response.status == 206:
        stated, expected = response.headers.get("Content-Range"), f"bytes {start}-{start + int(length) - 1}"
        same = not tag or response.headers.get("ETag") in (None, tag)
        if not start or stated != f"{expected}/{start + int(length)}" or not same:
            partial.unlink(missing_ok=True)
            raise _Resumable(f"the answer is {stated} where {start}- was asked for; what was there was dropped")
        return start, start + int(length)
    if response.status != 200 or int(length) == 0:
        raise FetchError(f"{url} answers with HTTP {response.status} and {length} bytes, which isn't the file")
    return 0, int(length)


def _check_size(url: str, total: int, size: int | None, partial: Path) -> None:
    """Raises FetchError for a file of another size than its publisher's, or larger than what is free."""
    if size is not None and total != size:
        raise FetchError(f"{url} has {total} bytes; its publisher's file has {size}; nothing was kept")
    free = shutil.disk_usage(partial.parent).free
    if total > free:
        raise FetchError(f"{url} announces {total} bytes; {free} are free at {partial.parent}")


def _write(url: str, response: Any, partial: Path, start: int, total: int) -> None:
    """Streams with a progress bar. Raises OSError when the server stopped early, FetchError for a page of text."""
    from tqdm import tqdm

    bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=partial.name[1:-5], leave=False)
    with bar, open(partial, "ab" if start else "wb") as file:
        while chunk := response.read1(_CHUNK):
            if file.tell() == 0 and chunk[:64].lstrip().lower().startswith(_PAGE_STARTS):
                break
            file.write(chunk)
            bar.update(len(chunk))
        length = file.tell()
    if chunk:
        partial.unlink()
        raise FetchError(f"{url} answers with a page, {_NO_FILE}")
    if length != total:
        raise _Resumable(f"{length} of {total} bytes came")


def _tag_of(partial: Path) -> Path:
    """Keeps the ETag of a partial file, so that two versions of a file are never joined."""
    return partial.with_name(f"{partial.name}.etag")
