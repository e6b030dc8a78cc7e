"""What workers need of this project as one zip, for engines whose workers don't have it, or another version of it."""

import zipfile
from pathlib import Path

import schemas

PACKAGES = ("schemas", "annotators", "pipelines")  # what a unit runs through; libraries are the worker's own
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold: equal files give equal bytes


def package(folder: Path) -> Path:
    """A zip in `folder` that Python imports from; where this process itself runs from one, that."""
    root = Path(schemas.__file__).parents[1]
    if root.is_file():
        return root
    target = folder / "vton_pipelines.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for name in PACKAGES for path in (root / name).rglob("*") if _is_source(path)):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), _EPOCH)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
