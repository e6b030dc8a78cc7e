"""Pairs as AnyDoor's own code sees them, from the folder `anydoor` of $VTON_PARITY (preprocess.json, .npz)."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.draws import Recorded

from annotators.functional import boxes, frequency, masks
from annotators.functional.placement import collage, outlines, stitching
from annotators.functional.placement.perturbation import perturb

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared/parity") / "anydoor"
FORMS = {
    "train": collage.TRAINING,
    "run_inference": collage.SCRIPT,
    "gradio": collage.DEMO,
    "gradio_shape": collage.DEMO,
}


@cache
def stored():
    with np.load(PARITY / "preprocess.npz") as arrays:
        return dict(arrays)


def cases(*prefixes):
    path = PARITY / "preprocess.json"
    listed = json.loads(path.read_text())["cases"] if path.is_file() else []
    return [case for case in listed if case["name"].rstrip("0123456789") in prefixes]


def number(case):
    return "".join(filter(str.isdigit, case["name"]))


def scene(which):
    arrays = stored()
    names = ("ref_image", "ref_mask", "tar_image", "tar_mask")
    return [arrays[f"scene{which}.{name}"] for name in names]


def draws_of(case):
    recorded = case["draws"]
    if isinstance(recorded, str):
        recorded = json.loads((PARITY / "draws.json").read_text())[recorded]
    return Recorded(recorded)


def upstream(box):
    """Our (x0, y0, x1, y1) as upstream's [y0, y1, x0, x1]."""
    x0, y0, x1, y1 = box
    return [y0, y1, x0, x1]


def ours(box):
    y0, y1, x0, x1 = box
    return x0, y0, x1, y1


def near(picture, expected):
    assert picture.shape == expected.shape
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 1


def test_fixtures_are_there():
    if not cases(*FORMS):
        pytest.skip(f"{PARITY}/preprocess.json is absent; set VTON_PARITY")
    assert {case["name"].rstrip("0123456789") for case in cases(*FORMS)} <= set(FORMS)


@pytest.mark.parametrize("case", cases("prim"), ids=lambda case: case["name"])
def test_boxes_equal_upstreams(case):
    mask = stored()[f"scene{number(case)}.tar_mask"]
    height, width = mask.shape
    box = outlines.of_mask(mask)
    assert upstream(box) == case["bbox"]
    assert int((mask > 0).sum()) == case["mask_sum"]
    draws = Recorded(case["expand_draws"])
    for (low, high), expected in zip([(11, 12), (13, 30), (15, 30)], case["expand"], strict=True):
        grown = outlines.expand(box, outlines.ratio((low, high), draws), height, width)
        assert upstream(grown) == expected
        box = grown if (low, high) == (11, 12) else box
    crop = outlines.square(ours(case["expand"][1]), height, width)
    assert upstream(crop) == case["square_of_second"]
    assert upstream(outlines.inside(ours(case["expand"][0]), crop)) == case["box_in_box"]
    for given, expected in case["square_cases"]:
        assert upstream(outlines.square(ours(given), height, width)) == expected


@pytest.mark.parametrize("case", cases("prim"), ids=lambda case: case["name"])
def test_masks_equal_upstreams(case):
    which, arrays = number(case), stored()
    mask = arrays[f"scene{which}.tar_mask"]
    assert outlines.largest_share(mask) == pytest.approx(case["mask_score"])
    two = arrays[f"prim{which}.two_components"]
    assert outlines.largest_share(two) == pytest.approx(case["mask_score_two"])
    np.testing.assert_array_equal(masks.keep_components(two * 255) > 0, arrays[f"prim{which}.max_region"] > 0)
    recorded = Recorded(json.loads((PARITY / "draws.json").read_text())[case["perturb_draws"]])
    perturbed = perturb(mask, recorded)
    np.testing.assert_array_equal(perturbed > 0, arrays[f"prim{which}.perturbed"] > 0)
    assert not recorded.left
    assert masks.iou(perturbed, mask) == pytest.approx(case["perturb_iou"])


@pytest.mark.parametrize("case", cases("prim"), ids=lambda case: case["name"])
def test_high_frequency_map_equals_upstreams(case):
    which, arrays = number(case), stored()
    made = frequency.high_frequency_map(arrays[f"sobel{which}.image"], arrays[f"sobel{which}.mask"])
    np.testing.assert_array_equal(made, arrays[f"sobel{which}.out"])


@pytest.mark.parametrize("case", cases(*FORMS), ids=lambda case: case["name"])
def test_composites_equal_upstreams(case):
    name, form = case["name"], FORMS[case["name"].rstrip("0123456789")]
    image, mask, target, target_mask = scene(case["scene"])
    draws = draws_of(case)
    reference = collage.cut_reference(image, mask, outlines.ratio(form.reference_ratios, draws))
    if form is collage.TRAINING:
        composite, placement = collage.training_composite(reference, target, target_mask, draws)
    else:
        placement = collage.place(target_mask, form.crop_ratios, draws)
        shape = boxes.crop(target_mask, placement.crop) if "shape" in name else None
        composite = collage.compose(target, collage.details(reference), placement, shape, form)
    assert not draws.left
    assert upstream(placement.crop) == case["tar_box_yyxx_crop"]
    height, width, _ = boxes.crop(target, placement.crop).shape
    assert [height, width, max(height, width), max(height, width)] == case["extra_sizes"]
    assert sorted(set(np.unique(composite.mask).tolist())) == case["hint_mask_values"]
    _compare(name, reference, composite)


def _compare(name, reference, composite):
    arrays = stored()
    for key, picture in (("ref", reference.image), ("hint_mask", composite.mask)):
        if f"{name}.{key}" in arrays:
            near(picture, arrays[f"{name}.{key}"])
    for key, picture in (("hint_rgb", composite.collage), ("jpg", composite.scene)):
        path = PARITY / "preprocess" / f"{name}.{key}.png"
        if path.is_file():
            near(picture, np.asarray(Image.open(path)))


@pytest.mark.parametrize("case", [c for c in cases(*FORMS) if "crop_back" in c], ids=lambda case: case["name"])
def test_stitching_equals_upstreams(case):
    name, form = case["name"], FORMS[case["name"].rstrip("0123456789")]
    _, _, target, target_mask = scene(case["scene"])
    draws = draws_of(case)
    outlines.ratio(form.reference_ratios, draws)
    placement = collage.place(target_mask, form.crop_ratios, draws)
    predicted = stored()[f"pred{case['scene']}"]
    whole = np.concatenate([predicted[:1], predicted])  # the first row, which upstream had dropped
    stitched = stitching.stitch(whole, target, placement, form.margin)
    near(stitched, stored()[f"{name}.crop_back"])
