"""Dress Code's lists and names: whatever they hold, every line becomes a record, a refusal or a counted repetition."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.layouts import caption, render_dresscode, small_people

from pipelines.sources import Listing
from pipelines.sources.tryon import dresscode
from pipelines.sources.tryon._names import split_triple
from schemas.folders import open_folder
from schemas.labels import Category
from schemas.record import SHIPPED_UNREADABLE

UPPER = [person_id for person_id, drawn in small_people().items() if drawn.category == Category.UPPER_BODY]
LOWER = [person_id for person_id, drawn in small_people().items() if drawn.category == Category.LOWER_BODY]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    render_dresscode(tmp_path / "data")
    return tmp_path / "data"


def listed(root: Path, split: str = "test", pairing: str = "unpaired", **options: object) -> Listing:
    return dresscode.listing(open_folder(str(root)), split, pairing, **options)


def pairs(found: Listing) -> set[tuple[str, str, str]]:
    return {(i.values["category"], i.values["person_id"], i.values["garment_id"]) for i in found.records}


def errors(found: Listing) -> list[str]:
    return sorted(item.error for item in found.refused)


def forget_own_lists(root: Path) -> None:
    for path in root.glob("*/*_pairs*.txt"):
        path.unlink()


@pytest.mark.parametrize("pairing", ["unpaired", "paired"])
def test_root_lists_say_the_same_as_the_categories_own(root: Path, pairing: str) -> None:
    before = {split: pairs(listed(root, split, pairing)) for split in ("train", "test")}
    forget_own_lists(root)
    assert {split: pairs(listed(root, split, pairing)) for split in ("train", "test")} == before
    for path in root.glob("*_pairs*.txt"):  # without the third column, the files tell the category
        path.write_text("".join(" ".join(line.split()[:2]) + "\r\n" for line in path.read_text().splitlines()))
    assert {split: pairs(listed(root, split, pairing)) for split in ("train", "test")} == before
    assert not listed(root).refused
    one = listed(root, "test", pairing, categories=("lower_body",))
    assert pairs(one) == {pair for pair in before["test"] if pair[0] == "lower_body"} and not one.refused


def test_a_root_list_serves_only_categories_without_their_own(root: Path) -> None:
    before = pairs(listed(root))
    (root / "upper_body/test_pairs_unpaired.txt").unlink()
    (root / "test_pairs_unpaired.txt").write_text(
        f"{UPPER[2]}_0.jpg {UPPER[2]}_1.jpg 0\nnobody_0.jpg nothing_1.jpg 1\n"
    )
    found = listed(root)
    assert pairs(found) == {p for p in before if p[0] != "upper_body"} | {("upper_body", UPPER[2], UPPER[2])}
    assert not found.refused


def test_lists_with_every_oddity(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.jpg"
    outside.write_bytes((root / f"upper_body/images/{UPPER[0]}_0.jpg").read_bytes())
    (root / "upper_body/images/link_0.jpg").symlink_to(outside)
    own = f"{UPPER[2]}_1.jpg"
    lines = {
        f"{UPPER[2]}_0.jpg {UPPER[3]}_1.jpg": None,
        f"{UPPER[2]}_0.jpg\t{UPPER[3]}_1.jpg\t0": None,  # the same again
        f'"{UPPER[3]}_0.jpg","{UPPER[2]}_1.jpg"': None,
        "": None,
        f"../{UPPER[2]}_0.jpg {own}": "outside_root",
        f"/etc/passwd {own}": "outside_root",
        f"{UPPER[2]}_0.jpg ..\\{own}": "outside_root",
        f"link_0.jpg {own}": "outside_root",
        f"gone_0.jpg {own}": "missing_file",
        f"{UPPER[2]}_0.jpg gone_1.jpg": "missing_file",
        f"{UPPER[2]}_0.jpg": "malformed_line",
        f"{UPPER[2]}_1.jpg {own}": "malformed_line",
        f"{UPPER[2]}_0.jpg {UPPER[2]}_0.jpg": "malformed_line",
        f"{UPPER[2]}_0.jpg {own} 7": "malformed_line",
        f"_0.jpg {own}": "malformed_line",
        f"{UPPER[2]}_0.jpg {own} 1": "mixed_categories",
        f"{LOWER[2]}_0.jpg {own}": "mixed_categories",
        f"{UPPER[2]}_0.jpg {LOWER[2]}_1.jpg": "mixed_categories",
    }
    text = "\ufeff" + "".join(f"{line}\r\n" for line in lines)
    (root / "upper_body/test_pairs_unpaired.txt").write_text(text, encoding="utf-8", newline="")
    found = listed(root, categories=("upper_body",))
    assert pairs(found) == {("upper_body", UPPER[2], UPPER[3]), ("upper_body", UPPER[3], UPPER[2])}
    assert found.repeated_lines == 1
    assert errors(found) == sorted(filter(None, lines.values()))
    assert all(item.source.startswith("upper_body/test_pairs_unpaired.txt:") for item in found.refused)
    assert all(item.record_id.startswith("dresscode/test/upper_body/") for item in found.refused)


def test_mixed_categories_in_a_root_list_are_refused(root: Path) -> None:
    forget_own_lists(root)
    lines = (
        f"{UPPER[2]}_0.jpg {UPPER[3]}_1.jpg",
        f"{UPPER[2]}_0.jpg {LOWER[3]}_1.jpg",
        f"{UPPER[2]}_0.jpg {UPPER[3]}_1.jpg 1",
        "gone_0.jpg gone_1.jpg",
        f"{LOWER[2]}_0.jpg gone_1.jpg",
    )
    (root / "test_pairs_unpaired.txt").write_text("\n".join(lines))
    found = listed(root)
    assert pairs(found) == {("upper_body", UPPER[2], UPPER[3])}
    assert errors(found) == ["missing_file", "missing_file", "mixed_categories", "mixed_categories"]
    only = listed(root, categories=("dresses", "upper_body"))
    assert len(only.records) == 1 and errors(only) == ["missing_file", "mixed_categories"], "lower_body isn't asked for"


def test_without_lists_persons_with_their_own_garment_count(root: Path) -> None:
    for path in [*root.glob("*_pairs*.txt"), *root.glob("*/*_pairs*.txt")]:
        path.unlink()
    (root / f"upper_body/images/{UPPER[0]}_1.jpg").rename(root / f"upper_body/images/{UPPER[0]}_1.png")
    (root / f"lower_body/images/{LOWER[0]}_1.jpg").unlink()
    folder = os.fsencode(root / "dresses/images")
    os.link(os.path.join(folder, os.listdir(folder)[0]), os.path.join(folder, b"\xff_0.jpg"))
    for split, name in (("all", "train"), ("test", "test")):
        found = listed(root, split)
        assert {item.values["person_id"] for item in found.records} == set(small_people()) - {LOWER[0]}
        assert all(item.values["paired"] and item.split == name for item in found.records)
        assert errors(found) == ["no_garment", "unreadable_name"]


def test_train_takes_the_own_garment_and_paired_may_use_another_list(root: Path) -> None:
    (root / "upper_body/train_pairs.txt").write_text(f"{UPPER[0]}_0.jpg {UPPER[1]}_1.jpg\n{UPPER[1]}_0.jpg\n")
    assert pairs(listed(root, "train", categories=["upper_body"])) == {
        ("upper_body", UPPER[0], UPPER[0]),
        ("upper_body", UPPER[1], UPPER[1]),
    }
    for path in [*root.glob("test_pairs_paired.txt"), *root.glob("*/test_pairs_paired.txt")]:
        path.unlink()
    found = listed(root, "test", "paired")
    assert len(found.records) == 6 and all(item.values["paired"] for item in found.records)


def test_captions_belong_to_garments_and_say_where_they_are_from(root: Path) -> None:
    (root / "dresses/dc_caption.txt").write_text("no names here\n")
    for item in listed(root).records:
        if item.values["category"] == Category.DRESSES:
            assert "garment_caption" not in item.values
            assert item.values["notes"]["garment_caption"].startswith(SHIPPED_UNREADABLE)
        else:
            assert item.values["garment_caption"] == caption(item.values["garment_id"])
            assert item.values["notes"] == {"garment_caption": "dc_caption.txt"}


ids = st.text(st.sampled_from("0123_45ab é"), min_size=1, max_size=12).filter(lambda text: text == text.strip())


@given(ids)
def test_only_the_suffix_is_replaced(own_id: str) -> None:
    assert dresscode._id(f"{own_id}_0.jpg", "_0") == own_id
    assert dresscode._id(f"{own_id}_1.jpg", "_0") is None
    assert split_triple(f"{own_id}_0.jpg {own_id}_1.jpg 2") == (f"{own_id}_0.jpg", f"{own_id}_1.jpg", "2")
    assert split_triple(f"{own_id}_0.jpg\t{own_id}_1.jpg") == (f"{own_id}_0.jpg", f"{own_id}_1.jpg", None)


def test_an_id_with_the_suffix_inside_keeps_its_files(tmp_path: Path) -> None:
    (drawn,) = list(small_people().values())[:1]
    render_dresscode(tmp_path, {"10_0_00_0": drawn})
    (item,) = listed(tmp_path, "train").records
    assert item.references == {
        "person_image": "upper_body/images/10_0_00_0_0.jpg",
        "garment_image": "upper_body/images/10_0_00_0_1.jpg",
        "keypoints": "upper_body/keypoints/10_0_00_0_2.json",
        "parse_atr": "upper_body/label_maps/10_0_00_0_4.png",
        "pose_image": "upper_body/skeletons/10_0_00_0_5.jpg",
        "densepose_parts": "upper_body/dense/10_0_00_0_5.png",
        "densepose_uv": "upper_body/dense/10_0_00_0_5_uv.npz",
        "densepose_image": "upper_body/image-densepose/10_0_00_0_0.jpg",
        "agnostic_mask": "upper_body/agnostic_masks/10_0_00_0_0.png",
        "garment_mask": "upper_body/masks/10_0_00_0_1.png",
    }
