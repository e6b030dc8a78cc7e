"""What lies in a package, found by name without importing it: annotators, commands, layouts, engines, a file each."""

import ast
import importlib.util
import pkgutil
from pathlib import Path


def modules_of(package: str) -> tuple[str, ...]:
    """Sorted names of the files directly in a package; what begins with an underscore is no part of its list."""
    return tuple(name for name, is_package in _listed(package) if not is_package)


def packages_of(package: str) -> tuple[str, ...]:
    """Sorted names of the sub-packages directly in a package, those with an underscore in front left out."""
    return tuple(name for name, is_package in _listed(package) if is_package)


def commands_of(package: str) -> dict[str, str]:
    """The modules of a package, each with the first line of its docstring, which is read without importing it."""
    found = {}
    for name in modules_of(package):
        spec = importlib.util.find_spec(f"{package}.{name}")
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        found[name] = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    return found


def _listed(package: str) -> list[tuple[str, bool]]:
    spec = importlib.util.find_spec(package)
    modules = pkgutil.iter_modules(spec.submodule_search_locations if spec else ())
    return sorted((item.name, item.ispkg) for item in modules if not item.name.startswith("_"))
