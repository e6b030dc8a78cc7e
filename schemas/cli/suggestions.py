""" "did you mean": the word that is closest to one that nobody knows."""

import difflib
from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'parsing'?", or nothing where no known word is near. Case and - for _ make no difference."""
    plain = {_plain(name): name for name in known}
    near = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.7)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
