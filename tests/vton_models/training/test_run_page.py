"""run.html: from the files of a run alone, also of one that has just begun, and inert whatever they say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import browser

from vton_models.networks import sheets
from vton_models.system import About
from vton_models.training import run_page
from vton_models.training.run_folder import Run

HOSTILE = "</script><script>document.title='hit'</script><img src=x onerror=document.title='hit'>"


def described(**changes: Any) -> dict[str, Any]:
    return {
        "model": "toy",
        "config": {"height": 8, "gain": 1.0},
        "preset": "paper",
        "start": {"official": None, "run": None},
        "base": {"path": "random", "digest": "sha256:1"},
        "package": {"name": "vton-pipelines", "version": "0"},
        "data": [{"dataset": "drawn", "weight": None, "manifest_sha256": "ab", "licence": None}],
        "records": {"split": "train", "where": []},
        "training": {"steps": 40, "global_batch_size": 2, "learning_rate": 0.1},
        "made_by": "train",
        **changes,
    }


def entry(step: int, **more: Any) -> dict[str, Any]:
    fixed = {"learning_rate": 0.1, "grad_norm": 1.0, "memory_gib": 0.5}
    return {"step": step, "loss": 1 / step, **fixed, "seconds": step * 0.5, **more}


def run(folder: Path, entries: list[dict[str, Any]], **changes: Any) -> Run:
    made = Run(folder / "run")
    made.path.mkdir(exist_ok=True)
    made.config.write_text(json.dumps(described(**changes)))
    made.log_file.write_text("".join(json.dumps(item) + "\n" for item in entries))
    return made


def sheet(path: Path, value: int) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = np.full((12, 20, 3), value, np.uint8)
    path.write_bytes(sheets.png(sheets.sheet([{"person": picture, "result": picture}])))


@pytest.fixture
def about() -> About:
    import vton_models

    return vton_models.load("catvton").ABOUT


def test_speeds_are_records_over_seconds_of_one_process() -> None:
    entries = [entry(10), entry(20), {"step": 20, "validation_loss": 1.0, "seconds": 11.0}, entry(30, seconds=2.0)]
    assert run_page.speeds([*entries, entry(40, seconds=4.0)], 2) == [(20.0, 4.0), (40.0, 10.0)]


def test_points_leave_out_what_is_no_number() -> None:
    entries = [{"step": 1, "loss": None}, {"step": 2, "loss": True}, {"step": 3, "loss": 0.5}, {"step": 4}]
    assert run_page.points(entries, "loss") == [(3.0, 0.5)]


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path, about: About) -> None:
    text = run_page.page(run(tmp_path, []), about)
    assert "0 of 40" in text and "No pictures yet" in text and about.licence in text


def test_every_part_of_a_run_is_shown(tmp_path: Path, about: About) -> None:
    quarters = {f"validation_loss_q{n}": float(n) for n in range(1, 5)}
    made = run(tmp_path, [entry(10), entry(20), {"step": 20, "validation_loss": 2.5, **quarters, "seconds": 11.0}])
    for step in (10, 20):
        sheet(made.sheet(step), step)
    sheet(made.samples, 99)
    text = run_page.page(made, about)
    for told in ("20 of 40", "2.5", "first quarter: least noise", "step 10", "step 20", "the trained model", "paper"):
        assert told in text
    assert "random weights made these pictures" in text and "validation/step-00000020.png" in text
    assert "random weights made" not in run_page.page(run(tmp_path, [], base={"path": "sd", "digest": "1"}), about)


def test_few_of_many_sheets_are_on_the_page(tmp_path: Path, about: About) -> None:
    made = run(tmp_path, [entry(10)])
    for step in range(1, 41):
        sheet(made.sheet(step), step)
    text = run_page.page(made, about)
    assert text.count('"data:image/jpeg') <= 2 * run_page.SHEETS and "12 of 40; the others lie in validation/" in text
    assert "step 1<" in text and "step 40<" in text


def test_a_sheet_that_cannot_be_read_is_named(tmp_path: Path, about: About) -> None:
    made = run(tmp_path, [entry(10)])
    made.validation.mkdir()
    made.sheet(10).write_bytes(b"no picture")
    assert "can&#39;t be read" in run_page.page(made, about) or "can't be read" in run_page.page(made, about)


@pytest.mark.parametrize("scheme", browser.SCHEMES)
@pytest.mark.parametrize("size", browser.SIZES)
def test_in_a_browser(tmp_path: Path, about: About, size: str, scheme: str) -> None:
    data = [{"dataset": HOSTILE, "weight": None, "manifest_sha256": HOSTILE, "licence": HOSTILE}]
    entries = [entry(n, validation_loss=2 / n) for n in (10, 20, 30)]
    made = run(tmp_path, entries, data=data, preset=HOSTILE, model=HOSTILE)
    sheet(made.sheet(10), 90)
    run_page.write(made, about)
    with browser.started() as chromium, browser.opened(chromium, made.page, size, scheme) as opened:
        assert "hit" not in opened.page.title().replace(HOSTILE, "")
        assert opened.page.locator("svg").count() >= 4
        assert not opened.complaints and not opened.sideways() and not opened.outside() and not opened.violations()


def test_the_sheet_on_the_page_is_the_picture(tmp_path: Path, about: About) -> None:
    made = run(tmp_path, [entry(10)])
    sheet(made.samples, 128)
    figure = run_page._sheet("x", made.samples, made.path)
    with Image.open(made.samples) as image:
        assert (figure.width, figure.height) == image.size
    assert figure.large == "samples.png" and figure.source.startswith("data:image/jpeg;base64,")
