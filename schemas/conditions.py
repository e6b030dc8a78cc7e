"""`--where`: a condition on a record's words and numbers, in a small part of Python → a pyarrow expression.

    category == "dresses" and "logo" not in caption
    quality.person_sharpness > 100 and (split in ("train", "test") or garment_caption is None)
    matches(person_id, "^0[0-9]+_00$")

The text is parsed as Python and never run. As in SQL, a condition on an absent value is neither true nor false, and
only records for which the whole is true are kept; `is None` and `is not None` ask for absence.
"""

import ast
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.cli.flags import UsageError, one_line

GRAMMAR = (
    'COLUMN == != < <= > >= VALUE, COLUMN [not] in (VALUE, …), "TEXT" [not] in COLUMN, COLUMN is [not] None,'
    ' matches(COLUMN, "REGEX"), and, or, not, parentheses; text in quotes'
)
MOST_TERMS, DEEPEST, LONGEST = 500, 50, 100_000
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], pc.Expression]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq
}  # fmt: skip
_KINDS = {"text": "a text in quotes", "number": "a number", "yes or no": "True or False"}
_FORMERLY = (
    (re.compile(r"\bis\s+(not\s+)?null\b", re.I), "`is None` and `is not None` ask for absence"),
    (re.compile(r"\bcontains\b", re.I), '`"TEXT" in COLUMN` asks whether a text holds another'),
    (re.compile(r"[\w.]\s+(not\s+)?matches\b", re.I), '`matches(COLUMN, "REGEX")` asks for a pattern'),
    (re.compile(r"\b(AND|OR|NOT)\b"), "and, or, not are written small"),
    (re.compile(r"(?<![=!<>])=(?!=)"), "equality is written =="),
)


@dataclass(frozen=True)
class Column:
    """A column that a condition names: what it is called, what it holds, and its values."""

    name: str
    kind: str  # of _KINDS
    field: pc.Expression


def names(text: str) -> tuple[str, ...]:
    """The columns that a condition names, members of a struct as "quality.person_area". Raises UsageError."""
    tree = _tree(text)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)]
    return tuple(dict.fromkeys(ast.unparse(node) for node in nodes if id(node) not in called | inner))


def compiled(text: str, columns: Mapping[str, pa.DataType]) -> pc.Expression:
    """The expression over a table with these columns, words as strings. Raises UsageError naming what's wrong."""
    return _Compiler(text, columns).true(_tree(text))


def columns_of(schema: Iterable[pa.Field]) -> dict[str, pa.DataType]:
    """What a condition may name of a shard's fields: words as strings, members of structs one by one."""
    found: dict[str, pa.DataType] = {}
    for field in schema:
        if pa.types.is_struct(field.type):
            found |= {f"{field.name}.{member.name}": member.type for member in field.type}
        else:
            found[field.name] = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return found


def _tree(text: str) -> ast.expr:
    if not text.strip():
        raise UsageError(f"--where is empty; allowed are {GRAMMAR}")
    if len(text) > LONGEST:
        raise UsageError(f"--where has {len(text):,} characters; allowed are {LONGEST:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of regular expressions' backslashes
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        hint = next((hint for pattern, hint in _FORMERLY if pattern.search(_without_texts(text))), "")
        raise UsageError(f"--where {_shown(text)} isn't understood ({reason}); allowed are {hint or GRAMMAR}") from None
    except (RecursionError, MemoryError):
        raise UsageError(f"--where is nested deeper than {DEEPEST}") from None
    _check_size(tree)
    return tree


def _check_size(tree: ast.expr) -> None:
    """Raises UsageError for a condition of too many terms, or one that is too deep."""
    terms, level, depth = 0, [tree], 0
    while level:
        terms += sum(isinstance(node, ast.Compare | ast.Name | ast.Constant) for node in level)
        depth += 1
        if depth > DEEPEST:
            raise UsageError(f"--where is nested deeper than {DEEPEST}")
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    comparisons = sum(isinstance(node, ast.Compare | ast.Call) for node in ast.walk(tree))
    if max(comparisons, terms // 4) > MOST_TERMS:
        raise UsageError(f"--where has more than {MOST_TERMS} terms")


def _without_texts(text: str) -> str:
    return re.sub(r"\"[^\"]*\"|'[^']*'", '""', text)


def _shown(text: str) -> str:
    line = one_line(text)
    return repr(line if len(line) <= 60 else line[:57] + "…")


class _Compiler:
    """One method for each form that a condition may have."""

    def __init__(self, text: str, columns: Mapping[str, pa.DataType]) -> None:
        self.text, self.columns = text, columns

    def true(self, node: ast.expr) -> pc.Expression:
        """A node that must be true or false."""
        if isinstance(node, ast.BoolOp):
            parts = [self.true(value) for value in node.values]
            return _balanced(parts, operator.and_ if isinstance(node.op, ast.And) else operator.or_)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.true(node.operand)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            triples = zip(sides, node.ops, sides[1:], strict=False)
            return _balanced([self.compared(left, test, right) for left, test, right in triples], operator.and_)
        if isinstance(node, ast.Call):
            return self.called(node)
        column = self.column(node)
        if column.kind != "yes or no":
            raise self.wrong(node, f"{column.name} is a {column.kind}; allowed are == != < <= > >=, in, is, matches()")
        return column.field

    def compared(self, left: ast.expr, test: ast.cmpop, right: ast.expr) -> pc.Expression:
        if isinstance(test, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self.wrong(right, "`is None` and `is not None` ask for absence")
            absent = self.column(left).field.is_null()
            return absent if isinstance(test, ast.Is) else ~absent
        if isinstance(test, ast.In | ast.NotIn):
            within = self.within(left, right)
            return within if isinstance(test, ast.In) else ~within
        if not _is_name(left) and _is_name(right):
            left, test, right = right, _TURNED[type(test)](), left
        column = self.column(left)
        return _COMPARISONS[type(test)](column.field, pa.scalar(self.value(right, column)))

    def within(self, left: ast.expr, right: ast.expr) -> pc.Expression:
        """A value among several, or a text in a column of texts."""
        if isinstance(right, ast.Tuple | ast.List):
            column = self.column(left)
            if not right.elts:
                raise self.wrong(right, f"allowed is {_KINDS[column.kind]}, or several")
            values = pa.array([self.value(item, column) for item in right.elts])
            # `isin` calls an absent value false; then `not in` would keep it.
            return pc.if_else(column.field.is_null(), pa.scalar(None, pa.bool_()), column.field.isin(values))
        if _is_name(right):
            column = self.text_column(right)
            return pc.match_substring(column.field, self.value(left, column))
        raise self.wrong(right, "allowed after in: values in parentheses, as in ('a', 'b') and ('a',), or a column")

    def called(self, node: ast.Call) -> pc.Expression:
        if not (isinstance(node.func, ast.Name) and node.func.id == "matches"):
            raise self.wrong(node.func, 'allowed is matches(COLUMN, "REGEX")')
        if len(node.args) != 2 or node.keywords:
            raise self.wrong(node, 'allowed is matches(COLUMN, "REGEX")')
        column = self.text_column(node.args[0])
        pattern = self.value(node.args[1], column)
        try:
            pc.match_substring_regex(pa.array([""]), pattern)
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"--where: matches {pattern!r}: {reason}; allowed is an RE2 expression") from None
        return pc.match_substring_regex(column.field, pattern)

    def text_column(self, node: ast.expr) -> Column:
        column = self.column(node)
        if column.kind != "text":
            raise self.wrong(node, f"{column.name} is a {column.kind}, not a text")
        return column

    def column(self, node: ast.expr) -> Column:
        if not _is_name(node):
            raise self.wrong(node, f"allowed there: a column ({', '.join(self.columns)})")
        name = ast.unparse(node)
        if name not in self.columns:
            raise UsageError(f"--where: unknown column {name!r}; these shards have {', '.join(self.columns)}")
        kind = _kind(self.columns[name])
        if kind is None:
            raise self.wrong(node, f"{name} is {self.columns[name]}; allowed are texts, numbers and yes or no")
        return Column(name, kind, pc.field(name))

    def value(self, node: ast.expr, column: Column) -> str | int | float | bool:
        """A literal of the column's kind."""
        value = _literal(node)
        fits = {"text": (str,), "number": (int, float), "yes or no": (bool,)}[column.kind]
        if isinstance(value, fits) and (column.kind != "number" or not isinstance(value, bool)):
            return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
        allowed = f"allowed is {_KINDS[column.kind]}, since {column.name} is a {column.kind}"
        if _is_name(node) and column.kind == "text":
            allowed += f', as in "{ast.unparse(node)}"'
        raise self.wrong(node, allowed)

    def wrong(self, node: ast.AST, allowed: str) -> UsageError:
        part = ast.get_source_segment(self.text.strip(), node) or ast.unparse(node)
        return UsageError(f"--where: {_shown(part)}: {allowed}")


def _balanced(parts: Sequence[pc.Expression], join: Callable[[Any, Any], pc.Expression]) -> pc.Expression:
    """As a tree of little depth: Arrow walks one in recursion."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return join(_balanced(parts[:half], join), _balanced(parts[half:], join))


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_name(node.value))


def _literal(node: ast.expr) -> object:
    """A constant, negative numbers too, and true and false as other languages write them; None for all else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _literal(node.operand)
        if isinstance(number, int | float) and not isinstance(number, bool):
            return -number if isinstance(node.op, ast.USub) else number
        return None
    if isinstance(node, ast.Name):
        return {"true": True, "false": False}.get(node.id)
    return node.value if isinstance(node, ast.Constant) else None


def _kind(arrow_type: pa.DataType) -> str | None:
    if pa.types.is_boolean(arrow_type):
        return "yes or no"
    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type):
        return "text"
    return "number" if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type) else None
