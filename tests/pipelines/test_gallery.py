"""One record as a picture, and the page that leads to report, run and results."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support import browser

from pipelines import build_vitonhd
from pipelines import gallery as command
from pipelines.pictures import _gallery as gallery
from schemas.cli.flags import UsageError

HOSTILE = "</script><script>document.title='hit'</script>"


@pytest.fixture(scope="module")
def shards(drawn_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gallery") / "shards"
    words = ["--split", "train", "--limit", "2", "--agnostic-recipe", "hrviton,catvton", "--output", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(drawn_sample / "cache"))
        assert build_vitonhd.main(words) == 0
    return out


def samples(folder: Path, *records: str, **notes: str) -> Path:
    """Results as `sample` marks them."""
    folder.mkdir()
    for number, name in enumerate(records):
        info = PngImagePlugin.PngInfo()
        for key, text in {"DigitalSourceType": "made", "Record": name, "Model": "toy", **notes}.items():
            info.add_text(key, text)
        Image.new("RGB", (12, 16), (number, 0, 0)).save(folder / f"{number}.png", pnginfo=info)
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_what_is_repainted_is_grey_and_the_rest_is_the_photo() -> None:
    photo = np.full((200, 150, 3), 200, np.uint8)
    mask = np.zeros((200, 150), np.uint8)
    mask[50:150, 40:110] = 255
    shown = gallery.masked(photo, mask)
    assert (shown[100, 75] == round(0.15 * 200 + 0.85 * 128 - 0.5)).all() and (shown[20, 20] == 200).all()


def test_the_skeleton_lies_over_a_dimmed_photo() -> None:
    keypoints = np.zeros((25, 3), np.float32)
    keypoints[1], keypoints[8] = (75, 40, 1), (75, 160, 1)
    shown = gallery.posed(np.full((200, 150, 3), 200, np.uint8), keypoints)
    assert (shown[10, 10] == 70).all() and shown[100, 75].max() > 70


def test_the_plain_mask_is_called_by_its_recipe() -> None:
    entry = {"column": "agnostic_mask", "note": "recipe=hrviton,catvton; model_type=hd"}
    assert command.plain_recipe({"provenance": [{"column": "caption", "note": None}, entry]}) == "hrviton"
    assert command.plain_recipe({"provenance": [{"column": "agnostic_mask", "note": None}]}) == "agnostic_mask"
    assert command.plain_recipe({"provenance": None}) == "agnostic_mask"


def test_a_record_becomes_a_picture_and_a_page(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--shards", str(shards), "--output", str(tmp_path / "out")]) == 0
    first = told(capsys)
    assert first["results"] == 0 and first["masks"] == 2
    with Image.open(tmp_path / "out/gallery.png") as picture:
        assert picture.width == gallery.WIDTH
    assert "They are generated" not in (tmp_path / "out/index.html").read_text()
    before = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    assert command.main(["--shards", str(shards), "--output", str(tmp_path / "out")]) == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())] == before


def test_results_are_the_records_own_and_say_whose_they_are(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main(["--shards", str(shards), "--output", str(tmp_path / "out")])
    record_id = told(capsys)["record"]
    made = samples(tmp_path / "samples", "other", f"{record_id}+x", Networks="tiny random networks")
    Image.new("RGB", (4, 4)).save(made / "photo.png")  # nobody says that a model made it
    (made / "broken.png").write_bytes(b"no picture")
    (tile,) = command._results(made, record_id)
    assert tile.picture[0, 0, 0] == 1 and tile.note == "tiny random networks of toy"
    assert len(command._results(made, "unknown")) == 2
    command.main(["--shards", str(shards), "--output", str(tmp_path / "out"), "--samples", str(made)])
    assert told(capsys)["results"] == 1
    assert "results of tiny random networks of toy" in (tmp_path / "out/index.html").read_text()


def test_wrong_usage(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    output = ["--output", str(tmp_path / "out")]
    for words, message in (
        (["--shards", str(shards), "--record", "nobody"], "has no record 'nobody'; it has "),
        (["--shards", str(tmp_path / "nowhere")], "nowhere"),
        (["--shards", str(shards), "--samples", str(tmp_path / "nowhere")], "--samples .*: there is no such folder"),
        (["--shards", str(shards), "--report", str(tmp_path)], "--report .*: there is no such file"),
        (["--shards", str(shards), "--samples", str(tmp_path / "empty")], "holds no results"),
    ):
        with pytest.raises(UsageError, match=message):
            command.main([*words, *output])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", browser.SIZES)
def test_in_a_browser(shards: Path, tmp_path: Path, size: str) -> None:
    made = samples(tmp_path / "samples", "a", Networks=HOSTILE)
    (made / "samples.html").write_text("<!doctype html><title>samples</title>")
    words = ["--shards", str(shards), "--samples", str(made), "--output", str(tmp_path / "out")]
    assert command.main(words) == 0
    with browser.started() as chromium, browser.opened(chromium, tmp_path / "out/index.html", size) as opened:
        assert opened.page.title() != "hit" and opened.page.locator("a[href$='samples.html']").count() == 1
        assert not opened.complaints and not opened.sideways() and not opened.outside() and not opened.violations()
