"""Why records lack columns."""

from pathlib import Path
from typing import Any

import annotators
from annotators.common import registry
from pipelines.building import gaps
from pipelines.sources.outcomes import Planned, Reading

PLANNED = Planned("r", "train", {}, {}, "list:1")


def reasons(chosen: dict[str, Any], skip: tuple[str, ...], complete: bool, **columns: Any) -> dict[str, str]:
    """Wanted column → why a record with these columns lacks it."""
    found = gaps.Gaps([(name, chosen[name]) for name in registry.order(chosen)], skip, complete)
    names = {field.name for name, made in chosen.items() for field in registry.written(name, made)}
    found.note(Reading(PLANNED, columns), sorted(names | {"parse", "caption"}))
    return {column: next(iter(why)) for column, why in found.reasons.items()}


def test_the_root_of_a_gap_is_said_with_the_way_on(tmp_path: Path) -> None:
    agnostic, parsing = annotators.config("agnostic"), annotators.config("parsing", weights_dir=str(tmp_path))
    photo = {"person_image": 1, "keypoints": 1}
    skipped = reasons({"agnostic": agnostic, "parsing": parsing}, ("parse",), True, **photo)
    assert skipped["parse"] == "skipped; take parse out of --skip, with its weights in --weights DIR"
    assert skipped["agnostic_mask"] == "no parse; take parse out of --skip, with its weights in --weights DIR"
    absent = reasons({"agnostic": agnostic, "parsing": parsing}, (), True, **photo)
    assert "not found" in absent["parse"] and "--weights DIR" in absent["agnostic_mask"]
    alone = reasons({"agnostic": agnostic}, (), False, **photo)
    assert alone["agnostic_mask"].startswith("no parse, and no annotator for it; --annotators")


def test_only_wanted_columns_have_reasons_but_all_are_counted() -> None:
    made = gaps.Gaps([("quality", annotators.config("quality"))], ("quality",), False)
    made.note(Reading(PLANNED, {"caption": "x"}), ["caption", "tags", "quality"])
    assert dict(made.empty) == {"tags": 1, "quality": 1} and not made.reasons
