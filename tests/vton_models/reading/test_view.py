"""Which column a system's mask comes from, and under which names it sees the others."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from support import small_shards

from schemas import codecs, fields
from vton_models.reading.catalogue import Catalogue, catalogue
from vton_models.reading.view import MASK, view
from vton_models.system import Reads

OWN = "agnostic_mask_catvton"
READS = Reads(("person_image", MASK), ("category", "densepose"), mask_recipe="catvton")


def found(folder: Path, having: set[int], without: tuple[int, ...] = ()) -> Catalogue:
    """Four records: `having` the recipe's own mask, `without` any plain one."""

    def change(number: int, row: dict[str, Any]) -> None:
        cell = {"bytes": codecs.encode_mask(codecs.decode_mask(row[MASK]["bytes"])), "path": "own.png"}
        row[OWN] = cell if number in having else None
        row[MASK] = None if number in without else row[MASK]

    small_shards.write(folder, 4, change, [fields.mask(OWN)] if having else [])
    return catalogue([str(folder)], None, None, None)


@pytest.mark.parametrize(
    ("having", "masks", "told"),
    [
        (set(), (MASK,), f"{MASK} is read: the shards have no {OWN}, whose recipe the system was made with"),
        ({1, 2}, (OWN, MASK), f"{OWN} is read, where a record lacks it {MASK}"),
        ({0, 1, 2, 3}, (OWN,), f"{OWN} is read"),
    ],
)
def test_the_recipes_own_mask_counts_before_the_plain_one(
    tmp_path: Path, having: set[int], masks: tuple[str, ...], told: str
) -> None:
    seen = view(READS, found(tmp_path / "shards", having))
    assert (seen.masks, seen.told) == (masks, told)
    assert seen.columns == ("person_image", *masks, "category"), "what no shard has and isn't needed is left out"
    assert seen.described == ({} if masks == (MASK,) else {"masks": list(masks)})
    assert pickle.loads(pickle.dumps(seen)) == seen


def test_a_record_gives_the_first_mask_that_it_has(tmp_path: Path) -> None:
    seen = view(READS, found(tmp_path / "shards", {1, 2}, without=(2, 3)))
    assert seen({"person_image": 1, OWN: 2, MASK: 3})[MASK] == 2
    assert seen({"person_image": 1, OWN: None, MASK: 3})[MASK] == 3
    assert seen({"person_image": 1, OWN: None, MASK: None})[MASK] is None


def test_a_record_lacks_its_mask_only_without_both(tmp_path: Path) -> None:
    shards = found(tmp_path / "shards", {1, 2}, without=(2, 3))
    assert view(READS, shards).incomplete(shards) == {"small/train/00003"}
    assert view(READS, shards).lacking(["person_image", OWN]) == []
    assert view(READS, shards).lacking([MASK]) == ["person_image"]


def test_a_record_without_the_only_mask_there_is_lacks_it(tmp_path: Path) -> None:
    shards = found(tmp_path / "shards", set(), without=(2, 3))
    assert view(READS, shards).incomplete(shards) == {"small/train/00002", "small/train/00003"}


def test_without_a_recipe_or_a_mask_nothing_is_told(tmp_path: Path) -> None:
    shards = found(tmp_path / "shards", {1})
    assert view(Reads((MASK,)), shards).masks == (MASK,) and view(Reads((MASK,)), shards).told == ""
    free = view(Reads(("person_image",), mask_recipe="catvton"), shards)
    assert (free.masks, free.told, free.columns) == ((), "", ("person_image",))


def test_other_names_for_columns(tmp_path: Path) -> None:
    reads = Reads(("garment_image", "person_image"), view={"reference": "garment_image", "target": "person_image"})
    seen = view(reads, found(tmp_path / "shards", {1}))
    assert seen.columns == ("garment_image", "person_image")
    record = seen({"garment_image": 1, "person_image": 2})
    assert (record["reference"], record["target"]) == (1, 2)
