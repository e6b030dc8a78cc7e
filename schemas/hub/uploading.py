"""Sends a folder's files to a repository in parts; what it holds already, with the same bytes, isn't sent again.

A part is one commit. Files that were sent before a push was killed are known to the hub by their digests, so that the
same push goes on where it stopped. The order of the files is kept: what tells of the others comes last.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.cli.flags import UsageError, one_line
from schemas.folders import secrets
from schemas.hub.repositories import Repository

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

PART_FILES, PART_BYTES = 20, 2 << 30  # of one commit, at most


class PushError(Exception):
    """The hub, or the way to it: one line. The same push again goes on."""


@dataclass(frozen=True)
class Upload:
    """A file by its name in the repository; `content` are its bytes, or gives its path on this machine for a while.

    `sha256` is known ahead of large files, which then needn't be read to learn that the repository has them.
    """

    name: str
    size: int
    sha256: str
    content: bytes | Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True)
class Sent:
    """How many files a push sent, their bytes, and how many the repository had."""

    files: int
    bytes: int
    present: int


def of_bytes(name: str, data: bytes) -> Upload:
    return Upload(name, len(data), hashlib.sha256(data).hexdigest(), data)


def check_login() -> None:
    """Raises UsageError where huggingface_hub isn't installed, and without a token in HF_TOKEN or a login."""
    try:
        from huggingface_hub import get_token
    except ImportError:
        raise UsageError("huggingface_hub is missing; allowed is `pip install huggingface-hub`") from None
    if not get_token():
        raise UsageError("no login on the hub; allowed are HF_TOKEN=… with the right to write, or `hf auth login`")


def command(
    prog: str,
    repository: Repository,
    uploads: Sequence[Upload],
    facts: Mapping[str, object],
    *,
    private: bool,
    endpoint: str | None,
    owned: Callable[[str], bool],
) -> int:
    """The end of a command that pushes: its exit code, and on stdout one JSON object with `facts` and counts.

    0: all is there, 1: the hub can't be reached or refuses. Raises UsageError as `push` does.
    """

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        sent = push(repository, uploads, private=private, endpoint=endpoint, owned=owned, tell=tell)
    except PushError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    counts = {"files": len(uploads), "sent": sent.files, "bytes_sent": sent.bytes}
    print(json.dumps({"repository": str(repository), **facts, **counts}))
    return 0


def push(
    repository: Repository,
    uploads: Sequence[Upload],
    *,
    private: bool,
    endpoint: str | None,
    owned: Callable[[str], bool] = lambda name: False,
    tell: Callable[[str], None] = lambda line: None,
) -> Sent:
    """Makes the repository if it isn't there; `owned` are names of which it may hold none but these.

    Raises UsageError for a public repository that is to be private and for strange files, PushError for all that goes
    wrong on the way.
    """
    try:
        return _push(repository, uploads, private, endpoint, owned, tell)
    except UsageError:
        raise
    except Exception as error:  # httpx's, requests' and the hub's own
        raise PushError(f"{repository}: {_reason(error)}; the same push again goes on") from None


def _push(
    repository: Repository,
    uploads: Sequence[Upload],
    private: bool,
    endpoint: str | None,
    owned: Callable[[str], bool],
    tell: Callable[[str], None],
) -> Sent:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint)
    api.create_repo(repository.id, repo_type=repository.kind, private=private or None, exist_ok=True)
    if private and not api.repo_info(repository.id, repo_type=repository.kind).private:
        raise UsageError(f"{repository} is there and public; allowed beside --private is a private or a new one")
    there = _tree(api, repository)
    strange = sorted(name for name in there if owned(name) and name not in {upload.name for upload in uploads})
    if strange:
        raise UsageError(f"{repository} holds {strange[0]}, which isn't of this folder; allowed is a new repository")
    pending = [upload for upload in uploads if not _is_same(upload, there.get(upload.name))]
    sent = 0
    for part in _parts(pending):
        _commit(api, repository, part)
        sent += len(part)
        tell(f"{sent} of {len(pending)} files sent, {sum(upload.size for upload in pending[:sent]) / 1e6:.1f} MB")
    return Sent(len(pending), sum(upload.size for upload in pending), len(uploads) - len(pending))


def _tree(api: "HfApi", repository: Repository) -> Mapping[str, "RepoFile"]:
    from huggingface_hub import RepoFile

    items = api.list_repo_tree(repository.id, recursive=True, repo_type=repository.kind)
    return {item.path: item for item in items if isinstance(item, RepoFile)}


def _is_same(upload: Upload, file: "RepoFile | None") -> bool:
    """By the digest that the hub keeps: sha256 of what lies in large file storage, git's own of the rest."""
    if file is None or file.size != upload.size:
        return False
    if file.lfs:
        return file.lfs.sha256 == upload.sha256
    with ExitStack() as stack:
        content = upload.content
        data = content if isinstance(content, bytes) else stack.enter_context(content()).read_bytes()
    return file.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _parts(uploads: Iterable[Upload]) -> Iterator[list[Upload]]:
    part: list[Upload] = []
    for upload in uploads:
        if part and (len(part) == PART_FILES or sum(one.size for one in part) + upload.size > PART_BYTES):
            yield part
            part = []
        part.append(upload)
    if part:
        yield part


def _commit(api: "HfApi", repository: Repository, part: Sequence[Upload]) -> None:
    from huggingface_hub import CommitOperationAdd

    with ExitStack() as stack:
        operations = []
        for upload in part:
            content = upload.content
            source = content if isinstance(content, bytes) else stack.enter_context(content())
            operations.append(CommitOperationAdd(upload.name, source))
        names = f"{part[0].name}{f' and {len(part) - 1} more' if len(part) > 1 else ''}"
        api.create_commit(
            repository.id, operations, commit_message=f"Add {names}", repo_type=repository.kind, num_threads=2
        )


def _reason(error: Exception) -> str:
    """One line without addresses' signatures and without the token."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the hub refuses ({status}): the login has no right to write there"
    return secrets.redacted(one_line(error))[:300]
