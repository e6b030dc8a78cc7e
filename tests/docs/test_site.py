"""The documentation is built strictly: every link and anchor leads somewhere, and nothing is loaded from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.fenced import PAGES, ROOT

PICTURES = ROOT / "docs/pictures"
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Scripts, pictures, frames and style sheets of other places; links that a reader may follow are none of these.
LOADED = re.compile(
    r"<(?:script|img|iframe|link[^>]*rel=\"?(?:stylesheet|preconnect))[^>]*(?:src|href)=\"?(https?:[^\"> ]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="needs the extra [docs]")
    pytest.importorskip("mkdocstrings", reason="needs the extra [docs]")
    folder = tmp_path_factory.mktemp("site")
    words = ["build", "--strict", "--config-file", str(ROOT / "docs/site/mkdocs.yml"), "--site-dir", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", *words],
        cwd=folder,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_and_anchor_that_is_linked_is_there(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        folder = "" if page.stem == "index" else page.stem
        assert (site / folder / "index.html").is_file(), page


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = LOADED.findall(page.read_text())
        assert not loaded, page


def test_the_reference_describes_the_public_interface(site: Path) -> None:
    reference = (site / "reference/index.html").read_text()
    names = ("annotators.annotate", "vton_models.reading.dataset.ShardDataset", "pipelines.runners.Engine")
    for name in (*names, "vton_models.system.Config", "schemas.record.schema", "schemas.kinds.of"):
        assert f'id="{name}' in reference, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_of_the_repository(page: Path) -> None:
    """As GitHub shows the pages; the site is checked by its own build."""
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() and ROOT in target.parents, link
        assert not anchor or anchor in _anchors(target), link


def test_pictures_are_small() -> None:
    for picture in PICTURES.iterdir():
        assert picture.stat().st_size < 300_000, picture.name


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
