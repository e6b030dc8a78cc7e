"""The diamond: schemas at the bottom, annotators on it, pipelines and vton_models side by side; Beam in one place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"schemas", "annotators", "pipelines", "vton_models"}
ALLOWED = {
    "schemas": set(),
    "annotators": {"schemas"},
    "pipelines": {"schemas", "annotators"},
    "vton_models": {"schemas", "annotators"},
}
HEAVY = (
    "torch",
    "transformers",
    "mediapipe",
    "detectron2",
    "onnxruntime",
    "apache_beam",
    "datasets",
    "diffusers",
    "accelerate",
)


def imports(path: Path) -> Iterator[str]:
    """Top-level names that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(OURS))
def test_packages_import_only_what_lies_below(package: str) -> None:
    for path in files(package):
        wrong = set(imports(path)) & (OURS - {package} - ALLOWED[package])
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_pipelines_imports_beam() -> None:
    importers = {p.relative_to(ROOT).parts[0] for name in OURS for p in files(name) if "apache_beam" in imports(p)}
    assert importers == {"pipelines"}


def test_schemas_needs_numpy_arrow_and_pillow_only() -> None:
    used = {name for path in files("schemas") for name in imports(path)}
    assert used - set(sys.stdlib_module_names) <= {"schemas", "numpy", "pyarrow", "PIL"}


def test_functional_is_pure_array_code() -> None:
    for path in sorted((ROOT / "annotators/functional").rglob("*.py")):
        outside = set(imports(path)) - set(sys.stdlib_module_names)
        assert outside <= {"annotators", "schemas", "numpy", "cv2", "PIL"}, path
        assert not set(imports(path)) & {"io", "os", "pathlib", "random"}, path


def test_importing_everything_light_stays_light() -> None:
    code = (
        "import sys, annotators, vton_models, schemas.shards, schemas.record\n"
        "[annotators.load(name) for name in annotators.names()]\n"
        "[vton_models.load(name) for name in vton_models.names()]\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_no_file_is_without_its_docstring() -> None:
    for package in sorted(OURS):
        for path in files(package):
            assert ast.get_docstring(ast.parse(path.read_text())), path
