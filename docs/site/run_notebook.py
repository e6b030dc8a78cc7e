"""Runs docs/records.ipynb anew and keeps its results in it: `python docs/site/run_notebook.py`."""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "records.ipynb"


def run(notebook: nbformat.NotebookNode, folder: str) -> nbformat.NotebookNode:
    """The notebook with the results of its cells, run in a folder; messages of progress and times are left out."""
    done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    for cell in done.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream"]
            for output in cell.outputs:
                output.get("data", {}).pop("text/plain", None)
    done.metadata.pop("language_info", None)
    return done


def main() -> int:
    os.environ["PYTHONPATH"] = str(NOTEBOOK.parents[1])
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # that of `!python`
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(run(nbformat.read(NOTEBOOK, 4), folder), NOTEBOOK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
