"""Kinds of builds: each is one file, which `finish` finds by the name in `_run.json`."""

import json
from pathlib import Path

import pytest
from support.helpers import Dataset

from pipelines import build_vitonhd, finish
from pipelines.building import builds
from schemas.cli.flags import UsageError
from schemas.cli.modules import modules_of

TOY = """
from pipelines.building.builds import dataset
from pipelines.building.builds.dataset import restore

def types(configured):
    return {**dataset.types(configured), "toy": "int8"}

def told(run):
    return {"toys": run["repeated_lines"]}
"""


@pytest.mark.parametrize("name", modules_of("pipelines.building.builds"))
def test_every_kind_restores_types_and_tells(name: str) -> None:
    build = builds.of_run({"build": name})
    assert all(callable(getattr(build, part)) for part in ("restore", "types", "told"))


@pytest.fixture
def built(dataset: Dataset, tmp_path: Path) -> Path:
    assert build_vitonhd.main(["--input", str(dataset.root), "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_a_further_kind_is_one_file(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds/toy.py").write_text(TOY)
    assert builds.__spec__ is not None
    places = [*builds.__path__, str(tmp_path / "kinds")]
    monkeypatch.setattr(builds.__spec__, "submodule_search_locations", places)
    monkeypatch.setattr(builds, "__path__", places)
    run = json.loads((built / "_run.json").read_text())
    (built / "_run.json").write_text(json.dumps(run | {"build": "toy"}))
    before = json.loads((built / "manifest.json").read_text())
    assert finish.main([str(built)]) == 0
    after = json.loads((built / "manifest.json").read_text())
    assert after["toys"] == 0 and after["columns"].keys() - before["columns"].keys() == {"toy"}


@pytest.mark.parametrize("change", [{"build": "nosuch"}, {"build": None}, {"build": ["dataset"]}, {"configuration": 3}])
def test_a_run_of_an_unknown_kind_is_named(built: Path, change: dict[str, object]) -> None:
    run = json.loads((built / "_run.json").read_text())
    (built / "_run.json").write_text(json.dumps(run | change))
    with pytest.raises(UsageError, match=r"_run\.json is (of another version|missing or damaged)"):
        finish.main([str(built)])
