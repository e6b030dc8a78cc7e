"""Commands and programs in the fenced blocks of Markdown pages.

A block without a word after its fence, or with `bash`, holds commands, one of `python` a program; others hold neither.
What can't run on the embedded sample has a line `<!-- needs: network, data, weights, GPU, cluster -->` before it.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SHELL = ("", "bash")
NEEDS = ("network", "data", "weights", "GPU", "cluster", "minutes")
_NOTE = re.compile(r"<!-- needs: (.+) -->")
_ENVIRONMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line of its fence, what it needs, its language and its text."""

    page: Path
    line: int
    needs: tuple[str, ...]
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """The words of each command, without comments, variables before it, ellipses and where its output goes."""
        if self.language not in SHELL:
            return
        for line in self.text.replace("\\\n", " ").splitlines():
            words = [word for word in shlex.split(re.sub(r"(^|\s+)# .*$", "", line)) if word != "…"]
            for _, joined in groupby(words, lambda word: word == "&&"):
                command = list(joined)
                while command and _ENVIRONMENT.match(command[0]):
                    del command[0]
                if ">" in command:
                    command = command[: command.index(">")]
                if command and command != ["&&"]:
                    yield command


def blocks(page: Path) -> Iterator[Block]:
    """Raises ValueError for a need of another name, and for a fence that isn't closed."""
    lines = page.read_text().splitlines()
    start, before = None, ""
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            before = line if start is None and line.strip() else before
            continue
        if start is None:
            start = number
            continue
        body = "\n".join(lines[start : number - 1])
        yield Block(page, start, _needs(before, page), lines[start - 1].lstrip().removeprefix("```"), body)
        start, before = None, ""
    if start is not None:
        raise ValueError(f"{page.name}:{start}: the block has no end")


def _needs(line: str, page: Path) -> tuple[str, ...]:
    note = _NOTE.fullmatch(line.strip())
    needs = tuple(note[1].split(", ")) if note else ()
    if wrong := set(needs) - set(NEEDS):
        raise ValueError(f"{page.name}: needs {', '.join(wrong)}; allowed are {', '.join(NEEDS)}")
    return needs
