import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from support.helpers import draw

import annotators
from annotators import garment_mask
from annotators.common import registry
from annotators.functional import agnostic, masks
from schemas import fields, labels
from schemas.cli import options
from schemas.record import ASSUMED_CATEGORY


def record(**columns):
    drawn = draw(1)
    shipped = {
        "person_image": drawn["person"], "garment_image": drawn["garment"],
        "parse": drawn["parse"], "keypoints": drawn["keypoints"], "category": "upper_body",
    }  # fmt: skip
    return shipped | columns


def run(name, *records, **values):
    return annotators.config(name, **values).build()(list(records))


def test_agnostic_writes_picture_mask_and_parse():
    given = record()
    (made,) = run("agnostic", given)
    assert set(made) == {"agnostic_image", "agnostic_mask", "parse_agnostic", "notes"}
    picture, mask = agnostic.hrviton(given["person_image"], given["parse"], given["keypoints"])
    np.testing.assert_array_equal(made["agnostic_image"], picture)
    np.testing.assert_array_equal(made["agnostic_mask"], mask)
    np.testing.assert_array_equal(made["parse_agnostic"], agnostic.hrviton_parse(given["parse"], given["keypoints"]))


def test_agnostic_recipes_in_a_list():
    config = annotators.config("agnostic", recipe="vitonhd,hrviton,vitonhd")
    names = [field.name for field in config.fields()]
    assert names == ["agnostic_image", "agnostic_mask", "parse_agnostic", "agnostic_mask_hrviton"]
    assert [fields.kind(field) for field in config.fields()] == ["image", "mask", "label_map", "mask"]
    given = record()
    (made,) = config.build()([given])
    assert list(made) == names
    inputs = given["parse"], given["keypoints"]
    np.testing.assert_array_equal(made["agnostic_mask"], agnostic.vitonhd_mask(*inputs))
    np.testing.assert_array_equal(made["parse_agnostic"], agnostic.vitonhd_parse(*inputs))
    np.testing.assert_array_equal(made["agnostic_mask_hrviton"], agnostic.hrviton_mask(*inputs))
    assert config.reads() == ("person_image", "parse", "keypoints")


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="'hrvton'; allowed are .*hrviton, .*vitonhd"):
        annotators.config("agnostic", recipe="vitonhd,hrvton")


@pytest.mark.parametrize("category", ["lower_body", "dresses"])
def test_agnostic_is_null_outside_upper_body(category):
    (made,) = run("agnostic", record(category=category), recipe="hrviton,vitonhd")
    notes = made.pop("notes")
    assert len(made) == 4 and all(value is None for value in made.values())
    assert set(notes) == set(made) and "hrviton draws upper_body only" in notes["agnostic_mask"]
    assert "vitonhd draws upper_body only" in notes["agnostic_mask_vitonhd"]


def test_a_record_without_category_is_upper_body():
    (with_category, without) = run("agnostic", record(), record(category=None))
    np.testing.assert_array_equal(with_category["agnostic_mask"], without["agnostic_mask"])


def test_agnostic_refuses_a_person_without_shoulders():
    keypoints = draw(1)["keypoints"]
    keypoints[[2, 5]] = 0
    with pytest.raises(ValueError, match="shoulders"):
        run("agnostic", record(keypoints=keypoints))


def test_agnostic_refuses_an_empty_mask():
    everything_kept = np.full_like(draw(1)["parse"], 13)
    with pytest.raises(ValueError, match="nothing to repaint"):
        run("agnostic", record(parse=everything_kept))


def test_garment_mask_and_high_frequency_map():
    given = record()
    (made,) = run("garment_mask", given)
    assert masks.iou(made["garment_mask"], draw(1)["mask"]) > 0.9
    (refined,) = run("garment_mask", given, refine=True)
    assert masks.iou(refined["garment_mask"], draw(1)["mask"]) > 0.9
    (detail,) = run("high_frequency", given | made)
    assert detail["high_frequency_map"].shape == given["garment_image"].shape
    assert not detail["high_frequency_map"][made["garment_mask"] == 0].any()


def test_captions_from_tags_and_without():
    tags = [{"name": "item", "value": "T-shirts"}, {"name": "sleeveLength", "value": "Short Sleeve"}]
    (tagged,) = run("caption_tags", record(tags=tags))
    phrase = "Short Sleeve T-shirts"
    assert tagged == {"garment_caption": phrase, "caption": f"model is wearing a {phrase}"}
    image = np.full((64, 48, 3), (28, 36, 66), np.uint8)
    mask = np.full((64, 48), 255, np.uint8)
    (measured,) = run("caption_tags", record(garment_image=image, garment_mask=mask, category="dresses", tags=None))
    assert measured == {"garment_caption": "navy dress", "caption": "model is wearing a navy dress"}
    assert run("caption_tags", {"garment_image": image}) == [
        {"garment_caption": "clothes", "caption": "model is wearing clothes"}
    ]


def test_quality_has_every_member_and_nulls_for_what_is_unknown():
    (field,) = annotators.load("quality").FIELDS
    members = [member.name for member in field.type]
    given = record(parse=None)
    (made,) = run("quality", given)
    assert list(made) == ["quality"] and set(made["quality"]) == set(members)
    assert made["quality"]["person_area"] is None and made["quality"]["garment_area"] is None
    (fuller,) = run("quality", record(garment_mask=draw(1)["mask"]))
    assert fuller["quality"]["garment_area"] == pytest.approx((draw(1)["mask"] > 0).mean())
    assert fuller["quality"]["person_area"] == pytest.approx((draw(1)["parse"] > 0).mean())
    person_mask = np.zeros_like(draw(1)["parse"])
    assert run("quality", record(person_mask=person_mask))[0]["quality"]["person_area"] == 0


@pytest.mark.parametrize("name", ["agnostic", "garment_mask", "high_frequency", "caption_tags", "quality"])
def test_configs_pickle_and_hash(name):
    made = annotators.config(name)
    assert pickle.loads(pickle.dumps(made)) == made and hash(made) == hash(annotators.config(name))
    assert dataclasses.is_dataclass(made) and set(options.settings(made)) <= {f.name for f in dataclasses.fields(made)}


def worn(**areas: float) -> np.ndarray:
    """CIHP ids of 100 x 100 pixels, each label on its share of the frame."""
    parse, start = np.zeros((100, 100), np.uint8), 0
    for name, area in areas.items():
        parse[start : start + round(area * 100)] = labels.Cihp[name]
        start += round(area * 100)
    return parse


@pytest.mark.parametrize(
    ("known", "category"),
    [
        ({"tags": [{"name": "item", "value": "Pants"}]}, "lower_body"),
        ({"tags": [{"name": "item", "value": "wide-leg trousers"}], "paired": False}, "lower_body"),
        ({"tags": [{"name": "item", "value": "Slip Dress"}], "parse": worn(UPPER_CLOTHES=0.3)}, "dresses"),
        ({"parse": worn(DRESS=0.3, LEFT_LEG=0.1)}, "dresses"),
        ({"parse": worn(SKIRT=0.2, PANTS=0.1)}, "lower_body"),
        ({"parse": worn(COAT=0.2)}, "upper_body"),
        ({"category": "dresses", "tags": [{"name": "item", "value": "Pants"}]}, "dresses"),
        ({"tags": [{"name": "item", "value": "Skirt"}], "garment_type": "bits"}, "lower_body"),
        ({"garment_type": "lingerie", "parse": worn(DRESS=0.3)}, None),
    ],
)
def test_the_category_follows_from_what_tells_it(known: dict[str, Any], category: str | None) -> None:
    (decided,) = run("category", {"paired": True, **known})
    assert decided["category"] == category and "category_assumed" not in decided


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"tags": [{"name": "item", "value": None}, {"name": "colors", "value": "Red"}]},
        {"tags": [{"name": "item", "value": "Pants"}, {"name": "item", "value": "Blouse"}]},
        {"parse": worn(UPPER_CLOTHES=0.2, PANTS=0.2)},
        {"parse": worn(DRESS=0.02)},
        {"parse": worn(DRESS=0.3), "paired": False},
    ],
)
def test_a_category_that_nothing_tells_is_assumed_and_no_caption_says_it(known: dict[str, Any]) -> None:
    (decided,) = run("category", {"paired": True, **known})
    assert (decided["category"], decided["category_assumed"]) == ("upper_body", True)
    assert ASSUMED_CATEGORY in decided["notes"]["category"]
    skirt = {
        "garment_image": np.full((8, 8, 3), (190, 30, 40), np.uint8),
        "garment_mask": np.full((8, 8), 255, np.uint8),
    }
    (said,) = run("caption_tags", {**skirt, **decided})
    assert said == {"garment_caption": "red clothes", "caption": "model is wearing red clothes"}


def test_a_version_stands_in_the_fingerprint(monkeypatch):
    """Masks that change under the same settings are built anew."""
    assert registry.versions(["quality", "garment_mask"]) == {"garment_mask": garment_mask.VERSION}
    monkeypatch.setattr(garment_mask, "VERSION", 99)
    assert registry.versions(["garment_mask"]) == {"garment_mask": 99}
