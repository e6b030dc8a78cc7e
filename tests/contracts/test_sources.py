"""What every source promises, over `sources.names()`."""

import os
import shutil
from pathlib import Path

import pytest
from helpers import Dataset

from annotators.common.flags import UsageError
from pipelines import sources
from pipelines.storage import open_folder
from schemas import record
from schemas.labels import Category

LAYOUTS = [name for name in sources.names() if hasattr(sources.load(name), "listing")]


@pytest.mark.parametrize("name", LAYOUTS)
def test_declarations(name: str) -> None:
    module = sources.load(name)
    assert isinstance(module.DATASET, str) and isinstance(module.EXPECTED, str)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_says_what_was_expected(name: str, tmp_path: Path) -> None:
    module = sources.load(name)
    with pytest.raises(UsageError, match="found nothing") as caught:
        module.listing(open_folder(str(tmp_path)), "all", "unpaired")
    assert module.EXPECTED in str(caught.value)


def test_vitonhd_lists_known_columns_and_existing_files(dataset: Dataset) -> None:
    root = open_folder(str(dataset.root))
    found = sources.load("vitonhd").listing(root, "all", "unpaired")
    assert len({item.record_id for item in found.records}) == len(found.records) == 6
    for item in found.records:
        assert set(item.references) <= set(record.TRYON) and {"person_image", "garment_image"} <= set(item.references)
        assert item.values["category"] in list(Category)
        for path in item.references.values():
            assert found.files[path].size == (dataset.root / path).stat().st_size


def test_sources_list_the_same_everywhere(dataset: Dataset, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(dataset.root, twin)
    lists = [
        sources.load("vitonhd").listing(open_folder(str(p)), "all", "paired").records for p in (dataset.root, twin)
    ]
    assert lists[0] == lists[1]


OLD_NAMES = {
    "image-parse-v3": "image-parse",
    "openpose_json": "openpose-json",
    "image-densepose": "densepose",
    "cloth-mask": "cloth_mask",
}


def test_older_folder_names_are_known(dataset: Dataset) -> None:
    before = sources.load("vitonhd").listing(open_folder(str(dataset.root)), "all", "unpaired").records
    for new, old in OLD_NAMES.items():
        (dataset.root / "test" / new).rename(dataset.root / "test" / old)
    after = sources.load("vitonhd").listing(open_folder(str(dataset.root)), "all", "unpaired").records
    assert [set(item.references) for item in after] == [set(item.references) for item in before]


def test_train_takes_the_persons_own_garment(dataset: Dataset) -> None:
    for seed, name in enumerate(("a", "b")):
        dataset.add(name, seed, split="train")
    dataset.pairs("a.jpg b.jpg", "b.jpg a.jpg", "a.jpg a.jpg", split="train")
    found = sources.load("vitonhd").listing(open_folder(str(dataset.root)), "train", "unpaired")
    assert [(i.values["person_id"], i.values["garment_id"], i.values["paired"]) for i in found.records] == [
        ("a", "a", True),
        ("b", "b", True),
    ]
    assert found.repeated_lines == 1


def test_without_a_list_persons_with_their_own_garment_count(dataset: Dataset) -> None:
    (dataset.root / "test_pairs.txt").unlink()
    (dataset.root / "test/cloth/00003_00.jpg").unlink()
    found = sources.load("vitonhd").listing(open_folder(str(dataset.root)), "test", "unpaired")
    assert [item.values["person_id"] for item in found.records] == [f"0000{i}_00" for i in (0, 1, 2, 4, 5)]
    assert all(item.values["paired"] for item in found.records)


def test_a_name_that_is_no_unicode_is_refused(dataset: Dataset) -> None:
    (dataset.root / "test_pairs.txt").unlink()
    for folder in ("image", "cloth"):
        path = dataset.root / "test" / folder / "00000_00.jpg"
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/\xff.jpg"))
    found = sources.load("vitonhd").listing(open_folder(str(dataset.root)), "test", "unpaired")
    assert len(found.records) == 5 and [item.error for item in found.refused] == ["unreadable_name"]


def test_names_that_differ_only_in_their_ending_do_not_collide(dataset: Dataset) -> None:
    dataset.put("test/image/00000_00.png", (dataset.root / "test/image/00000_00.jpg").read_bytes())
    dataset.pairs("00000_00.jpg 00001_00.jpg", "00000_00.png 00001_00.jpg")
    found = sources.load("vitonhd").listing(open_folder(str(dataset.root)), "test", "unpaired")
    assert len(found.records) == 1 and [item.error for item in found.refused] == ["repeated_id"]


def test_tags_give_category_and_values(data: Path) -> None:
    root = open_folder(str(data / "vitonhd_mini"))
    found = sources.load("vitonhd").listing(root, "all", "unpaired")
    tagged = [item for item in found.records if item.values.get("tags")]
    assert tagged and all(tag.keys() == {"name", "value"} for item in tagged for tag in item.values["tags"])
    assert tagged[0].values["tags"][0]["name"] == "item"
