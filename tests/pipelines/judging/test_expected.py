"""Published counts against what shards hold, and the summary of findings that `validate` prints."""

from collections import Counter

import pytest

from pipelines import validate
from pipelines.judging import expected
from pipelines.judging.expected import Counted


def whole(name: str) -> Counted:
    return Counted(
        Counter(expected.PUBLISHED[name].records), {str(i) for i in range(expected.PUBLISHED[name].garments)}
    )


@pytest.mark.parametrize("name", sorted(expected.PUBLISHED))
def test_everything_there(name: str) -> None:
    missing, notes = expected.compare(name, whole(name))
    assert missing == [] and notes[-1].startswith("published: ")
    assert not any("missing" in line or "more than" in line for line in notes)


def test_published_numbers() -> None:
    dresscode = expected.PUBLISHED["dresscode"].records
    assert sum(count for (split, _), count in dresscode.items() if split == "train") == 48_392
    assert sum(count for (split, _), count in dresscode.items() if split == "test") == 5_400
    assert dict(expected.PUBLISHED["vitonhd"].records) == {("train", ""): 11_647, ("test", ""): 2_032}


def test_missing_records_are_named_and_rejects_told_apart() -> None:
    counted = whole("dresscode")
    counted.records["test", "dresses"] -= 5
    counted.rejects = [
        "dresscode/test/dresses/052472_0+053742_1",
        "dresscode/test/dresses/line-000003",
        "dresscode/train/dresses/000001_0+000001_1",
        "dresscode/test/lower_body/dresses",
    ]
    missing, notes = expected.compare("dresscode", counted)
    assert missing == ["test dresses: 1,795 of 1,800 records, 5 missing; 2 of them are in rejects.parquet"]
    assert "train dresses: 27,678 of 27,678 records" in notes


def test_splits_without_categories_and_more_than_published() -> None:
    records = Counter({("train", "upper_body"): 11_000, ("train", "dresses"): 648, ("test", "upper_body"): 2_031})
    missing, notes = expected.compare("vitonhd", Counted(records, rejects=["vitonhd/test/a+b"]))
    assert missing == ["test: 2,031 of 2,032 records, 1 missing; 1 of them is in rejects.parquet"]
    assert notes[0] == "train: 11,648 of 11,647 records, 1 more than published"


def test_a_split_that_was_not_asked_for_is_not_missed() -> None:
    missing, notes = expected.compare("vitonhd", Counted(Counter({("test", "upper_body"): 2_032})), "test")
    assert missing == [] and notes[0] == "train: not compared, the build took --split test"
    missing, _ = expected.compare("vitonhd", Counted(Counter({("test", "upper_body"): 2_032})))
    assert missing == ["train: 0 of 11,647 records, 11,647 missing"]


def test_pairs_and_garments_of_igpair() -> None:
    counted = whole("igpair")
    counted.garments.pop()
    counted.records["", ""] = 0
    counted.records["train", "upper_body"] = 324_000
    missing, _ = expected.compare("igpair", counted)
    assert missing == [
        "all: 324,000 of 324,857 records, 857 missing",
        "86,872 of 86,873 garments, 1 missing",
    ]


def test_a_selection_that_nobody_can_repeat_fails_nobody() -> None:
    missing, notes = expected.compare("deepfashion", Counted(Counter({("train", "dresses"): 12_000})))
    assert missing == [] and notes[0] == "train: 12,000 of 13,098 records, 1,098 missing"


def test_summary_of_findings() -> None:
    rows = [
        {"record_id": "a", "kind": "blurred", "severity": "warning"},
        {"record_id": "a", "kind": "blurred", "severity": "warning"},
        {"record_id": "a", "kind": "garment_without_tags", "severity": "info"},
        {"record_id": "b", "kind": "split_leak", "severity": "error"},
        {"record_id": "c", "kind": "split_leak", "severity": "error"},
        {"record_id": "c", "kind": "oddity", "severity": "unheard of"},
    ]
    lines = list(validate.summary(rows))
    assert "don't change the exit code" in lines[0]
    assert [line.split() for line in lines[1:]] == [
        ["error", "split_leak", "2", "records"],
        ["warning", "blurred", "1", "record"],
        ["info", "garment_without_tags", "1", "record"],
        ["unheard", "of", "oddity", "1", "record"],
    ]
    assert list(validate.summary([])) == ["findings: none"]
