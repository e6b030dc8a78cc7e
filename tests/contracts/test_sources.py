"""What every source promises, over `sources.names()`."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import layouts, layouts_tables
from support.helpers import Dataset

from pipelines import sources
from pipelines.building.columns import columns_of
from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.folders import open_folder
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


def small_vitonhd(folder: Path) -> None:
    made = Dataset(folder)
    for split in ("test", "train"):
        for seed, name in enumerate(("a", "b", "c")):
            made.add(name, seed, split=split)
        made.pairs("a.jpg b.jpg", "b.jpg c.jpg", "c.jpg a.jpg", split=split)


# Source → what writes its layout, annotations and all, into a folder, and returns what else `listing` takes.
LISTED: dict[str, Callable[[Path], dict[str, Any] | None]] = {
    "vitonhd": small_vitonhd,
    "dresscode": layouts.render_dresscode,
}
RENDERED = {**LISTED, **layouts_tables.LAYOUTS}


@pytest.mark.parametrize("name", RENDERED)
def test_a_listing_names_known_columns_and_existing_files_and_is_the_same_everywhere(name: str, tmp_path: Path) -> None:
    module = sources.load(name)
    options = RENDERED[name](tmp_path / "one") or {}
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found, again = (
        module.listing(open_folder(str(tmp_path / twin)), "all", "unpaired", **options) for twin in ("one", "two")
    )
    assert found.records == again.records and found.refused == again.refused
    assert found.records and len({item.record_id for item in found.records}) == len(found.records)
    for item in found.records:
        assert {"person_image", "garment_image"} <= set(item.references)
        assert {column for name in item.references for column in columns_of(name)} <= set(kinds.TRYON.fields)
        assert set(item.values) - {"notes"} <= set(kinds.TRYON.fields) and {"person_id", "garment_id", "paired"} <= set(
            item.values
        )
        assert item.values.get("category") in [None, *Category]
        assert item.record_id.startswith(f"{module.DATASET}/{item.split}/")
        for path in item.references.values():
            assert found.files[path].size == (tmp_path / "one" / path).stat().st_size


@pytest.mark.parametrize("name", LISTED)
def test_lists_name_both_splits_and_a_pair_is_of_one_id(name: str, tmp_path: Path) -> None:
    LISTED[name](tmp_path)
    found = sources.load(name).listing(open_folder(str(tmp_path)), "all", "unpaired")
    assert not found.refused and {item.split for item in found.records} == {"test", "train"}
    for item in found.records:
        assert item.values["category"] in list(Category)
        assert item.values["paired"] == (item.values["person_id"] == item.values["garment_id"])


@pytest.mark.parametrize("name", LISTED)
def test_pairing_chooses_the_test_garment(name: str, tmp_path: Path) -> None:
    LISTED[name](tmp_path)
    root = open_folder(str(tmp_path))
    for pairing, paired in (("unpaired", {False}), ("paired", {True})):
        found = sources.load(name).listing(root, "test", pairing)
        assert {item.values["paired"] for item in found.records} == paired
    train = sources.load(name).listing(root, "train", "unpaired")
    assert {item.values["paired"] for item in train.records} == {True}


@pytest.mark.parametrize("name", LISTED)
def test_only_the_filtered_lists_of_a_pair_list_count(name: str, tmp_path: Path) -> None:
    LISTED[name](tmp_path)
    root = open_folder(str(tmp_path))
    for path in [*tmp_path.glob("test_pairs*.txt"), *tmp_path.glob("*/test_pairs*.txt")]:
        first = path.read_text().splitlines()[0]
        path.with_name(f"{path.stem}_1018.txt").write_text(f"{first}\n")
    module = sources.load(name)
    everything = module.listing(root, "test", "unpaired").records
    filtered = module.listing(root, "all", "unpaired", pair_list="1018").records
    assert 0 < len(filtered) < len(everything) and {item.split for item in filtered} == {"test"}
    for split, suffix in (("train", "1018"), ("all", "1008"), ("all", "../1018")):
        with pytest.raises(UsageError, match=r"--pair-list .*; pair lists there: .*test_pairs.*_1018\.txt"):
            module.listing(root, split, "unpaired", pair_list=suffix)


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
    assert [(item.error, item.source) for item in found.refused] == [("no_garment", "00003_00.jpg")]


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


def test_warped_garments_belong_to_their_pair(dataset: Dataset) -> None:
    folders = ("cloth-warp", "cloth-warp-mask", "unpaired-cloth-warp", "unpaired-cloth-warp-mask")
    for folder in (*folders, "gt_cloth_warped_mask", "cloth_mask-bytedance"):
        dataset.put(f"test/{folder}/00001_00.jpg", b"x")
    shutil.rmtree(dataset.root / "test/cloth-mask")
    root = open_folder(str(dataset.root))
    for pairing, prefix in (("unpaired", "unpaired-"), ("paired", "")):
        found = sources.load("vitonhd").listing(root, "test", pairing).records
        (person,) = (item for item in found if item.values["person_id"] == "00001_00")
        assert person.references["warped_garment_image"] == f"test/{prefix}cloth-warp/00001_00.jpg"
        assert person.references["warped_garment_mask"] == f"test/{prefix}cloth-warp-mask/00001_00.jpg"
        assert person.references["worn_garment_mask"] == "test/gt_cloth_warped_mask/00001_00.jpg"
        (garment,) = (item for item in found if item.values["garment_id"] == "00001_00")
        assert garment.references["garment_mask"] == "test/cloth_mask-bytedance/00001_00.jpg"


def test_the_parse_folder_may_hold_another_label_space(dataset: Dataset) -> None:
    root = open_folder(str(dataset.root))
    for space, column in (("cihp", "parse"), ("atr", "parse_atr"), ("lip", "parse_lip")):
        found = sources.load("vitonhd").listing(root, "all", "unpaired", parse_space=space).records
        assert all(column in item.references for item in found)
        assert not {"parse", "parse_atr", "parse_lip"} & set(found[0].references) - {column}
