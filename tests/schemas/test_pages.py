"""Self-contained pages: text stays text, the policy lets run what the page brings, charts are right."""

import base64
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import browser

from schemas import pages
from schemas.pages import charts

HOSTILE = (
    "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">'\"&{{ 7*7 }}"
)
IDS = np.repeat(np.array([[0, 1], [2, 1]], np.uint8), 40, axis=0).repeat(30, axis=1)
PALETTE = np.array([(0, 0, 0), (200, 0, 0), (0, 0, 200)], np.uint8)


def figure(title: str, seed: int = 0) -> pages.Figure:
    pixels = np.random.default_rng(seed).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    data, width, height = pages.jpeg(pixels, (60, 80))
    labels = pages.data_uri(pages.label_png(IDS, PALETTE, (width, height)), "png")
    layers = (
        pages.Layer("labels", source=labels, space="toy"),
        pages.Layer("outline", outlines=[pages.Outline("M5 5L50 5L30 60Z", 2)]),
        pages.Layer("joints", points=[pages.Point(30, 40, HOSTILE)]),
    )
    return pages.Figure(title, pages.data_uri(data, "jpeg"), width, height, note=HOSTILE, layers=layers)


def page(text: str = HOSTILE) -> pages.Page:
    """Every part, with the text wherever one may stand."""
    curve = pages.Series(text, [(step, 1 / (1 + step)) for step in range(50)])
    table = pages.Table(
        text, ["name", "n", "x"], [[text, 2, None], [pages.Link(text, "#pictures"), 10, pages.Code(text)]], 9
    )
    error = pages.Figure(text, error=text)
    gallery = pages.Gallery([pages.Row(text, [figure("first"), figure(text, 1), error])], shown=["labels"])
    bars = pages.Histogram(text, [pages.Bar(text, 3), pages.Bar("b", 0)], note=text)
    parts = [pages.Tiles([pages.Tile("3", text, "#pictures")]), pages.Note(text), pages.Charts([bars]), table]
    chart = pages.LineChart(text, [curve], text, text, smoothing=0.5)
    sections = [pages.Section("Numbers", [*parts, chart], text, count=1), pages.Section("Pictures", [gallery])]
    names = {"toy": {"#c80000": text, "#0000c8": "blue"}}
    return pages.Page(text, text, sections, text, data={"mine": [text]}, labels=names)


def test_text_stays_text_and_the_policy_allows_what_the_page_brings() -> None:
    html = pages.render(page())
    assert html == pages.render(page())
    assert "<script>document" not in html and "<img src=x" not in html and "{{ 7*7 }}" in html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None and "'unsafe" not in policy[1].replace("&#39;", "'") and "default-src" in policy[1]
    allowed = policy[1].replace("&#39;", "'")
    for tag in ("style", "script"):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert texts
        for text in texts:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in allowed
    without_values = re.sub(r'"[^"]*"', '""', html[: html.index("<script>")])
    assert not re.search(r"<[^>]+ (on[a-z]+|style)=", without_values), "no handler and no style stands in an element"


def test_data_reaches_scripts_as_it_was() -> None:
    block = pages.json_block("mine", {"a": [HOSTILE, "\u2028", "<!--", 1.5, None]}).html
    text = re.fullmatch(r'<script type="application/json" id="data-mine">(.*)</script>', block)
    assert text is not None and not set("<>&\u2028") & set(text[1])
    assert json.loads(text[1]) == {"a": [HOSTILE, "\u2028", "<!--", 1.5, None]}


def test_a_style_sheet_that_ends_its_element_is_refused() -> None:
    with pytest.raises(ValueError, match="'</s'"):
        pages.render(pages.Page("x", styles=["a {} </STYLE><script>"]))


def test_label_maps_keep_their_ids_and_what_is_clear() -> None:
    image = Image.open(io.BytesIO(pages.label_png(IDS, PALETTE, (30, 40))))
    assert image.mode == "P" and image.size == (30, 40)
    assert np.array_equal(np.asarray(image), IDS[::2, ::2])
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert np.array_equal(alpha > 0, IDS[::2, ::2] > 0)


def test_pictures_are_made_small_but_never_larger() -> None:
    data, width, height = pages.jpeg(np.zeros((400, 200, 3), np.uint8), (100, 100))
    assert (width, height) == (50, 100) == Image.open(io.BytesIO(data)).size
    assert pages.jpeg(np.zeros((20, 10, 3), np.uint8), (100, 100))[1:] == (10, 20)


def test_bars_stand_side_by_side_in_proportion() -> None:
    drawn = charts.bars(pages.Histogram("x", [pages.Bar("a", 4), pages.Bar("b", 2), pages.Bar("c", 0)]))
    assert [bar.height for bar in drawn] == [110.0, 55.0, 0.0] and {bar.y + bar.height for bar in drawn} == {128.0}
    assert all(one.x + one.width < other.x for one, other in pairwise(drawn))
    assert charts.bars(pages.Histogram("nothing", [])) == []
    assert [bar.height for bar in charts.bars(pages.Histogram("zero", [pages.Bar("a", 0)]))] == [0.0]


def test_lines_go_through_their_points() -> None:
    chart = pages.LineChart("loss", [pages.Series("a", [(0, 0.0), (5, math.nan), (10, 1.0)])])
    drawn = charts.lines(chart)
    assert drawn is not None and [tick.text for tick in drawn.x_ticks] == ["0", "2", "4", "6", "8", "10"]
    (left, low), (right, high) = ([float(n) for n in place.split()] for place in drawn.curves[0].raw[1:].split("L"))
    assert (left, right) == (drawn.left, drawn.right) and low > high
    assert low - high == pytest.approx((drawn.bottom - drawn.top) / 1.1, abs=0.1)
    assert charts.lines(pages.LineChart("none", [pages.Series("a", [(0, math.nan)])])) is None
    one = charts.lines(pages.LineChart("one", [pages.Series("a", [(3, 2.0)])]))
    assert one is not None and one.curves[0].last == "2"


def test_logarithmic_lines_leave_out_what_has_no_logarithm() -> None:
    points = [(0.0, 1e-6), (1.0, 1e-4), (2.0, 0.0), (3.0, 1e-2)]
    drawn = charts.lines(pages.LineChart("rate", [pages.Series("a", points)], logarithmic=True))
    assert drawn is not None
    places = [float(place.split()[1]) for place in drawn.curves[0].raw[1:].split("L")]
    assert len(places) == 3 and places[0] - places[1] == pytest.approx(places[1] - places[2], abs=0.2)


def test_smoothing_keeps_a_constant_and_starts_at_the_first_value() -> None:
    flat = [(float(x), 3.0) for x in range(9)]
    assert [y for _, y in charts.smoothed(flat, 0.9)] == pytest.approx([3.0] * 9)
    assert charts.smoothed([(0, 1.0), (1, 0.0)], 0.5)[1][1] == pytest.approx(1 / 3)
    assert charts.smoothed([(0, 1.0), (1, 0.0)], 0.0) == [(0, 1.0), (1, 0.0)]


@pytest.fixture(scope="module")
def chromium() -> Iterator["browser.Browser"]:
    with browser.started() as running:
        yield running


@pytest.mark.parametrize("size", browser.SIZES)
@pytest.mark.parametrize("scheme", browser.SCHEMES)
def test_every_part_in_a_browser(chromium: "browser.Browser", tmp_path: Path, size: str, scheme: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(pages.render(page()))
    with browser.opened(chromium, file, size, scheme) as view:
        shown = view.page
        assert shown.title() == HOSTILE.strip()
        assert view.sideways() == []
        _enlarges(view)
        if size == "wide":
            _sorts(view)
        else:  # rows are laid out one below the other, each cell under the name of its column
            assert (
                view.page.locator("td.n").first.evaluate("one => getComputedStyle(one, '::before').content") == '"n: "'
            )
        assert view.complaints == [] and view.outside() == []


@pytest.mark.parametrize("scheme", browser.SCHEMES)
def test_axe_finds_nothing_serious(chromium: "browser.Browser", tmp_path: Path, scheme: str) -> None:
    (tmp_path / "page.html").write_text(pages.render(page()))
    with browser.opened(chromium, tmp_path / "page.html", "narrow", scheme) as view:
        assert view.violations() == []
        view.page.locator("#pictures .enlarge").first.click()
        assert view.violations() == []


def test_axe_is_asked(chromium: "browser.Browser", tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<title>x</title><html lang=en><img src='data:,'><button></button>")
    with browser.opened(chromium, tmp_path / "page.html") as view:
        assert {line.partition(":")[0] for line in view.violations()} >= {"image-alt", "button-name"}


def _enlarges(view: browser.Opened) -> None:
    """By the keyboard: Enter opens, arrows lead on, a digit switches a layer, Escape gives the focus back."""
    shown = view.page
    labels = shown.locator("#pictures .layer[data-layer=labels]").first
    assert labels.is_visible() and not shown.locator("#pictures .layer[data-layer=outline]").first.is_visible()
    shown.locator("#pictures input[data-toggle=outline]").check()
    assert shown.locator("#pictures .layer[data-layer=outline]").first.is_visible()
    first = shown.locator("#pictures .enlarge").first
    first.focus()
    shown.keyboard.press("Enter")
    dialog = shown.locator("#viewer")
    assert dialog.is_visible() and "first" in dialog.locator("h2").inner_text()
    assert dialog.locator(".layer[data-layer=outline]").is_visible()
    shown.keyboard.press("1")
    assert not dialog.locator(".layer[data-layer=labels]").is_visible()
    shown.keyboard.press("ArrowRight")
    assert "2 of 2" in (dialog.locator(".viewer-place").text_content() or "")
    shown.keyboard.press("Escape")
    assert not dialog.is_visible() and first.evaluate("one => one === document.activeElement")
    box = shown.locator("#pictures .stack").first.bounding_box()
    assert box is not None
    shown.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] * 3 / 4)
    assert shown.locator("#tip").inner_text() == "blue"


def _sorts(view: browser.Opened) -> None:
    head = view.page.locator("th").nth(1)
    numbers = view.page.locator("td.n")
    for order in (["2", "10"], ["10", "2"]):
        head.locator("button").click()
        assert numbers.all_inner_texts() == order
