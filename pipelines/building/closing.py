"""The last lines of a build: what was left out and why, what was found, and which columns records lack."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from schemas.finished import tables
from schemas.messages import counted, printable

A_FEW = 3  # records that may lack a column without a line, unless they are a tenth of all
REASONS_SHOWN = 2
GROUPS_SHOWN = 8  # kinds of rejects


def rejected(rejects: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """A line for each kind of reject, the most frequent first: how many, and the first of them."""
    groups: defaultdict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rejects:
        groups[row["stage"], row["error"]].append(row)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    for (stage, error), rows in ordered[:GROUPS_SHOWN]:
        first = rows[0]
        shown = printable(f"{first['message']} ({first['source'] or first['record_id']})")
        yield f"rejected by {stage}, {error}: {len(rows)}{', such as' if len(rows) > 1 else ':'} {shown[:300]}"
    left = sum(len(rows) for _, rows in ordered[GROUPS_SHOWN:])
    if left:
        yield f"rejected for other reasons: {left}; {tables.REJECTS_FILE} has all"


def found(findings: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """One line that counts the findings by kind, the most frequent first."""
    by_kind = Counter(row["kind"] for row in findings)
    if by_kind:
        kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(by_kind.items(), key=lambda i: (-i[1], i[0])))
        yield f"findings: {kinds}; {tables.FINDINGS_FILE} tells of each"


def lacking(reasons: Mapping[str, Mapping[str, int]], records: int) -> Iterator[str]:
    """A line for each column that more than a few of the records lack: how many, why, and the way on."""
    for column, by_reason in reasons.items():
        missing = sum(by_reason.values())
        if missing <= A_FEW and missing * 10 < records:
            continue
        most = sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))
        shown = " | ".join(f"{reason} ({times})" if len(most) > 1 else reason for reason, times in most[:REASONS_SHOWN])
        more = f" | and {counted(len(most) - REASONS_SHOWN, 'more reason')}" if len(most) > REASONS_SHOWN else ""
        yield f"{column}: {missing} of {records} {'lacks' if missing == 1 else 'lack'} it: {shown}{more}"
