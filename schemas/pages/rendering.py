"""Templates → HTML, with whatever comes from data escaped; jinja2 is imported when a page is rendered."""

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from schemas.pages.parts import Raw

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "schemas.pages"


@cache
def environment(package: str) -> "Environment":
    """The templates of a package, and those of pages beside them."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    from schemas.pages import charts

    own, shared = PackageLoader(package), PackageLoader(PACKAGE)
    pages = Environment(
        loader=own if package == PACKAGE else ChoiceLoader([own, shared]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["kind"] = lambda part: type(part).__name__
    pages.globals |= {"bars": charts.bars, "across": charts.across, "lines": charts.lines, "number": charts.number}
    return pages


def fragment(package: str, template: str, **values: Any) -> Raw:
    """HTML of a template that lies in `templates` of a package; it may import "parts.html.j2" of pages."""
    return Raw(environment(package).get_template(template).render(**values))


def asset(package: str, name: str) -> str:
    """The text of a file that lies in `templates` of a package: a style sheet or a script for `Page`."""
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


def json_block(name: str, value: object) -> Raw:
    """Data for scripts, which find it as the text of `#data-NAME`; whatever it holds, it can't end its element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Raw(f'<script type="application/json" id="data-{name}">{text}</script>')
