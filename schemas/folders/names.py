"""Names inside a folder: relative, with forward slashes; and what unfinished files and folders are called."""

import os
import re
import threading

from schemas.cli.flags import UsageError

TEMPORARY = ".tmp-"  # how the names of unfinished files and folders begin


def inside(name: str) -> str:
    """The name as it is. Every operation of a folder asks here first.

    Raises UsageError for a name that leads out by itself; where links may lead, `escapes` of the folder tells.
    """
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise UsageError(f"{name!r} leads out of its folder; allowed are relative names without '..'")
    return name


def temporary(name: str) -> str:
    """What `name` is called until it is whole: the process keeps two workers apart, the thread two in one process."""
    return f"{TEMPORARY}{name}-{os.getpid()}-{threading.get_ident()}"


def is_temporary(name: str, of: str | None = None) -> bool:
    """Whether this names something unfinished; where `of` is given, that which should become `of`."""
    whose = ".+" if of is None else rf"{re.escape(of)}(-old)?"
    return re.fullmatch(rf"{re.escape(TEMPORARY)}{whose}-\d+-\d+", name, re.DOTALL) is not None
