"""Why records gave no result, for the screen: a line per kind of error, with the first record that has it."""

from collections.abc import Iterable, Iterator, Mapping

Rows = Iterable[Mapping[str, str]]  # of rejects.parquet


def lines(rejects: Rows, left_out: Rows) -> Iterator[str]:
    """Rejects, which count, before what could never be tried."""
    for word, rows in (("rejected", rejects), ("left out", left_out)):
        by_error: dict[str, list[Mapping[str, str]]] = {}
        for row in rows:
            by_error.setdefault(row["error"], []).append(row)
        for error, alike in by_error.items():
            yield f"{len(alike)} {word}, {error}: {alike[0]['message']} ({_named(alike)})"


def _named(rows: list[Mapping[str, str]]) -> str:
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"{rows[0]['record_id']}{more}"
