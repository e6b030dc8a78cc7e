"""The report in a real browser, where one is installed: it needs nothing from outside and its pictures show."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.helpers import Dataset, Result

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
QUIET += ("--disable-background-networking", "--disable-component-update", "--hide-scrollbars")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_page_shows_pictures_and_asks_for_nothing(
    command: Callable[..., Result], dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command("pipelines.build_vitonhd", "--input", dataset.root, "--output", out)
    page = Path(command("pipelines.report", out).stdout.strip())
    text = page.read_text()
    assert "http://" not in text and "https://" not in text and "src=x" not in text
    picture = tmp_path / "page.png"
    browser = [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1200,2400"]
    subprocess.run([*browser, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True, timeout=120)
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500, "thumbnails are drawn, not broken"
    dom = subprocess.run(
        [*browser, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    assert dom.stdout.count("<figure>") == text.count("<figure>") > 20
