import json
import os
from pathlib import Path

import numpy as np
import pytest

from annotators.functional import captions

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared" / "parity")
GOLDEN = PARITY / "idm_vton" / "captions.json"


def test_equals_idm_vtons_captions():
    if not GOLDEN.is_file():
        pytest.skip(f"{GOLDEN} is absent; set VTON_PARITY")
    cases = [case for case in json.loads(GOLDEN.read_text())["cases"] if "tag_info" in case]
    assert cases
    for case in cases:
        tags = [{"name": tag["tag_name"], "value": tag["tag_category"]} for tag in case["tag_info"]]
        phrase = captions.tag_caption(tags)
        assert (phrase or "") == case["V"].strip()
        if phrase:
            assert captions.person_caption(phrase) == case["tryon_test"].strip()


def test_order_is_sleeve_neck_item_and_nulls_are_left_out():
    tags = [{"name": "item", "value": "Blouse"}, {"name": "colors", "value": "Red"}]
    tags += [{"name": "neckLine", "value": None}, {"name": "sleeveLength", "value": "Long Sleeve"}]
    assert captions.tag_caption(tags) == "Long Sleeve Blouse"
    assert captions.tag_caption([]) is None and captions.tag_caption(tags[1:3]) is None


@pytest.mark.parametrize(("name", "colour"), captions.COLOURS.items())
def test_colours_are_named_by_what_most_of_the_garment_shows(name, colour):
    image = np.full((60, 40, 3), 246, np.uint8)
    mask = np.zeros((60, 40), np.uint8)
    mask[10:50, 10:30] = 255
    image[mask > 0] = colour
    image[10:20, 10:30] = (0, 0, 0)
    assert captions.colour_name(image, mask) == name
    assert captions.colour_name(image, np.zeros_like(mask)) is None


def test_measured_captions():
    image, mask = np.full((9, 9, 3), (240, 125, 30), np.uint8), np.full((9, 9), 255, np.uint8)
    said = {
        category: captions.person_caption(captions.measured_caption(image, mask, category))
        for category in ("upper_body", "lower_body", "dresses", None)
    }
    assert said["upper_body"] == "model is wearing an orange top"
    assert said["lower_body"] == "model is wearing orange bottoms"
    assert said["dresses"] == "model is wearing an orange dress"
    assert said[None] == "model is wearing orange clothes"
    assert captions.measured_caption(image, None, "upper_body") == "top"
    assert captions.person_caption("navy top") == "model is wearing a navy top"


@pytest.mark.parametrize(
    ("phrase", "sentence"),
    [
        ("Pants", "model is wearing Pants"),
        ("Jogger PANTS", "model is wearing Jogger PANTS"),
        ("Denim Skirt", "model is wearing a Denim Skirt"),
        ("Overalls", "model is wearing Overalls"),
        ("Sleeveless Round Neck Slip Dress", "model is wearing a Sleeveless Round Neck Slip Dress"),
        ("Off Shoulder Blouse", "model is wearing an Off Shoulder Blouse"),
        ("Short Sleeve Round Neck T-shirts", "model is wearing a Short Sleeve Round Neck T-shirts"),
    ],
)
def test_the_article_is_what_the_garment_takes(phrase, sentence):
    assert captions.person_caption(phrase) == sentence


def test_blank_tag_values_are_no_words():
    tags = [{"name": "item", "value": " "}, {"name": "sleeveLength", "value": ""}, {"name": "neckLine", "value": None}]
    assert captions.tag_caption(tags) is None
    assert captions.tag_caption([*tags, {"name": "item", "value": " Slip  Dress\n"}]) == "Slip Dress"
