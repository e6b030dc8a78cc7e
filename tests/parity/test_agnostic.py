"""The agnostic recipes against upstream's own pictures, and against what VITON-HD ships, from fixture folders.

The folder `agnostic` under $VTON_PARITY holds the pictures, its meta.json says which joints were taken away; photos,
parses and keypoints, and VITON-HD's own masks, lie under $VTON_DATA (vitonhd_mini). Defaults: ../shared/parity and
../shared/data beside the checkout.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotators.functional import agnostic, masks
from annotators.functional.garment_mask import garment_mask
from schemas import codecs, labels
from schemas.foreign import keypoints as keypoint_files

SHARED = Path(__file__).parents[3] / "shared"
PARITY = Path(os.environ.get("VTON_PARITY") or SHARED / "parity") / "agnostic"
MINI = Path(os.environ.get("VTON_DATA") or SHARED / "data") / "vitonhd_mini"

# Radius, pixels of hrviton's and vitonhd's masks, their IoU, garment covered, pixels of both arms left in the parse.
GOLDEN_AREAS = {
    "00891_00": (14, 169_199, 212_973, 0.7945, 0.9979, 5_938, 0),
    "03615_00": (17, 241_557, 271_008, 0.8855, 1.0, 5_038, 4_507),
    "07445_00": (16, 219_701, 256_698, 0.8543, 1.0, 3_220, 5_796),
    "07573_00": (18, 260_918, 276_868, 0.9324, 1.0, 0, 2_673),
    "10549_00": (21, 343_407, 329_697, 0.9445, 1.0, 4_158, 4_022),
}


def meta():
    path = PARITY / "meta.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def picture_cases():
    return [
        (file, "_".join(file.removesuffix(".png").split("_")[3:5]), case["zeroed_joints"])
        for file, case in meta().get("hrviton_image", {}).get("files", {}).items()
    ]


def parse_cases():
    section = meta().get("vitonhd", {})
    name = section.get("sample")
    variants = section.get("missing_joint_variants", {}).get("zeroed_joints", {})
    plain = [(f"{family}_parse_agnostic_{name}.png", name, []) for family in ("vitonhd", "hrviton") if name]
    return plain + [(f"vitonhd_parse_agnostic_{name}_{tag}.png", name, joints) for tag, joints in variants.items()]


def pixels(path):
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return np.asarray(Image.open(path))


def person(name, absent=()):
    """(photo, parse, keypoints) of a person of the miniature dataset, whichever split it lies in."""
    found = sorted(MINI.glob(f"*/openpose_json/{name}_keypoints.json"))
    if not found:
        pytest.skip(f"no person {name} in {MINI}")
    split = found[0].parent.parent
    keypoints = keypoint_files.read(found[0].read_bytes()).columns["keypoints"]
    keypoints[list(absent)] = 0
    return pixels(split / "image" / f"{name}.jpg"), pixels(split / "image-parse-v3" / f"{name}.png"), keypoints


def shipped(folder):
    return sorted(MINI.glob(f"*/{folder}/*")) or [None]


def label(value):
    return "none" if value is None else getattr(value, "stem", str(value))


def need(value):
    if value is None:
        pytest.skip(f"nothing of this kind in {MINI}")
    return value


def test_fixtures_have_cases():
    if not meta():
        pytest.skip(f"{PARITY} is absent; set VTON_PARITY")
    assert picture_cases() and len(parse_cases()) > 2


@pytest.mark.parametrize(("file", "name", "absent"), picture_cases(), ids=lambda value: str(value))
def test_hrviton_equals_upstreams_picture(file, name, absent):
    photo, parse, keypoints = person(name, absent)
    picture, mask = agnostic.hrviton(photo, parse, keypoints)
    np.testing.assert_array_equal(picture, pixels(PARITY / file))
    np.testing.assert_array_equal(picture, agnostic.paint(photo, mask))
    changed = meta()["hrviton_image"]["files"][file]["changed_pixels"]
    assert (picture != photo).any(axis=2).sum() <= masks.area(mask) == pytest.approx(changed, rel=0.001)


@pytest.mark.parametrize("name", [meta()["vitonhd"]["sample"]] if meta() else [])
def test_vitonhd_equals_upstreams_picture(name):
    picture, _ = agnostic.vitonhd(*person(name))
    np.testing.assert_array_equal(picture, pixels(PARITY / f"vitonhd_img_agnostic_{name}.png"))


@pytest.mark.parametrize(("file", "name", "absent"), parse_cases(), ids=lambda value: str(value))
def test_parse_agnostic_equals_upstreams(file, name, absent):
    _, parse, keypoints = person(name, absent)
    np.testing.assert_array_equal(agnostic.vitonhd_parse(parse, keypoints), pixels(PARITY / file))


@pytest.mark.parametrize(("name", "expected"), GOLDEN_AREAS.items(), ids=lambda value: str(value)[:8])
def test_areas_on_real_persons(name, expected):
    _, ours, theirs, iou, covered, left, right = expected
    photo, parse, keypoints = person(name)
    (_, hrviton), (_, vitonhd) = agnostic.hrviton(photo, parse, keypoints), agnostic.vitonhd(photo, parse, keypoints)
    assert masks.area(hrviton) == pytest.approx(ours, rel=0.005)
    assert masks.area(vitonhd) == pytest.approx(theirs, rel=0.005)
    assert masks.iou(hrviton, vitonhd) == pytest.approx(iou, abs=0.005)
    assert 1 - agnostic.uncovered_garment(parse, hrviton) == pytest.approx(covered, abs=0.001)
    undressed = agnostic.hrviton_parse(parse, keypoints)
    assert [(undressed == arm).sum() for arm in (14, 15)] == pytest.approx([left, right], rel=0.005)


@pytest.mark.parametrize("name", GOLDEN_AREAS)
@pytest.mark.parametrize("recipe", [agnostic.hrviton_mask, agnostic.vitonhd_mask])
@pytest.mark.parametrize("scale", [0.5, 2])
def test_recipes_keep_their_proportions_at_other_sizes(name, recipe, scale):
    _, parse, keypoints = person(name)
    height, width = (int(side * scale) for side in parse.shape)
    scaled = recipe(masks.resize(parse, height, width), keypoints * np.array([scale, scale, 1]))
    assert masks.iou(scaled, masks.resize(recipe(parse, keypoints), height, width)) > 0.997


@pytest.mark.parametrize("path", shipped("agnostic-mask"), ids=label)
def test_painting_a_shipped_mask_gives_the_shipped_picture(path):
    name, split = need(path).name.removesuffix("_mask.png"), path.parent.parent
    photo, theirs = pixels(split / "image" / f"{name}.jpg"), pixels(split / "agnostic-v3.2" / f"{name}.jpg")
    mask = codecs.decode_mask(path.read_bytes())
    saved = io.BytesIO()
    Image.fromarray(agnostic.paint(photo, mask)).save(saved, "JPEG", quality=75)
    difference = np.abs(np.asarray(Image.open(saved)).astype(int) - theirs).max(axis=2)
    assert (difference <= 4).mean() >= 0.975
    assert masks.iou(agnostic.mask_from_agnostic(photo, theirs), mask) > 0.999


def automasker_cases():
    return [tuple(case) for case in meta().get("catvton_automasker", {}).get("cases", [])]


@pytest.mark.parametrize(("number", "kind", "area"), automasker_cases(), ids=lambda value: str(value))
def test_catvton_equals_automasker(number, kind, area):
    with np.load(PARITY / meta()["catvton_automasker"]["file"]) as stored:
        maps = [stored[f"{number}.{name}"] for name in ("densepose", "lip", "atr")]
        expected = stored[f"{number}.mask.{kind}"]
    made = agnostic.catvton_mask(*maps, kind)
    np.testing.assert_array_equal(made, expected)
    assert masks.area(made) == area


# Pixels of OOTDiffusion's mask (hd) at 384 × 512 and of LaDI-VTON's at 768 × 1024, and their IoU with hrviton's.
GOLDEN_RECIPES = {
    "00891_00": (41_927, 0.900, 188_454, 0.811),
    "03615_00": (55_424, 0.911, 234_465, 0.824),
    "07445_00": (51_907, 0.939, 221_531, 0.816),
    "07573_00": (57_789, 0.881, 251_622, 0.883),
    "10549_00": (71_400, 0.831, 297_390, 0.866),
}


@pytest.mark.parametrize(("name", "expected"), GOLDEN_RECIPES.items(), ids=lambda value: str(value)[:8])
def test_recipes_on_photographed_people(name, expected):
    _, parse, keypoints = person(name)
    reference, joints = agnostic.hrviton_mask(parse, keypoints), labels.body25_to_coco18(keypoints)[:, :2]
    small = labels.crosswalk(masks.resize(parse, 512, 384), "cihp", "atr")
    ootdiffusion = agnostic.ootdiffusion_mask(small, joints / 2, "upper_body", "hd")
    ladi = agnostic.ladi_mask(parse, joints, "upper_body", "hd")
    enlarged = masks.resize(ootdiffusion, *parse.shape)
    found = (masks.area(ootdiffusion), masks.iou(enlarged, reference), masks.area(ladi), masks.iou(ladi, reference))
    assert found == pytest.approx(expected, rel=0.005)


def test_garment_masks_agree_with_shipped_ones():
    paths = [path for path in shipped("cloth-mask") if path]
    overlaps = []
    for path in paths:
        garment = path.parent.parent / "cloth" / path.name
        if garment.is_file():
            overlaps.append(masks.iou(garment_mask(pixels(garment)), codecs.decode_mask(path.read_bytes())))
    if not overlaps:
        pytest.skip(f"no garments with masks in {MINI}")
    assert np.mean(overlaps) >= 0.985 and min(overlaps) >= 0.96, overlaps
