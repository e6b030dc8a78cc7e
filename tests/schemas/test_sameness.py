"""Whether a folder of results is gone on with: what counts as the same, and what is said where it isn't."""

from typing import Any

import pytest

from schemas.cli.flags import UsageError
from schemas.folders import sameness


@pytest.mark.parametrize(
    ("earlier", "now", "key"),
    [
        ({}, {}, None),
        ({"size": [8, 6], "seed": 0}, {"seed": 0, "size": (8, 6)}, None),
        ({"seed": None}, {}, None),
        ({"seed": 0}, {"seed": 1}, "seed"),
        ({"seed": 0}, {}, "seed"),
        ({}, {"seed": 0}, "seed"),
        ({"a": 0, "b": 0}, {"b": 1, "a": 1}, "b"),
    ],
    ids=str,
)
def test_the_first_key_whose_values_differ(earlier: dict[str, Any], now: dict[str, Any], key: str | None) -> None:
    assert sameness.differing(earlier, now) == key


def test_what_differs_is_said_with_both_values() -> None:
    sameness.check("out", "build", {"seed": 1}, {"seed": 1}, sameness.OR_REPLACED)
    with pytest.raises(UsageError) as refused:
        sameness.check("out", "build", {"seed": 1}, {"seed": 2}, sameness.OR_REPLACED)
    assert str(refused.value) == (
        "--output out holds another build (seed was 1, is 2); allowed is the same flags, another folder, or --overwrite"
    )


def test_of_nested_settings_the_one_that_differs_is_said() -> None:
    options = {"step": "1", "tracker": "classical"}
    with pytest.raises(UsageError, match=r"\(options step was '1', is '2'\)"):
        sameness.check("out", "build", {"options": options}, {"options": options | {"step": "2"}}, "another folder")
    with pytest.raises(UsageError, match=r"\(options was None, is {'step': '1', 'tracker': 'classical'}\)"):
        sameness.check("out", "build", {}, {"options": options}, "another folder")
