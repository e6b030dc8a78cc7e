"""What is made once per session, by whichever of several test processes needs it first."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from pipelines.sources import sample
from schemas.labels import Category


def once(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """FOLDER/NAME, filled by the first process that asks for it while the others wait."""
    target, partial = folder / name, folder / f"{name}.partial"
    with FileLock(folder / f"{name}.lock"):
        if not target.exists():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(target)
    return target


def draw_sample(folder: Path) -> None:
    """Renders the embedded sample into FOLDER/cache, as $XDG_CACHE_HOME holds it, and its truth into FOLDER/truth."""
    root = folder / f"cache/vton-pipelines/sample-{sample.VERSION}"
    root.mkdir(parents=True)
    drawn = sample._drawn

    def kept() -> Iterator[tuple[str, sample.Truth]]:
        for person_id, truth in drawn():
            _save(folder / "truth" / person_id, truth)
            yield person_id, truth

    started = time.process_time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "_drawn", kept)
        sample.render(root)
    (folder / "seconds").write_text(str(time.process_time() - started))


def read_truth(folder: Path) -> dict[str, sample.Truth]:
    """What `draw_sample` drew, equal to `sample.truth()`; arrays are mapped from their files."""
    return {path.name: _load(path) for path in sorted((folder / "truth").iterdir())}


def _save(folder: Path, truth: sample.Truth) -> None:
    folder.mkdir(parents=True)
    words = {name: value for name, value in vars(truth).items() if not isinstance(value, np.ndarray)}
    (folder / "words.json").write_text(json.dumps(words))
    for name in vars(truth).keys() - words.keys():
        np.save(folder / f"{name}.npy", getattr(truth, name))


def _load(folder: Path) -> sample.Truth:
    values = json.loads((folder / "words.json").read_text())
    values["category"] = Category(values["category"])
    names = {item.name for item in fields(sample.Truth)} - values.keys()
    arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in names}
    return sample.Truth(**values, **arrays)
