"""IGPair's list: what its entries become, and what bad ones do."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import layouts_tables
from support.layouts_tables import put

from pipelines.sources import Listing
from pipelines.sources.tryon import igpair
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.folders import open_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "IGPair"
    layouts_tables.igpair(folder)
    return folder


def listing(root: Path, split: str = "all") -> Listing:
    return igpair.listing(open_folder(str(root)), split, "unpaired")


def write(root: Path, document: Any) -> None:
    put(root, "IGPair.json", document if isinstance(document, bytes) else json.dumps(document).encode())


ENTRY = layouts_tables.igpair_entries()[0]


def test_entries_become_records(root: Path) -> None:
    found = listing(root)
    assert [item.record_id for item in found.records] == [
        "igpair/train/image_000000_00+cloth_000000",
        "igpair/train/image_000001_00+cloth_000001",
        "igpair/train/image_000002_00+cloth_000002",
        "igpair/train/image_000000_01+cloth_000000",
    ]
    assert found.repeated_lines == 1 and not found.refused
    first = found.records[0]
    assert first.references == {
        "person_image": "images/image_000000_00.jpg",
        "garment_image": "clothes/cloth_000000.jpg",
        "keypoints": "openpose/image_000000_00.json",
        "densepose_image": "densepose/image_000000_00.png",
        "person_mask": "body_mask/image_000000_00.png",
    }
    assert first.values == {
        "person_id": "image_000000_00",
        "garment_id": "cloth_000000",
        "paired": True,
        "garment_view": "flat",
        "caption": "caption 0",
        "captions": [{"text": "caption 0", "model": None}, {"text": "a model", "model": None}],
        "garment_type": "T-shirts",
        "category": "upper_body",
    }
    assert [item.values["category"] for item in found.records] == ["upper_body", "lower_body", None, "upper_body"]
    assert found.records[2].values["garment_type"] == "lingerie"
    last = found.records[3]
    assert last.values["captions"] == [{"text": "one caption", "model": None}]
    assert last.references["pose_image"] == "openpose/image_000000_01.png" and "keypoints" not in last.references


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("text", "malformed_entry"),
        (7, "malformed_entry"),
        ({"image_file": 7}, "malformed_entry"),
        ({"image_file": None}, "malformed_entry"),
        ({"text": {"a": 1}}, "malformed_entry"),
        ({"text": ["a", 3]}, "malformed_entry"),
        ({"text": ["\ud800"]}, "malformed_entry"),
        ({"cloth_type": ["dress"]}, "malformed_entry"),
        ({"cloth_type": "\ud800"}, "malformed_entry"),
        ({"image_file": ""}, "outside_root"),
        ({"image_file": "../IGPair/images/image_000000_00.jpg"}, "outside_root"),
        ({"image_file": "/etc/passwd"}, "outside_root"),
        ({"image_file": "images\\image_000000_00.jpg"}, "outside_root"),
        ({"cloth_file": "https://example.com/clothes/a.jpg"}, "outside_root"),
        ({"cloth_file": "a\0.jpg"}, "outside_root"),
        ({"cloth_file": "clothes/\ud800.jpg"}, "unreadable_name"),
        ({"cloth_file": "clothes/none.jpg"}, "missing_file"),
        ({"cloth_file": "a" * 5000}, "missing_file"),
        ({"cloth_file": "b" * 5000 + "/c.jpg"}, "missing_file"),
        ({"cloth_file": "clothes"}, "missing_file"),
    ],
)
def test_a_bad_entry_is_refused_alone(root: Path, change: Any, error: str) -> None:
    write(root, [ENTRY | change if isinstance(change, dict) else change, layouts_tables.igpair_entries()[1]])
    found = listing(root)
    assert [item.values["person_id"] for item in found.records] == ["image_000001_00"]
    (refused,) = found.refused
    assert (refused.error, refused.record_id) == (error, "igpair/train/entry-000001")
    assert refused.source == "IGPair.json:1" and refused.message.isprintable() and len(refused.message) < 300


def test_a_link_out_of_the_root_is_refused(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "outside/a.jpg", codecs.encode_jpeg(layouts_tables.person(layouts_tables.ids()[0]).photo))
    os.symlink(outside, root / "images/link.jpg")
    os.symlink(outside.parent, root / "linked")
    write(root, [ENTRY | {"image_file": "images/link.jpg"}, ENTRY | {"image_file": "linked/a.jpg"}])
    found = listing(root)
    assert [item.error for item in found.refused] == ["outside_root"] * 2 and not found.records


def test_same_stems_do_not_collide(root: Path) -> None:
    put(root, "images/image_000000_00.png", (root / "images/image_000000_00.jpg").read_bytes())
    write(root, [ENTRY, ENTRY | {"image_file": "images/image_000000_00.png"}])
    found = listing(root)
    assert len(found.records) == 1 and [item.error for item in found.refused] == ["repeated_id"]


@pytest.mark.parametrize("document", [{}, [], 7, b"{", b"[" * 100_000, b"\xff\xfe\xff", b""])
def test_a_file_that_is_no_list_of_objects(root: Path, document: Any) -> None:
    write(root, document)
    with pytest.raises(UsageError, match="allowed is a list of objects"):
        listing(root)


def test_there_is_no_test_split(root: Path) -> None:
    with pytest.raises(UsageError, match="'test' not found"):
        listing(root, "test")
