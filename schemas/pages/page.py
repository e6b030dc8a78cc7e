"""The frame of a page: head, policy, navigation, sections, and the dialog in which pictures are enlarged."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.pages.parts import Labels, Part, Raw
from schemas.pages.rendering import PACKAGE, asset, environment, json_block


@dataclass(frozen=True)
class Section:
    """A part of the page that the navigation leads to, by `#id` (default: made of the title)."""

    title: str
    parts: Sequence[Part] = ()
    intro: str = ""
    id: str = ""
    count: int | None = None  # shown beside the title

    @property
    def anchor(self) -> str:
        """The id, which no text from data should be part of."""
        return self.id or "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())


@dataclass(frozen=True)
class Page:
    """`styles` and `scripts` are texts of further style sheets and scripts, `data` what scripts find by its name."""

    title: str
    subtitle: str = ""
    sections: Sequence[Section] = ()
    footer: str = ""
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)


def render(page: Page) -> str:
    """The whole file. Scripts and styles are allowed by their digests: no other one runs, and none loads anything."""
    styles = [_enclosed(text) for text in (asset(PACKAGE, "page.css"), *page.styles)]
    scripts = [_enclosed(text) for text in (asset(PACKAGE, "page.js"), *page.scripts)]
    blocks = [json_block(name, value) for name, value in {"labels": page.labels, **page.data}.items()]
    return (
        environment(PACKAGE)
        .get_template("frame.html.j2")
        .render(page=page, policy=_policy(styles, scripts), styles=styles, scripts=scripts, blocks=blocks)
    )


def _enclosed(text: str) -> Raw:
    """Text of a style sheet or script, which mustn't end its own element."""
    if "</s" in text.lower():
        raise ValueError("a style sheet or script holds '</s'; allowed is text that doesn't end its element")
    return Raw(f"\n{text.strip()}\n")


def _policy(styles: Sequence[Raw], scripts: Sequence[Raw]) -> str:
    """Content-Security-Policy: pictures in the page and files beside it; nothing else."""
    rules = [
        "default-src 'none'",
        "img-src data: 'self'",
        f"style-src {' '.join(map(_digest, styles))}",
        f"script-src {' '.join(map(_digest, scripts))}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _digest(text: Raw) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.html.encode()).digest()).decode()}'"
