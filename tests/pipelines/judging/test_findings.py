"""Near-duplicates by hash, in blocks or not, and their wording."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import shard_rows

from pipelines.judging import findings, near
from pipelines.judging.uses import Image, Use
from schemas import kinds
from schemas.folders import open_folder


def image(number: int, hash_: str, split: str = "test", identity: str | None = None) -> Image:
    return Image(f"digest{number}", hash_, (Use(f"r{number}", split, identity or f"id{number}"),))


def hexed(bits: int) -> str:
    return f"{bits:064x}"


def of_group(column: str, *images: Image) -> list[dict[str, Any]]:
    return list(findings._of_group(column, list(images)))


def test_near_images_are_grouped_and_the_first_stands_for_them(tmp_path: Path) -> None:
    """By the records' order, whatever that of the digests; a hash that isn't known is near to none."""
    name = "train-00000-of-00001.parquet"
    hashes = (hexed(2**10 - 1), hexed(0), hexed(2**200 - 1), None, hexed(0))
    rows = [
        shard_rows.row(
            number,
            record_id=f"r{number}",
            garment_id=f"id{number}",
            quality={"garment_hash": hash_},
            provenance=[shard_rows.note("garment_image", None, f"{9 - number:064d}")],
        )
        for number, hash_ in enumerate(hashes)
    ]
    shard_rows.write(tmp_path, name, rows, ("quality",))
    found = [row for row in find(tmp_path, name) if row["kind"] == "near_duplicate"]
    assert [(row["record_id"][-1], row["severity"]) for row in found] == [
        ("0", "info"),
        ("1", "warning"),
        ("4", "warning"),
    ]
    assert found[0]["detail"] == "garment_image of id0 stands for 3 near-duplicates"
    assert found[1]["detail"] == "garment_image of id1 is like that of id0: 10 of 256 bits differ"
    assert {row["group"] for row in found} == {f"{9:064d}"[:16]}


@pytest.mark.parametrize(("bits", "is_near"), [(0, True), (31, True), (32, True), (33, False)])
def test_near_means_up_to_32_bits(bits: int, is_near: bool) -> None:
    """Re-encoding moves a hash by up to 22 bits; the nearest different garments are 84 apart."""
    words = np.array([[0, 0, 0, 0], [0, 0, 0, 2**bits - 1]], np.uint64)
    assert near.groups(words, findings.NEAR).first.tolist() == [0, 0 if is_near else 1]


def test_one_file_used_by_many_records_is_no_duplicate() -> None:
    shared = Image("d", hexed(5), (Use("r1", "test", "a"), Use("r2", "test", "a")))
    assert of_group("person_image", shared) == []


def test_a_near_duplicate_in_two_splits_leaks() -> None:
    rows = of_group("person_image", image(0, hexed(0)), image(1, hexed(1), split="train"))
    leaks = [row for row in rows if row["kind"] == "split_leak"]
    assert [(row["record_id"], row["severity"]) for row in leaks] == [("r0", "error"), ("r1", "error")]
    assert "also in train" in leaks[0]["detail"]


def test_a_file_of_very_many_paired_records() -> None:
    def used(paired: bool, count: int) -> list[dict[str, Any]]:
        uses = tuple(Use(f"r{number:03d}", "train", "cloth", paired) for number in range(count))
        return of_group("garment_image", Image("d" * 64, "", uses))

    assert used(True, findings.MOST_USES) == [] and used(False, 144) == [], "IGPair's use, and all pairs of a folder"
    found = used(True, 144)
    assert len(found) == 144 - findings.MOST_USES and {row["kind"] for row in found} == {"repeated_photo"}
    assert found[0]["record_id"] == "r020" and "in 144 paired records; this is number 21" in found[0]["detail"]


def find(folder: Path, *names: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = findings.find(open_folder(str(folder)), names).rows.to_pylist()
    return rows


@pytest.mark.parametrize("file_format", ["parquet", "arrow"])
def test_the_same_bytes_in_two_splits_and_two_datasets(tmp_path: Path, file_format: str) -> None:
    def rows(split: str, dataset: str, first: int) -> list[dict[str, Any]]:
        """A photo of its own, and one that is byte-identical everywhere, under another name."""
        return [
            shard_rows.row(
                first + index,
                record_id=f"{dataset}/{split}/{first + index}",
                dataset=dataset,
                split=split,
                provenance=[shard_rows.note("person_image", None, digest)],
            )
            for index, digest in enumerate((f"{first:064d}", "a" * 64))
        ]

    names = [f"{split}-00000-of-00001.{file_format}" for split in ("train", "test")]
    shard_rows.write(tmp_path, names[0], rows("train", "vitonhd", 10) + rows("train", "own", 20))
    shard_rows.write(tmp_path, names[1], rows("test", "vitonhd", 30))
    found = find(tmp_path, *names)
    leaks = {row["record_id"]: row for row in found if row["kind"] == "split_leak"}
    assert set(leaks) == {"vitonhd/train/11", "own/train/21", "vitonhd/test/31"}
    assert all(row["severity"] == "error" for row in leaks.values())
    assert len({row["group"] for row in leaks.values()}) == 1
    assert {row["kind"] for row in found} == {"split_leak", "near_duplicate"}, "without quality, too"


def pair(record_id: str, reference: str, target: str, **values: Any) -> dict[str, Any]:
    """An object pair of files by their digests."""
    files = {"reference_image": reference, "target_image": target}
    notes = [shard_rows.note(column, None, digest * 64) for column, digest in files.items()]
    return shard_rows.pair(record_id, provenance=notes, **values)


def findings_of_pairs(folder: Path, *pairs: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(record, kind) → detail."""
    for split in ("train", "test"):
        own = [each for each in pairs if each["split"] == split]
        shard_rows.write(folder, f"{split}-00000-of-00001.parquet", own, ("target_box",), kinds.OBJECT_PAIR)
    found = find(folder, *(f"{split}-00000-of-00001.parquet" for split in ("train", "test")))
    assert all(row["severity"] == "error" for row in found if row["kind"] == "split_leak")
    return {(row["record_id"], row["kind"]): row["detail"] for row in found}


def test_an_object_that_is_a_reference_here_and_a_target_there_leaks(tmp_path: Path) -> None:
    found = findings_of_pairs(
        tmp_path,
        pair("own/train/a/1/0+1", "1", "2"),
        pair("own/train/b/1/0+1", "3", "4"),
        pair("own/test/c/1/0+1", "5", "1"),
    )
    assert found == {
        ("own/train/a/1/0+1", "split_leak"): "reference_image of a is also in test",
        ("own/test/c/1/0+1", "split_leak"): "target_image of c is also in train",
    }


def test_a_clip_in_two_splits_leaks_even_where_no_frame_does(tmp_path: Path) -> None:
    found = findings_of_pairs(
        tmp_path,
        pair("own/train/a/1/0+1", "1", "2"),
        pair("own/test/a/1/2+3", "3", "4"),
        pair("other/test/a/1/2+3", "5", "6"),
    )
    assert found == {
        ("own/train/a/1/0+1", "split_leak"): "clip own/a is also in test",
        ("own/test/a/1/2+3", "split_leak"): "clip own/a is also in train",
    }


def test_a_leak_that_one_column_tells_is_told_once(tmp_path: Path) -> None:
    found = findings_of_pairs(tmp_path, pair("own/train/a/1/0+1", "1", "2"), pair("own/test/a/1/0+3", "1", "4"))
    assert set(found.values()) == {"reference_image of a is also in test", "reference_image of a is also in train"}


def test_a_thing_that_is_placed_into_many_scenes_is_no_duplicate(tmp_path: Path) -> None:
    box = [1.0, 2.0, 30.0, 40.0]
    placed = [pair(f"own/test/{scene}/{thing}/0+1", thing, scene, target_box=box) for thing in "12" for scene in "678"]
    assert findings_of_pairs(tmp_path / "placed", *placed) == {}
    copied = [pair(f"own/test/{name}/1/0+1", "1", "2") for name in "ab"]
    assert {kind for _, kind in findings_of_pairs(tmp_path / "copied", *copied)} == {"near_duplicate"}


def test_tags_are_missed_where_others_have_them(tmp_path: Path) -> None:
    name = "train-00000-of-00001.parquet"
    tagged = shard_rows.row(1, tags=[{"name": "item", "value": "dress"}])
    shard_rows.write(tmp_path / "a", name, [tagged, shard_rows.row(2)], ("quality", "tags"))
    (found,) = find(tmp_path / "a", name)
    assert (found["kind"], found["severity"]) == ("garment_without_tags", "info") and "00002" in found["record_id"]
    shard_rows.write(tmp_path / "b", name, [shard_rows.row(2)])
    assert find(tmp_path / "b", name) == []


def test_kinds_are_told_apart() -> None:
    assert len(set(findings.KINDS)) == len(findings.KINDS) > 20
