"""Every file in a folder that a source reads is used, or named: strangers beside each kind of file, in every layout."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import layouts_tables
from support.helpers import Dataset
from support.layouts import render_dresscode
from support.layouts_tables import put, table_bytes, table_rows

from pipelines import sources
from pipelines.sources import Listing
from pipelines.sources.tryon.table import Table
from schemas.folders import open_folder

STRANGERS = ("zzz_alone.png", "zzz_alone.PNG", "notes.txt", "zzz 0 copy.json")


def listed(name: str, root: Path, split: str = "all", **options: Any) -> Listing:
    found: Listing = sources.load(name).listing(open_folder(str(root)), split, "unpaired", **options)
    return found


def dresscode(root: Path) -> dict[str, Any]:
    render_dresscode(root)
    return {}


def table(root: Path) -> dict[str, Any]:
    layouts_tables.table_files(root)
    return {"table": Table("pairs.csv", table_bytes(table_rows(), ".csv"))}


def photos(root: Path) -> dict[str, Any]:
    for folder in ("persons", "garments"):
        put(root, f"{folder}/a.jpg", b"")
    return {}


LAYOUTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "dresscode": dresscode,
    "igpair": layouts_tables.igpair,
    "deepfashion": layouts_tables.deepfashion,
    "table": table,
    "photos": photos,
}


def folders(found: Listing) -> Iterator[str]:
    """Those that hold a file of a record."""
    yield from sorted({path.rpartition("/")[0] for path in found.files} - {""})


def named(found: Listing) -> set[str]:
    """All that is said not to be used, as a path or as a name of a reject."""
    unused = {f"{folder}/{name}" for folder, names in found.unused.items() for name in names}
    return unused | {item.source for item in found.refused} | {item.source.split("/")[-1] for item in found.refused}


@pytest.mark.parametrize("name", LAYOUTS)
def test_strangers_in_every_folder_are_used_or_named(name: str, tmp_path: Path) -> None:
    options = LAYOUTS[name](tmp_path)
    before = listed(name, tmp_path, **options)
    assert before.records
    places = list(folders(before))
    for place in places:
        for stranger in STRANGERS:
            put(tmp_path, f"{place}/{stranger}", b"x")
    after = listed(name, tmp_path, **options)
    assert [item for item in after.records if item in before.records] == before.records
    known = named(after) | set(after.files)
    lost = [f"{place}/{name}" for place in places for name in STRANGERS if not {f"{place}/{name}", name} & known]
    assert not lost
    lines = list(after.told())
    assert len(lines) <= 22 and all(len(line) < 300 for line in lines)


def test_a_split_of_photos_alone_and_a_list_without_photos_are_named(dataset: Dataset) -> None:
    dataset.put("train/image/00001_00.jpg", b"x")
    (said,) = listed("vitonhd", dataset.root).remarks
    assert said.startswith("train/ is left out: ") and said.endswith("has no train/cloth/")
    (dataset.root / "train/image/00001_00.jpg").unlink()
    (dataset.root / "train/image").rmdir()
    dataset.put("train_pairs.txt", b"a.jpg b.jpg\n")
    (said,) = listed("vitonhd", dataset.root).remarks
    assert said.startswith("train_pairs.txt is left out: ")
    assert not listed("vitonhd", dataset.root, "test").remarks, "nobody asked for it"


def test_a_category_without_photos_is_named(tmp_path: Path) -> None:
    render_dresscode(tmp_path)
    (tmp_path / "dresses/images").rename(tmp_path / "dresses/pictures")
    assert "dresses/ is left out: it has no images/" in listed("dresscode", tmp_path).remarks


def test_folders_that_are_not_read_are_named(dataset: Dataset) -> None:
    dataset.put("test/cloth/old/00001_00.jpg", b"x")
    assert listed("vitonhd", dataset.root).unused["test/cloth"] == ["old/"]


def test_lines_that_say_the_same_are_counted_on_the_screen(dataset: Dataset) -> None:
    path = dataset.root / "test_pairs.txt"
    line = path.read_text().splitlines()[0]
    path.write_text(path.read_text() + f"{line}\n{line}\n")
    assert "2 lines say what another said before, and count once" in list(listed("vitonhd", dataset.root).told())
