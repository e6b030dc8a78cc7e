"""What lies in a package, found by name without importing it: annotators, commands, layouts, engines, a file each."""

import importlib.util
import pkgutil


def modules_of(package: str) -> tuple[str, ...]:
    """Sorted names of the files directly in a package; what begins with an underscore is no part of its list."""
    spec = importlib.util.find_spec(package)
    found = pkgutil.iter_modules(spec.submodule_search_locations if spec else ())
    return tuple(sorted(item.name for item in found if not item.ispkg and not item.name.startswith("_")))
