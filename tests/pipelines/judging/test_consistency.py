"""A record's category against its parse, its words, and the notes on what the dataset shipped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import draw
from support.shard_rows import note

import annotators
from pipelines.judging import consistency
from schemas import codecs, record


def found(**columns: Any) -> dict[str, str]:
    """Kind → detail."""
    row = {"record_id": "a", "category": "upper_body", "paired": True, "quality": None, "provenance": []} | columns
    return {row["kind"]: row["detail"] for row in consistency.findings(row)}


def areas(upper: float, lower: float, dress: float) -> dict[str, float]:
    return {"upper_area": upper, "lower_area": lower, "dress_area": dress}


@pytest.mark.parametrize(
    ("category", "paired", "shown", "kind"),
    [
        ("upper_body", True, (0.11, 0.12, 0.0), None),
        ("lower_body", True, (0.11, 0.12, 0.0), None),
        ("dresses", True, (0.0, 0.0, 0.3), None),
        ("upper_body", True, (0.0, 0.0, 0.0), "parse_without_garment"),
        ("lower_body", True, (0.2, 0.001, 0.0), "wrong_category"),  # a skirt labelled upper, dress-code#21
        ("upper_body", True, (0.0, 0.2, 0.0), "wrong_category"),
        ("upper_body", True, (0.0, 0.0, 0.3), "wrong_category"),
        ("dresses", True, (0.1, 0.1, 0.0), "wrong_category"),  # IGPair's cloth_type, IMAGDressing#46
        ("upper_body", False, (0.0, 0.0, 0.3), None),  # a blouse tried on over a dress
        ("dresses", False, (0.1, 0.1, 0.0), None),
        ("lower_body", False, (0.1, 0.0, 0.3), "parse_without_garment"),
        ("dresses", False, (0.0, 0.0, 0.0), "parse_without_garment"),
        (None, True, (0.0, 0.0, 0.0), None),
    ],
)
def test_category_against_parse(
    category: str | None, paired: bool, shown: tuple[float, float, float], kind: str | None
) -> None:
    kinds = found(category=category, paired=paired, quality=areas(*shown))
    assert list(kinds) == ([kind] if kind else [])


def test_what_is_unknown_is_no_finding() -> None:
    assert found() == found(quality=areas(None, None, None)) == found(quality={}) == {}  # type: ignore[arg-type]
    assert found(category="hats", quality=areas(0, 0, 0)) == {}


def test_details_name_numbers() -> None:
    told = found(category="lower_body", quality=areas(0.2, 0.001, 0))
    assert told == {"wrong_category": "the parse shows upper_body on 0.200 of the frame, but no lower_body"}
    told = found(quality=areas(0.001, 0, 0))
    assert told == {"parse_without_garment": "only 0.001 of the frame is parsed as upper_body, below 0.005"}


def test_real_parses_until_their_labels_are_changed(data: Path) -> None:
    folder = data / "vitonhd_mini/test"
    paths = sorted((folder / "image-parse-v3").iterdir())
    for path in paths:
        parse = codecs.decode_label_map(path.read_bytes(), "cihp")
        photo = codecs.decode_image((folder / "image" / f"{path.stem}.jpg").read_bytes())
        skirt, bare = parse.copy(), parse.copy()
        skirt[np.isin(parse, (5, 6, 7))], bare[np.isin(parse, (5, 6, 7, 9, 12))] = 12, 10
        for labels, kinds in ((parse, []), (skirt, ["wrong_category"]), (bare, ["parse_without_garment"])):
            columns = {"person_image": photo, "garment_image": photo, "parse": labels}
            quality = annotators.config("quality").build()([columns])[0]["quality"]
            assert list(found(quality=quality)) == kinds, path
    assert paths


def test_words() -> None:
    told = found(category=None, garment_type="lingerie")
    assert list(told) == ["unknown_category"] and "'lingerie'" in told["unknown_category"]
    assert found(category=None) == found(category="dresses", garment_type="gown") == {}
    assert list(found(has_tags=False)) == ["garment_without_tags"]
    assert found(has_tags=True) == found(has_tags=None) == {}


def test_notes_on_shipped_files() -> None:
    notes = [
        note("keypoints", f"model=full; {record.SHIPPED_UNREADABLE}: no JSON"),
        note("parse", f"{record.WRONG_SIZE}: 512x384, its photo has 1024x768"),
        note("garment_mask", None),
        note("person_image", "resized from 1024x768"),
    ]
    assert found(provenance=notes) == {
        "wrong_size": f"parse: {record.WRONG_SIZE}: 512x384, its photo has 1024x768",
        "unreadable_annotation": f"keypoints: {record.SHIPPED_UNREADABLE}: no JSON",
    }
    assert found(provenance=None) == {}


def test_the_grey_photo_in_the_place_of_the_mask() -> None:
    """yisol/IDM-VTON#71, in the very words of the codec."""
    drawn = draw(2)
    grey = np.where(drawn["mask"][..., None] > 0, np.uint8(128), drawn["person"])
    with pytest.raises(codecs.CodecError) as refused:
        codecs.decode_mask(codecs.encode_jpeg(grey))
    text = f"recipe=hrviton; {record.SHIPPED_UNREADABLE}: {refused.value}"
    told = found(provenance=[note("agnostic_mask", text)])
    assert list(told) == ["agnostic_mask_is_photo"] and "neither dark nor light" in told["agnostic_mask_is_photo"]
    assert list(found(provenance=[note("person_mask", text)])) == ["unreadable_annotation"]
    both = found(provenance=[note("agnostic_mask", text), note("parse", f"{record.SHIPPED_UNREADABLE}: empty")])
    assert set(both) == {"agnostic_mask_is_photo", "unreadable_annotation"}
