"""DeepFashion In-shop: which photos make a pair, in both namings, and what the partition list decides."""

from pathlib import Path

import pytest
from support import layouts_tables
from support.layouts_tables import put

from pipelines.sources import Listing
from pipelines.sources.tryon import deepfashion
from schemas.cli.flags import UsageError
from schemas.folders import open_folder

DRESS = "WOMEN-Dresses-id_00000002"
ONE = [
    (f"{DRESS}-02_1_front", f"{DRESS}-02_4_full", "train", "dresses"),
    (f"{DRESS}-03_1_front", f"{DRESS}-03_2_side", "train", "dresses"),
    ("MEN-Denim-id_00000080-01_4_full", "MEN-Denim-id_00000080-01_2_side", "test", "lower_body"),
    ("WOMEN-Hats-id_00000090-01_1_front", "WOMEN-Hats-id_00000090-01_4_full", "test", None),
]


def listing(root: Path, split: str = "all", **options: str) -> Listing:
    return deepfashion.listing(open_folder(str(root)), split, "unpaired", **options)


def pairs(found: Listing) -> list[tuple[str, str, str, str | None]]:
    return [
        (item.values["person_id"], item.values["garment_id"], item.split, item.values["category"])
        for item in found.records
    ]


def test_one_pair_per_item_and_colour(tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path)
    found = listing(tmp_path)
    assert sorted(pairs(found)) == sorted(ONE) and not found.refused
    for item in found.records:
        assert item.values["paired"] is True and item.values["garment_view"] == "worn"
        assert item.record_id == f"deepfashion/{item.split}/{item.values['person_id']}+{item.values['garment_id']}"
        assert item.values["garment_type"] in item.references["person_image"]
    assert pairs(listing(tmp_path, "test")) == [pair for pair in pairs(found) if pair[2] == "test"]


def test_all_pairs_are_the_ordered_pairs_of_the_views_that_show_a_garment(tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path)
    found = pairs(listing(tmp_path, pairs="all"))
    views = {(a.rsplit("_", 1)[1], b.rsplit("_", 1)[1]) for a, b, *_ in found if a.startswith(f"{DRESS}-02")}
    assert views == {(a, b) for a in ("front", "full", "side") for b in ("front", "full", "side") if a != b}
    assert len(found) == 6 + 2 + 2 + 2 and set(ONE) <= set(found)


def test_without_the_partition_all_is_train_and_flat_names_are_the_same_dataset(tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path / "flat", flat=True)
    layouts_tables.deepfashion(tmp_path / "bare", flat=True, partition=False)
    assert sorted(pairs(listing(tmp_path / "flat"))) == sorted(ONE)
    assert {pair[2] for pair in pairs(listing(tmp_path / "bare"))} == {"train"}
    with pytest.raises(UsageError, match="'test' not found"):
        listing(tmp_path / "bare", "test")


@pytest.mark.parametrize("folder", ["Img/img", "img_highres", "Img", ""])
def test_folders_in_circulation(tmp_path: Path, folder: str) -> None:
    layouts_tables.deepfashion(tmp_path)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for gender in ("MEN", "WOMEN"):
        (tmp_path / "img" / gender).rename(tmp_path / folder / gender)
    assert sorted(pairs(listing(tmp_path))) == sorted(ONE)


def test_what_the_partition_does_not_say_is_refused(tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path)
    path = tmp_path / "Eval/list_eval_partition.txt"
    kept = [line for line in path.read_text().splitlines() if "Hats" not in line]
    path.write_text("\n".join([*kept, "img/a.jpg id train", "../WOMEN/a/b/c.jpg id train", "img/W/a/b/c.jpg id no"]))
    found = listing(tmp_path)
    assert sorted(pairs(found)) == sorted(ONE[:3])
    assert sorted(item.error for item in found.refused) == [
        *("malformed_line", "malformed_line", "outside_root", "unlisted"),
    ]


def test_a_name_that_says_nothing_is_refused_and_other_files_are_none(tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path)
    folder = "img/WOMEN/Dresses/id_00000002"
    for name in ("cover.jpg", "02_front.jpg", "Thumbs.db", "._02_1_front.jpg"):
        put(tmp_path, f"{folder}/{name}", b"")
    found = listing(tmp_path)
    assert sorted(item.source for item in found.refused) == [f"{folder}/02_front.jpg", f"{folder}/cover.jpg"]
    assert {item.error for item in found.refused} == {"unusable_name"} and len(found.records) == len(ONE)


def test_links_out_are_refused(tmp_path: Path) -> None:
    layouts_tables.deepfashion(tmp_path / "outside")
    layouts_tables.deepfashion(tmp_path / "root")
    hats = tmp_path / "root/img/WOMEN/Hats/id_00000090"
    for photo in hats.iterdir():
        photo.unlink()
    hats.rmdir()
    hats.symlink_to(tmp_path / "outside/img/WOMEN/Hats/id_00000090")
    found = listing(tmp_path / "root")
    assert [item.error for item in found.refused] == ["outside_root"] and len(found.records) == 3


def test_no_pair_at_all(tmp_path: Path) -> None:
    put(tmp_path, "img/MEN/Pants/id_00000001/01_1_front.jpg", b"")
    with pytest.raises(UsageError, match="no item has two photos"):
        listing(tmp_path)


def test_every_official_word_is_known_to_cover_something() -> None:
    assert len(deepfashion.CATEGORIES) == 17
