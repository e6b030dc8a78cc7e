"""The notebook of the documentation holds its results, and gives them again."""

import ast
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.fenced import ROOT

nbformat = pytest.importorskip("nbformat", reason="needs the extra [dev]")
NOTEBOOK = ROOT / "docs/records.ipynb"


def results(notebook: "nbformat.NotebookNode") -> list[list[str]]:
    """The pages of each code cell."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[output.data["text/html"] for output in cell.outputs if "data" in output] for cell in cells]


def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "docs/site/run_notebook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_holds_the_pictures_that_it_shows() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    pages = [page for cell in results(notebook) for page in cell]
    assert len(pages) == 3 and all(page.count("data:image/jpeg;base64,") >= 3 for page in pages)
    assert not any(word in page for page in pages for word in ("http:", "https:", "<script", str(Path.home())))
    assert NOTEBOOK.stat().st_size < 300_000
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith("!"):
            ast.parse(cell.source)


@pytest.mark.long
def test_it_gives_them_again(tmp_path: Path, drawn_sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient", reason="needs the extra [dev]")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(drawn_sample / "cache"))
    stored = nbformat.read(NOTEBOOK, 4)
    again = runner().run(nbformat.read(NOTEBOOK, 4), str(tmp_path))
    assert [list(map(_without_pixels, cell)) for cell in results(again)] == [
        list(map(_without_pixels, cell)) for cell in results(stored)
    ]


def _without_pixels(page: str) -> str:
    """Another build of libjpeg writes other bytes."""
    return re.sub(r"base64,[^\"]+", "", page)
