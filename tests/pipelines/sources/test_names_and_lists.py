"""Names and lists as disks and tools leave them: every file of a folder that is read is used, or named."""

import shutil
import unicodedata
from pathlib import Path

import pytest
from support.helpers import Dataset, draw

from pipelines.sources import Listing
from pipelines.sources.tryon import photos, vitonhd
from pipelines.sources.tryon._names import in_folder, is_comment, split_triple
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.folders import open_folder


def listed(root: Path) -> Listing:
    return vitonhd.listing(open_folder(str(root)), "all", "unpaired")


def columns(listing: Listing) -> list[set[str]]:
    return [set(item.references) for item in listing.records]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.jpg b.jpg", ("a.jpg", "b.jpg", None)),
        ("a.jpg\tb.jpg", ("a.jpg", "b.jpg", None)),
        ("a.jpg\tb.jpg\tupper", ("a.jpg", "b.jpg", "upper")),
        ("a.jpg b.jpg 0 1", ("a.jpg", "b.jpg", "0")),
        ("a.jpg b.jpg\t1", ("a.jpg", "b.jpg", "1")),
        ("a_1.jpg\ta long red dress", ("a_1.jpg", "a long red dress", None)),
        ("a_1.jpg a long red dress", ("a_1.jpg", "a long red dress", None)),
        ("  a b.jpg  c d.JPEG  ", ("a b.jpg", "c d.JPEG", None)),
        ("a.jpg,b.jpg,1", ("a.jpg", "b.jpg", "1")),
        ('"a, 1.jpg","b.jpg"', ("a, 1.jpg", "b.jpg", None)),
        ("look.v2.jpg x.jfif", ("look.v2.jpg", "x.jfif", None)),
        ("a.jpg", ("a.jpg", None, None)),
        ("00891 01430", ("00891", "01430", None)),
    ],
)
def test_columns_of_a_line(line: str, expected: tuple[str, str | None, str | None]) -> None:
    assert split_triple(line) == expected


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("image/a.jpg", "a.jpg"),
        ("test/image/a.jpg", "a.jpg"),
        ("test\\image\\a.jpg", "a.jpg"),
        ("cloth/a.jpg", "cloth/a.jpg"),
        ("../image/a.jpg", "../image/a.jpg"),
        ("/test/image/a.jpg", "/test/image/a.jpg"),
        ("train/image/a.jpg", "train/image/a.jpg"),
        ("", ""),
    ],
)
def test_folders_before_a_name(name: str, plain: str) -> None:
    assert in_folder(name, ("test", "image")) == plain


def test_comments_name_no_picture() -> None:
    assert is_comment("# person garment") and not is_comment("#1.jpg a.jpg") and not is_comment("a.jpg b.jpg # best")


@pytest.mark.parametrize("change", ["BOM, tabs, CRLF", "folders", "more columns", "comment"])
def test_a_list_in_other_hands(dataset: Dataset, change: str) -> None:
    before = listed(dataset.root).records
    lines = (dataset.root / "test_pairs.txt").read_text().splitlines()
    changed = {
        "BOM, tabs, CRLF": "\ufeff" + "\r\n".join(line.replace(" ", "\t") for line in lines),
        "folders": "\n".join("image/{} ./test/cloth/{}".format(*line.split()) for line in lines),
        "more columns": "\n".join(f"{line} 0 1" for line in lines),
        "comment": "\n".join(["# person garment", "", *lines]),
    }[change]
    (dataset.root / "test_pairs.txt").write_bytes(changed.encode())
    after = listed(dataset.root)
    assert [item.references for item in after.records] == [item.references for item in before] and not after.refused


@pytest.mark.parametrize("folders", [("image", "cloth"), ("image-parse-v3", "openpose_json", "cloth-mask")])
def test_endings_in_capitals(dataset: Dataset, folders: tuple[str, ...]) -> None:
    before = columns(listed(dataset.root))
    for folder in folders:
        for path in sorted((dataset.root / "test" / folder).iterdir()):
            path.rename(path.with_suffix(path.suffix.upper()))
    after = listed(dataset.root)
    assert columns(after) == before and not after.refused and not after.unused


def test_names_that_only_case_tells_apart_are_not_guessed(dataset: Dataset) -> None:
    shutil.copy(dataset.root / "test/image/00000_00.jpg", dataset.root / "test/image/00000_00.Jpg")
    dataset.pairs("00000_00.JPG 00001_00.jpg", "00000_00.jpg 00001_00.jpg")
    after = listed(dataset.root)
    assert [item.error for item in after.refused] == ["missing_file"] and len(after.records) == 1


def test_files_of_the_file_system_are_no_entries(dataset: Dataset) -> None:
    before = listed(dataset.root)
    for folder in ("image", "cloth", "cloth-mask"):
        dataset.put(f"test/{folder}/.DS_Store", b"Bud1")
        for path in sorted((dataset.root / "test" / folder).iterdir()):
            dataset.put(f"test/{folder}/._{path.name}", b"\0\5\x16\7")
    (dataset.root / "test_pairs.txt").unlink()
    after = listed(dataset.root)
    assert len(after.records) == len(before.records) and not after.refused and not after.unused


@pytest.mark.parametrize(
    ("folder", "name", "column"),
    [
        ("openpose_json", "00000_00.json", "keypoints"),
        ("image-densepose", "00000_00_densepose.png", "densepose_image"),
    ],
)
def test_other_names_of_an_annotation(dataset: Dataset, folder: str, name: str, column: str) -> None:
    (old,) = (dataset.root / "test" / folder).glob("00000_00*")
    old.rename(old.with_name(name))
    (record,) = (item for item in listed(dataset.root).records if item.values["person_id"] == "00000_00")
    assert record.references[column] == f"test/{folder}/{name}"


def test_files_that_no_record_uses_are_named(dataset: Dataset) -> None:
    for path in sorted((dataset.root / "test/image-parse-v3").iterdir()):
        path.rename(path.with_name(path.name.replace("_00", "")))
    dataset.put("test/image/00099_00.jpg", codecs.encode_jpeg(draw(9)["person"]))
    after = listed(dataset.root)
    assert len(after.unused["test/image-parse-v3"]) == 6 and after.unused["test/image"] == ["00099_00.jpg"]
    assert list(after.told()) == [
        "test/image: 1 file isn't used by any record, such as 00099_00.jpg",
        "test/image-parse-v3: 6 files aren't used by any record, such as 00000.png",
    ]


def test_twins_of_accents_are_two_files(dataset: Dataset) -> None:
    composed = unicodedata.normalize("NFC", "café.jpg")
    for seed, name in enumerate((composed, unicodedata.normalize("NFD", composed))):
        for folder in ("image", "cloth"):
            dataset.put(f"test/{folder}/{name}", codecs.encode_jpeg(draw(seed)["person"]))
    (dataset.root / "test_pairs.txt").unlink()
    after = listed(dataset.root)
    used = {path for item in after.records for path in item.references.values()}
    assert f"test/image/{composed}" in used or f"test/image/{unicodedata.normalize('NFD', composed)}" in used
    assert [item.error for item in after.refused] == ["repeated_id"]


def own_photos(root: Path, persons: list[str], garments: list[str]) -> Path:
    for folder, names in (("persons", persons), ("garments", garments)):
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / name).write_bytes(b"x")
    return root


def pairs_of(root: Path, pairs: str | photos.PairList = "auto") -> Listing:
    return photos.listing(open_folder(str(root)), "all", "unpaired", pairs=pairs)


def names(listing: Listing) -> list[tuple[str, str]]:
    return [(item.values["person_id"], item.values["garment_id"]) for item in listing.records]


def test_equal_names_are_pairs_whatever_their_order_and_ending(tmp_path: Path) -> None:
    found = pairs_of(own_photos(tmp_path, ["b.jpg", "a.png"], ["a.jfif", "b.webp"]))
    assert sorted(names(found)) == [("a", "a"), ("b", "b")] and not found.remarks


def test_one_folder_may_have_more_names(tmp_path: Path) -> None:
    found = pairs_of(own_photos(tmp_path, ["a.jpg", "b.jpg", "c.jpg"], ["b.jpg", "a.jpg"]))
    assert names(found) == [("a", "a"), ("b", "b")]
    assert [(item.error, item.source) for item in found.refused] == [("no_partner", "persons/c.jpg")]


def test_other_names_are_paired_in_natural_order_and_shown(tmp_path: Path) -> None:
    people = [f"p{n}.jpg" for n in range(1, 12)]
    found = pairs_of(own_photos(tmp_path, people, [f"{n:02}.jpg" for n in range(1, 12)]))
    assert names(found) == [(f"p{n}", f"{n:02}") for n in range(1, 12)]
    assert "p2.jpg + 02.jpg" in found.remarks[0] and "p10.jpg + 10.jpg" in found.remarks[0]


@pytest.mark.parametrize("pairs", ["auto", "zip"])
def test_unequal_numbers_are_refused_with_the_ways_on(tmp_path: Path, pairs: str) -> None:
    root = own_photos(tmp_path, ["p1.jpg", "p2.jpg", "p3.jpg"], ["g1.jpg", "g2.jpg"])
    with pytest.raises(UsageError, match=r"3 and 2 photos, whose.*--pairs FILE\), or --pairs all"):
        pairs_of(root, pairs)
    assert len(pairs_of(root, "all").records) == 6


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    root = own_photos(tmp_path, ["a.jpg", "notes.txt"], ["a.jpg", ".DS_Store"])
    (root / "garments/more").mkdir()
    found = pairs_of(root)
    assert found.unused == {"persons": ["notes.txt"], "garments": ["more/"]}
    listed = pairs_of(own_photos(tmp_path / "two", ["a.jpg", "b.jpg"], ["c.jpg"]), photos.PairList("l", "a.jpg c.jpg"))
    assert names(listed) == [("a", "c")] and listed.unused == {"persons": ["b.jpg"]}


def test_ids_differ_in_more_than_case(tmp_path: Path) -> None:
    found = pairs_of(own_photos(tmp_path, ["Model.jpg", "model.jpg", "o.jpg"], ["Model.jpg", "model.jpg", "o.jpg"]))
    people = [person for person, _ in names(found)]
    assert len({person.casefold() for person in people}) == 3 and "o" in people
