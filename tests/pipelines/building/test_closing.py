"""The last lines of a build, from counts alone."""

import pytest

from pipelines.building import closing


@pytest.mark.parametrize(
    ("lacking", "records", "is_told"),
    [(3, 100, False), (4, 100, True), (3, 30, True), (1, 1, True), (3, 31, False), (34, 34, True)],
)
def test_a_few_gaps_are_no_line(lacking: int, records: int, is_told: bool) -> None:
    lines = list(closing.lacking({"parse": {"skipped; way": lacking}}, records))
    assert lines == (
        [f"parse: {lacking} of {records} {'lacks' if lacking == 1 else 'lack'} it: skipped; way"] if is_told else []
    )


def test_the_most_frequent_reasons_come_first() -> None:
    (line,) = closing.lacking({"parse": {"a": 1, "b": 5, "c": 2}}, 8)
    assert line == "parse: 8 of 8 lack it: b (5) | c (2) | and 1 more reason"


def reject(stage: str, error: str, number: int) -> dict[str, str]:
    return {
        "record_id": f"r{number}",
        "stage": stage,
        "error": error,
        "message": "is cut off",
        "source": f"{number}.jpg",
    }


def test_rejects_are_told_by_kind_with_the_first_of_each() -> None:
    rejects = [reject("list", "missing_file", 1), *(reject("read", "unreadable", number) for number in (2, 3))]
    assert list(closing.rejected(rejects)) == [
        "rejected by read, unreadable: 2, such as is cut off (2.jpg)",
        "rejected by list, missing_file: 1: is cut off (1.jpg)",
    ]
    assert list(closing.rejected([])) == []


def test_many_kinds_of_rejects_and_long_messages_stay_few_short_lines() -> None:
    rejects = [reject("read", f"error{number:02d}", number) | {"message": "x\n" * 999} for number in range(20)]
    lines = list(closing.rejected(rejects))
    assert len(lines) == 9 and lines[-1] == "rejected for other reasons: 12; rejects.parquet has all"
    assert all(len(line) < 400 and "\n" not in line for line in lines)


def test_findings_are_counted_by_kind() -> None:
    assert list(closing.found([{"kind": "blurred"}, {"kind": "dark"}, {"kind": "dark"}])) == [
        "findings: 2 dark, 1 blurred; findings.parquet tells of each"
    ]
