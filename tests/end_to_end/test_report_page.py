"""The report in a real browser, where one is installed: it is filtered and enlarged, and what is hostile is inert."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import browser, commands, object_pairs
from support.helpers import Dataset, Result, draw, rows

from pipelines import report
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.finished import tables
from schemas.folders import open_folder

NASTY = "<img src=x onerror=window.owned=1>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six records, one of a hostile name and two of one photo; two rejects, of which one has a hostile name."""
    place = tmp_path_factory.mktemp("report")
    dataset = Dataset(place / "dataset")
    names = ["00000_00", "00001_00", "00002_00", "00003_00", NASTY, "00005_00"]
    for seed, name in enumerate(names):
        dataset.add(name, 0 if seed == 3 else seed)
    dataset.add("00009_00", 9)
    dataset.put("test/cloth/00009_00.jpg", b"no picture")
    lines = [f"{a}.jpg {b}.jpg" for a, b in zip(names, names[1:] + names[:1], strict=True)]
    dataset.pairs(*lines, "00009_00.jpg 00009_00.jpg", "</script><script>window.owned=1</script>.jpg 00001_00.jpg")
    result = commands.call(
        place, "pipelines.build_vitonhd", "--input", dataset.root, "--output", place / "out", "--max-reject-rate", 1
    )
    assert result.json["records"] == 6 and result.json["rejects"] == 2, result.stderr
    return place / "out"


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    file = folder.parent / "page.html"
    assert report.main([str(folder), "--output", str(file)]) == 0
    return file


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.started() as running:
        yield running


@pytest.mark.parametrize("size", browser.SIZES)
@pytest.mark.parametrize("scheme", browser.SCHEMES)
def test_the_page_fits_and_asks_for_nothing(chromium: Any, page: Path, size: str, scheme: str) -> None:
    with browser.opened(chromium, page, size, scheme) as view:
        shown = view.page
        assert shown.locator("#sheet .card").count() == 6 and view.sideways() == []
        shown.locator("#sheet .enlarge").first.click()
        assert shown.locator("#viewer").is_visible() and view.sideways() == []
        shown.keyboard.press("Escape")
        assert shown.evaluate("window.owned") is None and shown.locator("img[src=x]").count() == 0
        assert view.complaints == [] and view.outside() == []


@pytest.mark.parametrize("size", browser.SIZES)
@pytest.mark.parametrize("scheme", browser.SCHEMES)
def test_axe_finds_nothing_serious(chromium: Any, page: Path, size: str, scheme: str) -> None:
    with browser.opened(chromium, page, size, scheme) as view:
        assert view.violations() == []
        view.page.locator("#sheet .enlarge").first.click()
        assert view.violations() == []


def test_records_are_filtered_sorted_and_lead_to_their_findings(chromium: Any, page: Path) -> None:
    with browser.opened(chromium, page) as view:
        shown = view.page
        ids = shown.locator("#sheet .id")
        assert "near_duplicate" in shown.locator("#sheet .card").first.inner_text(), "the worst is first"
        shown.locator("#sort").select_option("id")
        assert ids.all_inner_texts() == sorted(ids.all_inner_texts())
        shown.locator("#filter-text").fill("00002_00+")
        assert ids.count() == 1 and "1 of 6 records" in shown.locator("#sheet-status").inner_text()
        shown.locator("button[type=reset]").click()
        shown.wait_for_function("document.querySelectorAll('#sheet .card').length === 6")
        shown.locator("#filter-kind").select_option(label="near_duplicate")
        few = ids.count()
        assert 0 < few < 6
        shown.locator("#filter-kind").select_option("none")
        assert ids.count() + few <= 6
        shown.locator("button[type=reset]").click()
        shown.locator("#filter-measure").select_option(label="person sharpness")
        shown.locator("#filter-low").fill("1e9")
        assert ids.count() == 0
        shown.locator("#filter-low").fill("0")
        assert ids.count() == 6
        shown.locator("#sheet a.chip", has_text="near_duplicate").first.click()
        focused = shown.evaluate("document.activeElement.textContent")
        assert "near_duplicate" in focused
        shown.locator("#findings .entries div a").first.click()
        title = shown.locator("#viewer-title").inner_text()
        assert shown.locator("#viewer").is_visible() and title in shown.evaluate("decodeURIComponent(location.hash)")
        shown.locator("#viewer a.chip").first.click()
        assert not shown.locator("#viewer").is_visible()
        assert shown.evaluate("document.activeElement.id").startswith("finding-")
        assert view.complaints == []


def test_a_record_is_enlarged_by_keys_and_tells_its_labels(chromium: Any, page: Path) -> None:
    with browser.opened(chromium, page) as view:
        shown = view.page
        shown.locator("#sheet-toggles input[data-toggle=parse]").check()
        assert shown.locator("#sheet .layer[data-layer=parse]").first.is_visible()
        shown.locator("#sheet .enlarge").first.focus()
        shown.keyboard.press("Enter")
        dialog = shown.locator("#viewer")
        first = dialog.locator("h2").inner_text()
        parse = dialog.locator(".layer[data-layer=parse]")
        box = parse.bounding_box()
        assert box is not None
        shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert shown.locator("#tip").inner_text() == "upper clothes"
        dialog.locator("input[data-toggle=keypoints]").check()
        joint = dialog.locator("circle[data-tip^=neck]")
        joint.hover()
        assert shown.locator("#tip").inner_text().startswith("neck 0.9")
        shown.keyboard.press("ArrowRight")
        assert dialog.locator("h2").inner_text() != first
        assert dialog.locator("circle").first.is_visible(), "what was switched on stays on"
        assert "as it was" not in dialog.inner_text() and "Provenance" in dialog.inner_text()
        shown.keyboard.press("Escape")
        address = f"{page.as_uri()}#record={quote(f'vitonhd/test/{NASTY}+00005_00', safe='')}"
        shown.goto("about:blank")
        shown.goto(address)
        assert NASTY in shown.locator("#viewer-title").inner_text()
        assert view.complaints == []


def test_photos_of_rejects_are_shown_only_as_they_were_read(folder: Path, tmp_path: Path) -> None:
    photo = folder.parent / "dataset/test/image/00009_00.jpg"
    whole = photo.read_bytes()
    source = next(row for row in pq.read_table(folder / "rejects.parquet").to_pylist() if "00009" in row["record_id"])
    rejects = {name: [value] for name, value in source.items()} | {"source": ["test/image/00009_00.jpg"]}
    kept, run = (folder / "rejects.parquet").read_bytes(), (folder / "_run.json").read_text()
    try:
        pq.write_table(pa.table(rejects, tables.REJECTS), folder / "rejects.parquet")
        assert report.render(open_folder(str(folder)), 1).count('class="photo"') == 1
        photo.write_bytes(codecs.encode_jpeg(draw(77)["person"]))
        assert 'class="photo"' not in report.render(open_folder(str(folder)), 1), "another file than was read"
        photo.write_bytes(whole)
        (folder / "_run.json").write_text(json.dumps(json.loads(run) | {"input": str(tmp_path)}))
        (tmp_path / "test/image").mkdir(parents=True)
        (tmp_path / "test/image/00009_00.jpg").write_bytes(codecs.encode_jpeg(draw(78)["person"]))
        assert 'class="photo"' not in report.render(open_folder(str(folder)), 1)
    finally:
        photo.write_bytes(whole)
        (folder / "rejects.parquet").write_bytes(kept)
        (folder / "_run.json").write_text(run)


def test_full_size_pictures_lie_beside_the_page(chromium: Any, folder: Path, tmp_path: Path) -> None:
    words = [str(folder), "--pictures", "folder", "--records", "2", "--output", str(tmp_path / "page.html")]
    assert report.main(words) == 0
    beside = tmp_path / "page_pictures"
    pictures = sorted(path.name for path in beside.glob("0*"))
    assert len(pictures) == 12 and pictures[0] == "000000-garment_image.jpg"
    stored = {row["record_id"]: row for row in rows(folder)}
    sheet = browser.data((tmp_path / "page.html").read_text(), "sheet")
    for one in sheet["records"]:
        for title, address in one[6]:
            assert (tmp_path / address).read_bytes() == stored[one[0]][title]["bytes"]
    with browser.opened(chromium, tmp_path / "page.html") as view:
        assert view.page.locator("#sheet .card").count() == 6
        for image in view.page.locator("#sheet .stack > img:first-child").all():
            image.scroll_into_view_if_needed()
        view.page.wait_for_function("[...document.querySelectorAll('#sheet img')].every((one) => one.naturalWidth > 0)")
        view.page.locator("#sheet .enlarge").first.click()
        assert view.page.locator("#viewer .stack img").first.evaluate("one => one.src").startswith("file:")
        assert view.complaints == []
    assert report.main(words) == 0, "a report's own folder is replaced"
    (beside / "_report.json").unlink()
    with pytest.raises(UsageError, match="page_pictures is there already and no report's"):
        report.main(words)


def test_the_same_build_gives_the_same_page_and_too_many_pictures_are_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_folder(str(folder))
    whole = report.render(opened, 9, "shards")
    assert whole == report.render(opened, 9, "shards")
    assert len(browser.data(whole, "sheet")["cards"]) == 6
    monkeypatch.setattr(report, "BUDGET", 60_000)
    short = browser.data(report.render(opened, 9, "shards"), "sheet")
    assert 0 < len(short["cards"]) < 6 and len(short["records"]) == 6
    worst = max(short["records"], key=lambda one: one[4])
    assert worst[5] >= 0, "what is left out is not the worst"


def test_a_way_on_is_a_command_that_runs(chromium: Any, tmp_path: Path, command: Callable[..., Result]) -> None:
    for name, column in (("persons", "person"), ("garments", "garment")):
        (tmp_path / name).mkdir()
        for seed in range(2):
            Image.fromarray(draw(seed)[column]).save(tmp_path / name / f"{seed}.png")
    inputs = ("--persons", tmp_path / "persons", "--garments", tmp_path / "garments", "--output", tmp_path / "out")
    command("pipelines.build_photos", *inputs, "--skip", "parse,keypoints,densepose,caption,garment_mask")
    text = report.render(open_folder(str(tmp_path / "out")), 9, "my shards")
    assert "All of it at once" in text
    ways = {line for line in re.findall(r"<code>(python -m [^<]*)</code>", text) if "pipelines.annotate" in line}
    assert any(
        line.startswith("python -m annotators fetch") and "--annotators parsing --output" in line.replace("&#39;", "'")
        for line in ways
    ), ways
    assert all("&#39;my shards&#39;" in line for line in ways)


@pytest.mark.parametrize("shards_left", [True, False], ids=["a shard without rows", "no shard"])
def test_a_build_that_rejected_everything_has_a_page(
    chromium: Any, tmp_path: Path, command: Callable[..., Result], shards_left: bool
) -> None:
    dataset = Dataset(tmp_path / "dataset")
    for seed, name in enumerate(("00000_00", "00001_00")):
        dataset.add(name, seed)
        dataset.put(f"test/image/{name}.jpg" if shards_left else f"test/{name}.txt", b"no picture")
    absent = "" if shards_left else "absent"
    dataset.pairs(*(f"{absent}0000{n}_00.jpg 0000{n}_00.jpg" for n in range(2)))
    built = command("pipelines.build_vitonhd", "--input", dataset.root, "--output", tmp_path / "out")
    assert built.code == 3, built.stderr
    file = Path(command("pipelines.report", tmp_path / "out").stdout.strip())
    with browser.opened(chromium, file, "narrow") as view:
        assert "There is no record" in view.page.locator("#overview").inner_text()
        assert view.page.locator("#rejects .entries li").count() == 2
        assert view.complaints == [] and view.sideways() == []


def test_object_pairs_stand_side_by_side(chromium: Any, tmp_path: Path) -> None:
    drawn = [object_pairs.row(number, "still" if number == 3 else "video", caption=NASTY) for number in range(4)]
    folder = object_pairs.write(tmp_path / "shards", drawn)
    assert report.main([str(folder), "--output", str(tmp_path / "page.html")]) == 0
    with browser.opened(chromium, tmp_path / "page.html") as view:
        first = view.page.locator("#sheet .card").first
        assert first.locator(".stack").count() == 2 and first.locator("svg.layer path").count() == 8
        first.locator("button").click()
        assert view.page.locator("#viewer .stack").count() == 5 and NASTY in view.page.locator("#viewer").inner_text()
        assert view.complaints == []


def test_pictures_are_decoded_and_encoded_anew(folder: Path) -> None:
    cards = browser.data(report.render(open_folder(str(folder)), 9), "sheet")["cards"]
    sources = {figure["source"] for card in cards for figure in card["figures"]}
    assert sources and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    for source in sources:
        assert np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))).size
