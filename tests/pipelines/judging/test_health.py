"""Findings about single records: every limit, from its sound side and from its spoilt side, and on real photos."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.helpers import draw

import annotators
from pipelines.judging import findings, health
from schemas import codecs

SOUND: dict[str, Any] = {
    "person_sharpness": 145.0, "garment_sharpness": 38.0, "person_exposure": 0.44, "garment_exposure": 0.53,
    "person_area": 0.2, "garment_area": 0.25, "people": 1, "person_at_side": 0.0, "head_room": 0.1,
    "arm_over_garment": 0.3, "garment_at_side": 0.031, "uncovered_garment": 0.0054,
    "garment_background_luma": 246.0, "garment_background_tint": 0.0, "agnostic_area": 0.18,
}  # fmt: skip


def kinds(quality: dict[str, Any] | None, **row: Any) -> list[str]:
    shown = {"record_id": "a", "height": 1024, "width": 768, "garment_view": "flat", "quality": quality} | row
    return [found["kind"] for found in health.findings(shown)]


def test_what_real_photos_measure_is_sound() -> None:
    assert kinds(SOUND) == []
    assert kinds(None) == [] and kinds(dict.fromkeys(SOUND)) == [] and kinds({}) == [], "unknown is no finding"


@pytest.mark.parametrize(
    ("kind", "spoilt"),
    [
        ("blurred", {"person_sharpness": 60.0}),
        ("blurred", {"garment_sharpness": 10.0}),
        ("dark", {"person_exposure": 0.1}),
        ("dark", {"garment_exposure": 0.1}),
        ("cropped", {"person_at_side": 0.2}),
        ("cropped", {"head_room": 0.0}),
        ("too_small", {"person_area": 0.03}),
        ("several_people", {"people": 2}),
        ("nobody", {"people": 0}),
        ("nobody", {"person_area": 0.001}),
        ("arms_over_garment", {"arm_over_garment": 0.7}),
        ("garment_outside_frame", {"garment_at_side": 0.3}),
        ("mask_not_covering_garment", {"uncovered_garment": 0.02}),
        ("tinted_background", {"garment_background_luma": 242.0}),
        ("tinted_background", {"garment_background_tint": 4.0}),
        ("empty_mask", {"agnostic_area": 0.001}),
        ("empty_mask", {"garment_area": 0.03}),
        ("full_mask", {"agnostic_area": 1.0}),
        ("full_mask", {"garment_area": 0.95}),
    ],
)
def test_each_kind(kind: str, spoilt: dict[str, Any]) -> None:
    assert kinds(SOUND | spoilt) == [kind]
    assert kind in findings.KINDS


@pytest.mark.parametrize(
    ("file", "scale", "area", "detail"),
    [
        ((1024, 768), 1.0, 0.3, None),
        ((8000, 6000), 0.128, 0.3, None),
        ((64, 48), 16.0, 0.3, "the file has 64x48 pixels, a side is below 256; shown 16.0 times as large"),
        ((1024, 4096), 0.1875, None, "of 1024x768 pixels the photo takes 192x768, a side is below 256"),
        ((1024, 4096), 1.0, 0.3, None),  # cropped, not padded
        ((300, 300), 3.4, 0.1, "the file has 6803 pixels of the person, below 16384"),
        ((300, 300), 3.4, 0.3, None),
    ],
)
def test_few_pixels_in_the_file(file: tuple[int, int], scale: float, area: float | None, detail: str | None) -> None:
    geometry = {"source_height": file[0], "source_width": file[1], "x0": 0, "y0": 0, "scale_x": scale, "scale_y": scale}
    row = {"record_id": "a", "height": 1024, "width": 768, "geometry": geometry, "garment_view": "flat"}
    told = [found["detail"] for found in health.findings(row | {"quality": SOUND | {"person_area": area}})]
    assert told == ([detail] if detail else [])


def test_size_and_worn_garments() -> None:
    assert kinds(SOUND, height=200) == kinds(SOUND, width=255) == ["too_small"] and kinds(SOUND, width=256) == []
    assert kinds(SOUND | {"garment_background_tint": 2.0}) == []
    assert kinds(SOUND | {"garment_background_tint": 2.5}) == ["tinted_background"]
    assert kinds(SOUND | {"garment_at_side": 0.3, "garment_area": 0.03}, garment_view="worn") == []
    assert kinds(SOUND | {"garment_area": 0.01}, garment_view="worn") == ["empty_mask"]
    both = [
        found["detail"]
        for found in health.findings(
            {
                "record_id": "a",
                "quality": SOUND | {"person_at_side": 0.2, "head_room": 0.0},
                "height": 900,
                "width": 900,
                "garment_view": None,
            }
        )
    ]
    assert both == ["the person covers 0.200 of a side of the frame, above 0.05; the neck isn't in the frame"]


def measured(**columns: Any) -> dict[str, Any]:
    drawn = draw(3)
    given = {"person_image": drawn["person"], "garment_image": drawn["garment"], **columns}
    return annotators.config("quality").build()([given])[0]["quality"]


def test_unknown_inputs_are_null() -> None:
    found = measured()
    names = ("people", "person_at_side", "head_room", "arm_over_garment", "garment_at_side", "uncovered_garment")
    assert [found[name] for name in names] == [None] * len(names)


def test_people_and_sides() -> None:
    mask = np.zeros((128, 96), np.uint8)
    mask[20:, 10:40] = 255
    assert measured(person_mask=mask)["people"] == 1 and measured(person_mask=mask)["person_at_side"] == 0
    mask[60:128, 60:96] = 255
    found = measured(person_mask=mask, garment_mask=mask)
    assert found["people"] == 2 and found["person_at_side"] == pytest.approx(68 / 128)
    assert found["garment_at_side"] == pytest.approx(66 / 96), "the bottom counts for garments, for persons it doesn't"
    assert measured(person_mask=mask, people=3)["people"] == 3
    assert measured(person_mask=mask * 0)["people"] == 0
    assert measured(keypoints=None)["people"] == 0, "pose looked and saw nobody"
    assert measured(person_mask=mask, keypoints=None)["people"] == 0, "the light segmenter also finds garments"


def test_joints() -> None:
    joints = draw(3)["keypoints"]
    found = measured(keypoints=joints)
    assert found["head_room"] == pytest.approx(33 / 128) and found["arm_over_garment"] == 0
    joints[4, :2] = (58, 50)  # the right hand on the left side of the chest
    assert measured(keypoints=joints)["arm_over_garment"] > health.MOST_ARM
    joints[8:15] = 0
    joints[1] = 0
    assert measured(keypoints=joints)["arm_over_garment"] is None and measured(keypoints=joints)["head_room"] == 0


def test_uncovered_garment() -> None:
    parse = draw(3)["parse"]
    mask = np.where(parse == 5, np.uint8(255), np.uint8(0))
    assert measured(parse=parse, agnostic_mask=mask)["uncovered_garment"] == 0
    mask[:62] = 0
    assert measured(parse=parse, agnostic_mask=mask)["uncovered_garment"] == pytest.approx(0.5)
    assert measured(parse=parse, agnostic_mask=mask, category="lower_body")["uncovered_garment"] is None


def test_backgrounds_and_areas() -> None:
    drawn = draw(3)
    found = measured()
    assert (found["garment_background_luma"], found["garment_background_tint"]) == (246, 0)
    tinted = np.where(drawn["mask"][..., None] > 0, drawn["garment"], np.uint8([240, 236, 230]))
    found = measured(garment_image=tinted, garment_view="flat")
    assert found["garment_background_luma"] == pytest.approx(236.5, abs=1) and found["garment_background_tint"] == 10
    assert measured(garment_image=tinted, garment_view="worn")["garment_background_luma"] is None
    assert found["agnostic_area"] is None and found["upper_area"] is None
    parse = drawn["parse"].copy()
    parse[0, 0], parse[0, 1], parse[0, 2] = 6, 7, 12
    found = measured(parse=parse, agnostic_mask=drawn["mask"])
    assert found["agnostic_area"] == pytest.approx((drawn["mask"] > 0).mean())
    assert found["upper_area"] == pytest.approx(np.isin(parse, (5, 7)).mean())
    assert found["lower_area"] == pytest.approx(np.isin(parse, (9, 12)).mean())
    assert found["dress_area"] == pytest.approx(1 / parse.size)


def test_backgrounds_of_real_garments(data: Path) -> None:
    """VITON-HD's are light and grey; Dress Code's are told by their own border."""
    for path in sorted(data.glob("vitonhd_mini/*/cloth/*")):
        assert "tinted_background" not in kinds(measured(garment_image=codecs.decode_image(path.read_bytes()))), path
    told = []
    for path in sorted(data.glob("dresscode_mini/*/images/*_1.jpg")):
        photo = codecs.decode_image(path.read_bytes())
        inside = np.zeros(photo.shape[:2], bool)
        inside[8:-8, 8:-8] = True
        border = photo[~inside].astype(float)
        luma, tint = np.median(border @ (0.299, 0.587, 0.114)), np.ptp(np.median(border, axis=0))
        if abs(luma - health.LEAST_BACKGROUND) < 1:
            continue  # rounding decides
        spoilt = bool(luma < health.LEAST_BACKGROUND or tint > health.MOST_TINT)
        assert ("tinted_background" in kinds(measured(garment_image=photo))) == spoilt, path
        told.append(spoilt)
    assert told


def test_real_masks_until_they_are_spoilt(data: Path) -> None:
    agnostic = sorted(data.glob("vitonhd_mini/test/agnostic-mask/*"))
    for path in agnostic:
        mask = codecs.decode_mask(path.read_bytes())
        photo = codecs.decode_image((path.parents[1] / "image" / path.name.replace("_mask.png", ".jpg")).read_bytes())
        given = {"person_image": photo, "garment_image": photo, "garment_view": "worn"}
        for spoilt, expected in ((mask, set()), (mask * 0, {"empty_mask"}), (mask * 0 + 255, {"full_mask"})):
            quality = annotators.config("quality").build()([given | {"agnostic_mask": spoilt}])[0]["quality"]
            assert set(kinds(quality)) & {"empty_mask", "full_mask"} == expected, path
    garments = sorted(data.glob("vitonhd_mini/*/cloth-mask/*"))
    for path in garments:
        mask = codecs.decode_mask(path.read_bytes())
        photo = codecs.decode_image((path.parents[1] / "cloth" / path.name).read_bytes())
        assert not set(kinds(measured(garment_image=photo, garment_mask=mask))) & {"empty_mask", "full_mask"}, path
        whole = np.where((photo < 248).any(axis=2), np.uint8(255), np.uint8(0))
        assert "full_mask" in kinds(measured(garment_image=photo, garment_mask=whole)), "the trap of a 246 background"
    assert agnostic and garments


def test_real_photos_are_sharp_and_light_until_they_are_spoilt(data: Path) -> None:
    people = sorted((data / "photos/person").iterdir()) + sorted((data / "vitonhd_mini/test/image").iterdir())
    garments = sorted((data / "photos/garment").iterdir()) + sorted((data / "vitonhd_mini/test/cloth").iterdir())
    spoilt = 0
    for person, garment in zip(people, garments, strict=True):
        pair = [codecs.decode_image(path.read_bytes()) for path in (person, garment)]
        assert kinds(measured_pair(*pair)) == [], person.name
        dark, soft = pair[0] // 5, cv2.GaussianBlur(pair[0], (0, 0), 3)
        assert "dark" in kinds(measured_pair(dark, pair[1])), person.name
        spoilt += "blurred" in kinds(measured_pair(soft, pair[1]))
    assert spoilt == len(people)


def measured_pair(person: np.ndarray, garment: np.ndarray) -> dict[str, Any]:
    given = {"person_image": person, "garment_image": garment}
    return annotators.config("quality").build()([given])[0]["quality"]
