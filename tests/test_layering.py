"""Who may import whom: packages form a diamond, rooms inside a package too, and no two modules need each other."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "schemas": set(),
    "annotators": {"schemas"},
    "pipelines": {"schemas", "annotators"},
    "vton_models": {"schemas", "annotators"},
}
OURS = set(ALLOWED)
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
    "jinja2",
    "huggingface_hub",
)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for package in sorted(OURS) for path in files(package)}


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports anywhere, in functions too; what only type checkers see is left out."""
    tree = ast.parse(path.read_text())
    unseen = {id(node) for block in ast.walk(tree) if _for_types(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def packages_of(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@cache
def needs() -> dict[str, set[str]]:
    """Module → modules of ours that it imports; `from room import module` counts as the module."""
    known = modules()
    found = {}
    for name, path in known.items():
        wanted = set()
        for word in imports(path):
            while word and word not in known:
                word = word.rpartition(".")[0]
            wanted.add(word)
        found[name] = wanted - {"", name}
    return found


def room_of(module: str) -> str:
    """The sub-package that a module lies in; a file directly in a package is a room of its own."""
    return ".".join(module.split(".")[:2])


def circles(arrows: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Groups of nodes that reach each other."""
    reach: dict[str, set[str]] = {}
    for start in arrows:
        seen, pending = set(), list(arrows[start])
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending += arrows.get(node, ())
        reach[start] = seen
    groups = [{node} | {other for other in reach[node] if node in reach.get(other, ())} for node in arrows]
    return [set(group) for group in {frozenset(group) for group in groups if len(group) > 1}]


@pytest.mark.parametrize("package", sorted(OURS))
def test_packages_import_only_what_lies_below(package: str) -> None:
    for path in files(package):
        wrong = packages_of(path) & (OURS - {package} - ALLOWED[package])
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("package", sorted(OURS))
def test_rooms_of_a_package_form_a_diamond(package: str) -> None:
    """No room needs, over whatever others, itself."""
    arrows: dict[str, set[str]] = {}
    for module, wanted in needs().items():
        if module.startswith(package):
            inside = {room_of(other) for other in wanted if other.startswith(package)}
            arrows.setdefault(room_of(module), set()).update(inside - {room_of(module)})
    assert circles(arrows) == []


def test_no_two_modules_need_each_other() -> None:
    """Over any number of steps; lazy imports count too."""
    assert circles(needs()) == []


def _words(path: Path) -> Iterator[str]:
    """The texts in a file's code, docstrings left out."""
    tree = ast.parse(path.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def test_shared_rooms_know_no_system() -> None:
    """None is imported where systems meet, nor named in code; commands name one in their examples."""
    import vton_models

    systems = vton_models.names()
    for module, path in modules().items():
        room = module.split(".")[1:2]
        if not module.startswith("vton_models") or room in [[name] for name in systems]:
            continue
        mine = {needed for needed in needs()[module] if needed.split(".")[1:2] in [[name] for name in systems]}
        assert not mine, f"{module} imports {mine}"
        if room not in (["commands"], ["__main__"]):
            named = [word for word in _words(path) if any(name in word.lower().replace("-", "_") for name in systems)]
            assert not named, f"{module} names a system: {named}"


def test_only_pipelines_imports_beam() -> None:
    importers = {p.relative_to(ROOT).parts[0] for name in OURS for p in files(name) if "apache_beam" in packages_of(p)}
    assert importers == {"pipelines"}


def test_schemas_needs_arrays_arrow_pictures_and_stores_only() -> None:
    """Pages, which no other room needs, are rendered by jinja2; huggingface_hub sends what is shared."""
    for path in files("schemas"):
        allowed = {"schemas", "numpy", "pyarrow", "PIL", "fsspec"} | ({"jinja2"} if "pages" in path.parts else set())
        allowed |= {"huggingface_hub"} if "hub" in path.parts else set()
        assert packages_of(path) - set(sys.stdlib_module_names) <= allowed, path
    below = {name for name, needed in needs().items() if any(word.startswith("schemas.pages") for word in needed)}
    assert not [name for name in below if name.startswith("schemas.") and room_of(name) != "schemas.pages"]


def test_command_lines_need_the_standard_library_only() -> None:
    used = {name for path in files("schemas/cli") for name in imports(path)}
    outside = {name for name in used if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in outside if not name.startswith("schemas.cli")} == set()


def test_functional_is_pure_array_code() -> None:
    for path in sorted((ROOT / "annotators/functional").rglob("*.py")):
        outside = packages_of(path) - set(sys.stdlib_module_names)
        assert outside <= {"annotators", "schemas", "numpy", "cv2", "PIL"}, path
        assert not packages_of(path) & {"io", "os", "pathlib", "random"}, path


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
