"""`--where`: means what it says, and says what is wrong."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import conditions
from schemas.cli.flags import UsageError

TABLE = pa.table(
    {
        "row": pa.array(range(5), pa.int32()),
        "category": ["dresses", "upper_body", None, "dresses", "lower_body"],
        "caption": ["a red dress", "it's blue", "", None, 'a "logo"'],
        "paired": [True, False, None, True, False],
        "quality.person_sharpness": pa.array([10.5, 200, None, 80, 79], pa.float32()),
    }
)
COLUMNS = {field.name: field.type for field in TABLE.schema}


def rows(text: str) -> list[int]:
    return TABLE.filter(conditions.compiled(text, COLUMNS))["row"].to_pylist()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('category == "dresses"', [0, 3]),
        ("category != 'dresses'", [1, 4]),
        ('category in ("dresses", "lower_body")', [0, 3, 4]),
        ('category not in ("dresses",)', [1, 4]),
        ("category is None", [2]),
        ("caption is not None and not category is None", [0, 1, 4]),
        ("quality.person_sharpness >= 80", [1, 3]),
        ("row in (1, 2.5, 4)", [1, 4]),
        ("row > -1 and row < 2e0", [0, 1]),
        ("row < 3000000000 and row > -99999999999999999999999", [0, 1, 2, 3, 4]),
        ("row in (3000000000, 99999999999999999999999, 3)", [3]),
        ("paired", [0, 3]),
        ("not paired", [1, 4]),
        ("paired == false", [1, 4]),
        ("paired == False", [1, 4]),
        ('"red" in caption', [0]),
        ('"red" not in caption', [1, 2, 4]),
        (r'"it\'s" in caption', [1]),
        (r'"\"logo\"" in caption', [4]),
        ('matches(caption, "^a .*s$")', [0]),
        ("0 < row <= 2", [1, 2]),
        ("3 < row", [4]),
        ("row == +2 or row > - -3", [2, 4]),
        ("2 > row", [0, 1]),
        ("3 <= row", [3, 4]),
        ("1 >= row", [0, 1]),
        ('row == 0 or row == 1 and category == "dresses"', [0]),
        ('(row == 0 or row == 1) and category == "upper_body"', [1]),
        ("not (row < 4 or paired)", [4]),
    ],
)
def test_meaning(text: str, kept: list[int]) -> None:
    assert rows(text) == kept


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("sharpness > 3", "unknown column 'sharpness'; these shards have row, category"),
        ('__import__("os").system("true")', "allowed is matches(COLUMN"),
        ('category = "x"', "equality is written =="),
        ("category == 3", "'3': allowed is a text in quotes, since category is a text"),
        ('row == "3"', "allowed is a number"),
        ("row == true", "allowed is a number"),
        ("paired == 1", "allowed is True or False"),
        ("category == dresses", 'as in "dresses"'),
        ("row", "row is a number"),
        ("row > 1 and", "isn't understood"),
        ("row > 1 row < 2", "isn't understood"),
        ("(row > 1", "isn't understood"),
        ("row in 3", "values in parentheses"),
        ("row in ()", "a number, or several"),
        ("row contains 'x'", '`"TEXT" in COLUMN` asks'),
        ("caption is null", "`is None` and `is not None`"),
        ("'x' in row", "row is a number, not a text"),
        ("matches(caption, '(')", "RE2"),
        ("category is 'x'", "ask for absence"),
        ("and row > 1", "isn't understood"),
        ("caption == 'open", "isn't understood"),
        ("row > 1; row < 2", "isn't understood"),
        ("NOT row > 1", "written small"),
        ("(" * 300 + "row > 1" + ")" * 300, "isn't understood"),
        ("not " * 60 + "row > 1", "deeper than 50"),
        (" or ".join(["row > 1"] * 9000), "more than 500 terms"),
        ("row > 1\0", "null bytes"),
    ],
)
def test_a_wrong_part_is_named(text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        conditions.compiled(text, COLUMNS)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("most", "one_more", "named"),
    [
        ("not " * 48 + "row > 1", "not " * 49 + "row > 1", "deeper than 50"),  # the comparison and its sides are two
        (" or ".join(["row == 1"] * 500), " or ".join(["row == 1"] * 501), "more than 500 terms"),
        ("row == 1".ljust(100_000), "row == 1".ljust(100_001), "100,001 characters; allowed are 100,000"),
    ],
    ids=["depth", "terms", "length"],
)
def test_what_is_allowed_at_most_is_allowed(most: str, one_more: str, named: str) -> None:
    assert rows(most) in ([1], [2, 3, 4])
    with pytest.raises(UsageError, match=named):
        rows(one_more)


WORDS = ("and", "or", "not", "in", "is", "None", "matches")


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from([*("and", "or", "not", "in", "is", "None", "matches"), "row", "(", ")", "1", "==", '"x"'])
    ).map(" ".join)
)
def test_anything_is_an_expression_or_a_usage_error(text: str) -> None:
    try:
        made = conditions.compiled(text, COLUMNS)
    except UsageError:
        return
    assert TABLE.filter(made).num_rows <= TABLE.num_rows


CONDITIONS = st.recursive(
    st.tuples(st.sampled_from(["<", ">=", "==", "!="]), st.integers(-1, 5)).map(lambda c: (f"row {c[0]} {c[1]}",)),
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner) | st.tuples(st.just("not"), inner),
    max_leaves=8,
)


def written(tree: tuple) -> str:
    """The tree as text: every branch in parentheses."""
    if len(tree) == 1:
        return str(tree[0])
    return f"not ({written(tree[1])})" if len(tree) == 2 else f"({written(tree[1])}) {tree[0]} ({written(tree[2])})"


@given(CONDITIONS)
def test_agrees_with_python(tree: tuple) -> None:
    text = written(tree)
    assert rows(text) == [row for row in range(5) if eval(text, {"row": row})]
