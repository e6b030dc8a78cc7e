"""`--where`: a small language of conditions on a record's words and numbers → a pyarrow dataset expression.

    category == "dresses" and not caption contains "logo"
    quality.person_sharpness > 100 and (split in ("train", "test") or garment_caption is null)
    person_id matches "^0[0-9]+_00$"

Nothing is evaluated as Python. As in SQL, a condition on an absent value is neither true nor false, and only records
for which the whole is true are kept; `is null` and `is not null` ask for absence.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.cli.flags import UsageError

OPERATORS: dict[str, Callable[[Any, Any], pc.Expression]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
GRAMMAR = (
    "COLUMN == != < <= > >= VALUE, COLUMN [not] in (VALUE, …), COLUMN is [not] null, COLUMN [not] contains TEXT,"
    " COLUMN [not] matches REGEX, and, or, not, parentheses; TEXT in quotes"
)
_DEEPEST = 50
_WORDS = ("and", "or", "not", "in", "is", "null", "contains", "matches", "true", "false")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"""
    r"""|(?P<name>[A-Za-z_][\w.]*)|(?P<sign>==|!=|<=|>=|<|>|\(|\)|,))"""
)


@dataclass(frozen=True)
class Token:
    """A word of the expression as written; `kind` is "text", "number", "name", "sign" or "end"."""

    kind: str
    written: str

    def says(self, word: str) -> bool:
        return self.written.lower() == word and self.kind in ("name", "sign")


def parse(text: str, columns: Mapping[str, pa.DataType]) -> pc.Expression:
    """The expression over a table with these columns. Raises UsageError naming the offending part."""
    parser = _Parser(_tokens(text), columns)
    made = parser.either(0)
    if parser.now.kind != "end":
        raise parser.wrong("and, or, or the end")
    return made


def _tokens(text: str) -> list[Token]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise UsageError(f"--where: {text[position:].strip()[:20]!r} isn't understood; allowed are {GRAMMAR}")
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind]))
        position = match.end()
    if not found:
        raise UsageError(f"--where is empty; allowed are {GRAMMAR}")
    return [*found, Token("end", "the end")]


class _Parser:
    """Recursive descent: either → both → negated → condition."""

    def __init__(self, tokens: list[Token], columns: Mapping[str, pa.DataType]) -> None:
        self.tokens, self.columns, self.position = tokens, columns, 0

    @property
    def now(self) -> Token:
        return self.tokens[self.position]

    def wrong(self, allowed: str) -> UsageError:
        before = self.tokens[self.position - 1].written if self.position else "the beginning"
        return UsageError(f"--where: {self.now.written!r} after {before!r}; allowed there: {allowed}")

    def take(self, word: str) -> bool:
        """Goes on when this word stands here."""
        found = self.now.says(word)
        self.position += found
        return found

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.wrong(word)

    def either(self, depth: int) -> pc.Expression:
        made = self.both(depth)
        while self.take("or"):
            made = made | self.both(depth)
        return made

    def both(self, depth: int) -> pc.Expression:
        made = self.negated(depth)
        while self.take("and"):
            made = made & self.negated(depth)
        return made

    def negated(self, depth: int) -> pc.Expression:
        if depth > _DEEPEST:
            raise UsageError(f"--where is nested deeper than {_DEEPEST}")
        if self.take("not"):
            return ~self.negated(depth + 1)
        if self.take("("):
            made = self.either(depth + 1)
            self.need(")")
            return made
        return self.condition()

    def condition(self) -> pc.Expression:
        name, field, kind = self.column()
        if self.take("is"):
            negated = self.take("not")
            self.need("null")
            return ~field.is_null() if negated else field.is_null()
        negated = self.take("not")
        made = self.membership(name, field, kind)
        if made is not None:
            return ~made if negated else made
        if negated:
            raise self.wrong("in, contains or matches")
        if self.now.written in OPERATORS:
            self.position += 1
            compare = OPERATORS[self.tokens[self.position - 1].written]
            return compare(field, pa.scalar(self.value(name, kind)))
        if kind == "yes or no":
            return field
        raise self.wrong("== != < <= > >=, in, is, contains, matches")

    def membership(self, name: str, field: pc.Expression, kind: str) -> pc.Expression | None:
        """in, contains and matches; None where none of them stands here."""
        if self.take("in"):
            return self.members(name, field, kind)
        for word, test in (("contains", pc.match_substring), ("matches", pc.match_substring_regex)):
            if self.now.says(word):
                if kind != "text":
                    raise self.wrong(f"== != < <= > >=, in, is; {name} is a {kind}")
                self.position += 1
                return self.searched(name, field, word, test)
        return None

    def searched(self, name: str, field: pc.Expression, word: str, test: Callable[..., Any]) -> pc.Expression:
        pattern = self.value(name, "text")
        try:
            test(pa.array([""]), pattern)
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"--where: {word} {pattern!r}: {reason}; allowed is an RE2 expression") from None
        return test(field, pattern)

    def members(self, name: str, field: pc.Expression, kind: str) -> pc.Expression:
        self.need("(")
        values = [self.value(name, kind)]
        while self.take(","):
            values.append(self.value(name, kind))
        self.need(")")
        # `isin` calls an absent value false; then `not in` would keep it.
        return pc.if_else(field.is_null(), pa.scalar(None, pa.bool_()), field.isin(pa.array(values)))

    def column(self) -> tuple[str, pc.Expression, str]:
        token = self.now
        if token.kind != "name" or token.written.lower() in _WORDS:
            raise self.wrong(f"a column ({', '.join(self.columns)}), not, (")
        if token.written not in self.columns:
            raise UsageError(f"--where: unknown column {token.written!r}; these shards have {', '.join(self.columns)}")
        self.position += 1
        return token.written, pc.field(token.written), _kind(self.columns[token.written])

    def value(self, name: str, kind: str) -> str | float | int | bool:
        token = self.now
        found = _value(token)
        fits = {"text": (str,), "number": (int, float), "yes or no": (bool,)}[kind]
        if found is None or not isinstance(found, fits) or (kind == "number" and isinstance(found, bool)):
            wanted = {"text": "a text in quotes", "number": "a number", "yes or no": "true or false"}[kind]
            raise self.wrong(f"{wanted}, since {name} is a {kind}")
        self.position += 1
        return found


def _value(token: Token) -> str | float | int | bool | None:
    if token.kind == "text":
        return re.sub(r"\\([\\'\"])", r"\1", token.written[1:-1])
    if token.kind == "number":
        whole = not re.search(r"[.eE]", token.written) and abs(int(token.written)) < 2**63
        return int(token.written) if whole else float(token.written)
    return {"true": True, "false": False}.get(token.written.lower()) if token.kind == "name" else None


def _kind(arrow_type: pa.DataType) -> str:
    if pa.types.is_boolean(arrow_type):
        return "yes or no"
    return "text" if pa.types.is_string(arrow_type) else "number"
