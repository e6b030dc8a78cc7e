"""A headless Chromium that opens a page from disk and tells what is wrong: errors, sideways scroll, axe's rules.

Tests skip where there is no Chromium, and those of axe-core's rules where it isn't there: $VTON_AXE names axe.min.js,
which `npm pack axe-core` brings; else it is looked for in node_modules.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")
QUIET += ("--disable-component-update", "--no-sandbox")
SIZES = {"wide": (1400, 1000), "narrow": (360, 740)}
SCHEMES = ("light", "dark")
SERIOUS = ("serious", "critical")


def chromium() -> str:
    """The path of a browser; skips the test where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium here")
    return path


def data(html: str, name: str) -> Any:
    """What a page brings for its scripts under a name, read from its text."""
    block = re.search(f'<script type="application/json" id="data-{name}">(.*?)</script>', html)
    return json.loads(block[1]) if block else None


@contextmanager
def started() -> Iterator["Browser"]:
    """A browser with an empty profile, closed at the end."""
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
    path = chromium()
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page that is open, and what it complained of so far."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def sideways(self) -> list[str]:
        """What reaches beyond the right edge, although the page can't be scrolled there; empty where all fits."""
        size = self.page.viewport_size
        return list(self.page.evaluate(_SIDEWAYS, size["width"] if size else 0))

    def outside(self) -> list[str]:
        """What the page asked for beyond itself."""
        return [url for url in self.requests[1:] if not url.startswith("data:")]

    def violations(self) -> list[str]:
        """Serious findings of axe-core; skips the test where it isn't there."""
        self.page.evaluate(axe().read_text())
        found: list[dict[str, Any]] = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{rule['id']}: {node['html'][:200]}"
            for rule in found
            if rule["impact"] in SERIOUS
            for node in rule["nodes"][:3]
        ]


_SIDEWAYS = """(width) => {
  const wide = document.documentElement.scrollWidth;
  if (wide <= width) return [];
  const far = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > width + 1);
  return [`${wide} of ${width}`, ...far.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];
}"""


@contextmanager
def opened(browser: "Browser", place: Path | str, size: str = "wide", scheme: str = "light") -> Iterator[Opened]:
    """A file, or a server's page, in a window of one of SIZES; keeps its complaints and its requests."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        is_mobile=size == "narrow",
        has_touch=size == "narrow",
    )
    page = context.new_page()
    view = Opened(page)
    page.on("console", lambda message: view.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: view.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (view.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: view.requests.append(request.url))
    try:
        page.goto(place if isinstance(place, str) else place.resolve().as_uri(), wait_until="load")
        yield view
    finally:
        context.close()


def axe() -> Path:
    """axe.min.js; skips the test where there is none."""
    places = [Path(os.environ.get("VTON_AXE") or ROOT), ROOT / "node_modules/axe-core/axe.min.js"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        pytest.skip("no axe-core here; VTON_AXE may name axe.min.js")
    return path
