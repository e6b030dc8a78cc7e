"""What the Hugging Face hub and the way to it can cause, in one line each."""

import contextlib
import os
from collections.abc import Iterator

from annotators.common.weights import HUB, FetchError
from schemas.cli.flags import UsageError


class Unreachable(FetchError):
    """The hub didn't answer."""


def offline() -> bool:
    """Whether `HF_HUB_OFFLINE` forbids to ask the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def endpoint() -> str | None:
    """Another hub than the public one, where `HF_ENDPOINT` names it."""
    return os.environ.get("HF_ENDPOINT") or None


@contextlib.contextmanager
def translated(repository: str, file: str = "") -> Iterator[None]:
    """Turns the hub's many exceptions into FetchError with one line; a UsageError is one already."""
    from huggingface_hub import errors

    page, source = f"{HUB}/{repository}", f"{repository}{'/' if file else ''}{file}"
    try:
        yield
    except UsageError:
        raise
    except FetchError as error:
        raise FetchError(f"{repository}: {error}") from None
    except errors.GatedRepoError:
        raise FetchError(f"{repository} is gated: accept its terms at {page} and set HF_TOKEN") from None
    except errors.RevisionNotFoundError:
        raise FetchError(f"{source} has no such revision: {page}") from None
    except errors.RepositoryNotFoundError:
        raise FetchError(f"{repository} is not on the hub, or private (then set HF_TOKEN): {page}") from None
    except errors.LocalEntryNotFoundError as error:
        raise Unreachable(f"{source}: {one_line(error)}") from None
    except errors.EntryNotFoundError:
        raise FetchError(f"{source} is not on the hub: {page}") from None
    except errors.HfHubHTTPError as error:
        raise FetchError(f"{source}: {one_line(error)}") from None
    except Exception as error:  # httpx's, requests' and the hub's own
        no_answer = isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "requests"))
        raise (Unreachable if no_answer else FetchError)(f"{source}: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """The error's class and the first 200 characters of what it says."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if words else ''}{words[:200]}"
