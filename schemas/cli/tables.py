"""A table of plain values as Markdown, LaTeX (booktabs), CSV (RFC 4180) or aligned text; what cells say is escaped."""

import csv
import io
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


class Share(float):
    """0–1; shown in per cent, never rounded to all or nothing."""


Cell = str | int | float | None
SCREEN = 100  # columns that a terminal is taken to have


@dataclass(frozen=True)
class Table:
    """Rows under a header; where `total`, the last row sums up the others."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: bool = False

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers only."""
        return not any(isinstance(row[column], str) for row in self.rows)


def aligned(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Lines for a screen: columns of equal width, two blanks between them."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def hanging(rows: Iterable[Sequence[str]], indent: str = "", width: int = SCREEN) -> str:
    """Lines for a screen of two columns: the second is broken between words and goes on below itself."""
    rows = list(rows)
    margin = indent + " " * (max((len(name) for name, _ in rows), default=0) + 2)
    lines = []
    for name, text in rows:
        first = f"{indent}{name}".ljust(len(margin))
        wrap = textwrap.TextWrapper(
            max(width, len(margin) + 20), first, margin, break_long_words=False, break_on_hyphens=False
        )
        lines.append(wrap.fill(text) if text else first.rstrip())
    return "\n".join(lines)


def listed(rows: Iterable[Sequence[str]], width: int = SCREEN) -> str:
    """Lines for a screen: the rows under their header where they fit, else each row as a paragraph of its cells.

    A paragraph begins with the row's first cell; the others stand below, each beside its column's name.
    """
    header, *rest = rows = list(rows)
    table = aligned(rows)
    if max(map(len, table.splitlines())) <= width:
        return table
    labelled = ([(name, cell) for name, cell in zip(header[1:], row[1:], strict=True) if cell] for row in rest)
    return "\n\n".join(f"{row[0]}\n{hanging(cells, '  ', width)}" for row, cells in zip(rest, labelled, strict=True))


def markdown(table: Table) -> str:
    """A heading, unless the title is empty, and a table; the total is bold."""
    lines = [_markdown_row(map(_markdown, table.header))]
    lines.append(_markdown_row("---:" if table.numeric(i) else "---" for i in range(len(table.header))))
    for number, row in enumerate(table.rows):
        bold = table.total and number == len(table.rows) - 1
        cells = (_markdown(shown(cell)) for cell in row)
        lines.append(_markdown_row(f"**{cell}**" if bold and cell else cell for cell in cells))
    heading = [f"### {_markdown(table.title)}", ""] if table.title else []
    return "\n".join([*heading, *lines]) + "\n"


def latex(table: Table) -> str:
    """A `table` environment that needs the package booktabs."""
    alignment = "".join("r" if table.numeric(i) else "l" for i in range(len(table.header)))
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(table.title)}}}"]
    lines += [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", _latex_row(table.header), r"\midrule"]
    for number, row in enumerate(table.rows):
        if table.total and number == len(table.rows) - 1:
            lines.append(r"\midrule")
        lines.append(_latex_row(map(shown, row)))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def comma_separated(table: Table) -> str:
    """A header and the rows, numbers as they are, lines ended by CR LF."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(table.header)
    writer.writerows([round(cell, 6) if isinstance(cell, float) else cell for cell in row] for row in table.rows)
    return buffer.getvalue()


RENDERERS: dict[str, Callable[[Table], str]] = {"markdown": markdown, "latex": latex, "csv": comma_separated}


def shown(cell: Cell) -> str:
    """A cell for people: thousands apart, shares in per cent, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, Share):
        percent = cell * 100
        return f"{percent:.0f} %" if percent in (0, 100) else f"{min(max(percent, 0.1), 99.9):.1f} %"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown(text: str) -> str:
    text = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\|`*\[\]])", r"\\\1", text)


_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a line break a bracket would be read as its length
    "]": "{]}",
}


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    """Without line breaks and other unprintable characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
