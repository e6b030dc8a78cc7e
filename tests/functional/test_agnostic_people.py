"""Every recipe as the `agnostic` annotator calls it, on drawn and photographed people."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support.helpers import draw

import annotators
from annotators.common import registry
from annotators.functional import agnostic, densepose, masks
from annotators.functional.agnostic import inputs
from benchmarks import recipes as benchmark
from pipelines.drawing.garments import GARMENTS
from pipelines.drawing.people import draw_person
from schemas import fields, labels

DATA = Path(os.environ.get("VTON_DATA") or Path(__file__).parents[3] / "shared/data")
DRAWN = ("00001_00", "00008_00", "00012_00", "00015_00")  # two upper garments, a skirt, a dress
RECIPES = tuple(name for name in agnostic.RECIPES if name != "auto")  # which only chooses among the others
GARMENT_LABELS = {"upper_body": (5, 7), "lower_body": (9, 12), "dresses": (6,)}
# Measured on the drawn people. Squares of even size reach further to one side, as upstream: 5 pixels of the frame with
# Dress Code's and Leffa's. Frames of half the photo's size sample other pixels of its mirror image.
MIRRORED_IOU = {
    "hrviton": 0.99, "vitonhd": 0.99, "fitdit": 0.99, "ladi": 0.98, "ootdiffusion": 0.97, "catvton": 0.97,
    "dresscode": 0.95, "idm_vton": 0.95, "leffa": 0.92,
}  # fmt: skip


@cache
def drawn(name):
    scene = draw_person(name)
    maps = np.repeat(scene.densepose[..., None], 3, axis=2)
    return {
        "person_image": scene.image, "parse": scene.parse, "keypoints": scene.keypoints, "densepose": maps,
        "densepose_image": densepose.render(scene.densepose), "category": str(GARMENTS[name].category),
    }  # fmt: skip


@cache
def photographed():
    return list(benchmark.photographed_people(DATA / "vitonhd_mini"))


def mirrored(record):
    keypoints = record["keypoints"][labels.FLIP_BODY_25].copy()
    present = keypoints[:, :2].any(axis=1)
    keypoints[present, 0] = record["parse"].shape[1] - 1 - keypoints[present, 0]
    maps = labels.FLIP["densepose"][record["densepose"][:, ::-1]]
    return record | {
        "person_image": record["person_image"][:, ::-1], "parse": labels.FLIP["cihp"][record["parse"][:, ::-1]],
        "keypoints": keypoints, "densepose": maps, "densepose_image": densepose.render(maps[..., 0]),
    }  # fmt: skip


def run(record, **values):
    (made,) = annotators.config("agnostic", **values).build()([record])
    return made


def covers(recipe, record):
    return record["category"] in agnostic.RECIPES[recipe].categories


def assert_covered(record, mask):
    """At most 3 % of the garment is left, and at most 3 pixels deep are taken from the face."""
    garment = masks.of_labels(record["parse"], GARMENT_LABELS[record["category"]])
    assert masks.area(garment & ~mask) <= 0.03 * masks.area(garment)
    face = masks.of_labels(record["parse"], (labels.Cihp.FACE,))
    assert not (masks.erode(face, 3, 3) & mask).any()


@pytest.mark.parametrize("model_type", agnostic.MODEL_TYPES)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", DRAWN)
def test_the_garment_goes_and_the_face_stays(recipe, model_type, name):
    record = drawn(name)
    made = run(record, recipe=recipe, model_type=model_type)
    if not covers(recipe, record):
        assert_null_and_said(made)
        return
    mask = made["agnostic_mask"]
    assert mask.shape == record["parse"].shape and set(np.unique(mask)) == {0, 255}
    assert_covered(record, mask)
    np.testing.assert_array_equal(made["agnostic_image"], agnostic.paint(record["person_image"], mask))
    assert (made["parse_agnostic"] is None) == (recipe not in ("hrviton", "vitonhd"))


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "catvton"])
def test_photographed_people_are_covered(recipe):
    if not photographed():
        pytest.skip(f"nobody with parse and keypoints in {DATA}/vitonhd_mini")
    for record in photographed():
        assert_covered(record, run(record, recipe=recipe)["agnostic_mask"])


def assert_null_and_said(made):
    """No column, and of each the reason."""
    notes = made.pop("notes")
    assert made and all(value is None for value in made.values())
    assert set(notes) == set(made) and all("--agnostic-recipe auto" in note for note in notes.values())


@pytest.mark.parametrize("name", DRAWN)
def test_dresscode_and_idm_vton_cover_their_target_to_the_pixel(name):
    record = drawn(name)
    made = run(record, recipe="idm_vton,dresscode")
    parse = inputs.dresscode(record, 1024, 768, record["category"])
    target = {"upper_body": (4,), "lower_body": (6, 12, 13), "dresses": (7, 12, 13)}[record["category"]]
    assert (made["agnostic_mask"][np.isin(parse, target)] == 255).all()
    protected = {"upper_body": (5, 6), "lower_body": (4, 14, 15), "dresses": ()}[record["category"]]
    assert not made["agnostic_mask"][np.isin(parse, (1, 2, 3, 9, 10, 16, 17, *protected))].any()
    np.testing.assert_array_equal(made["agnostic_mask"], made["agnostic_mask_dresscode"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_mirrored_person_gives_the_mirrored_mask(recipe):
    for name in DRAWN[1:]:
        record = drawn(name)
        if covers(recipe, record):
            there, back = (run(one, recipe=recipe)["agnostic_mask"] for one in (record, mirrored(record)))
            assert masks.iou(there[:, ::-1], back) > MIRRORED_IOU[recipe]


@pytest.mark.parametrize("contest", benchmark.CONTESTS, ids=lambda contest: contest.name)
def test_recipes_equal_their_plain_versions(contest):
    people = [drawn(name) for name in DRAWN] + photographed()[:2]
    found = benchmark.cases(contest, people)
    assert found
    benchmark.check_equal(contest, found)


@pytest.mark.parametrize("shape", [(512, 384), (1000, 1000), (97, 61), (1536, 1152)], ids=str)
@pytest.mark.parametrize("recipe", RECIPES)
def test_photos_of_any_size(recipe, shape):
    record = drawn(DRAWN[0])
    height, width = shape
    keypoints = record["keypoints"] * np.array([width / 768, height / 1024, 1], np.float32)
    pictures = {
        name: masks.resize(record[name], height, width)
        for name in ("person_image", "parse", "densepose", "densepose_image")
    }
    mask = run(record | pictures | {"keypoints": keypoints}, recipe=recipe)["agnostic_mask"]
    reference = masks.resize(run(record, recipe=recipe)["agnostic_mask"], height, width)
    assert mask.shape == shape
    assert masks.iou(mask, reference) > (0.85 if abs(height / width - 4 / 3) < 0.01 else 0.7)


def test_several_recipes_at_once():
    record, names = drawn(DRAWN[0]), ("catvton", "hrviton", "leffa")
    config = annotators.config("agnostic", recipe=",".join(names))
    assert registry.inputs("agnostic", config) == ("person_image", "parse", "densepose_image", "keypoints")
    assert registry.optional_inputs("agnostic", config) == (
        "category", "parse_lip", "parse_atr", "densepose",
    )  # fmt: skip
    (made,) = config.build()([record])
    assert list(made) == [*(field.name for field in config.fields()), "notes"]
    assert made["notes"] == {"parse_agnostic": "recipe catvton doesn't undress the parse; hrviton and vitonhd do"}
    assert fields.kind(config.fields()[-1]) == "mask" and made["parse_agnostic"] is None
    for name, column in zip(names, ("agnostic_mask", "agnostic_mask_hrviton", "agnostic_mask_leffa"), strict=True):
        np.testing.assert_array_equal(made[column], run(record, recipe=name)["agnostic_mask"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_category_null_and_absent(recipe):
    record = drawn(DRAWN[0])
    absent = run({key: value for key, value in record.items() if key != "category"}, recipe=recipe)
    np.testing.assert_array_equal(absent["agnostic_mask"], run(record, recipe=recipe)["agnostic_mask"])
    null = run(record | {"category": None}, recipe=recipe)
    if agnostic.RECIPES[recipe].by_category:
        assert_null_and_said(null)
    else:
        np.testing.assert_array_equal(null["agnostic_mask"], absent["agnostic_mask"])


def test_mask_types_are_catvtons_own():
    record = drawn(DRAWN[0])
    maps = record["densepose"][..., 0].copy(), inputs.lip(record), inputs.atr(record)
    for kind in agnostic.MASK_TYPES:
        expected = agnostic.catvton_mask(*maps, kind)
        if not expected.any():
            with pytest.raises(ValueError, match="nothing to repaint"):
                run(record, recipe="catvton", mask_type=kind)
            continue
        np.testing.assert_array_equal(run(record, recipe="catvton", mask_type=kind)["agnostic_mask"], expected)
    for category, kind in (("upper_body", "upper"), ("lower_body", "lower"), ("dresses", "overall")):
        made = run(record | {"category": category}, recipe="catvton")["agnostic_mask"]
        np.testing.assert_array_equal(made, agnostic.catvton_mask(*maps, kind))


def test_model_type_chooses_the_form():
    record = drawn(DRAWN[0])
    for recipe in ("ootdiffusion", "ladi", "leffa"):
        hd, dc = (run(record, recipe=recipe, model_type=form)["agnostic_mask"] for form in agnostic.MODEL_TYPES)
        assert masks.area(dc) != masks.area(hd)
    with pytest.raises(ValueError, match="model_type 'xl'; allowed are hd, dc"):
        annotators.config("agnostic", model_type="xl")
    with pytest.raises(ValueError, match="mask_type 'hat'; allowed are auto, upper"):
        annotators.config("agnostic", mask_type="hat")


def test_the_parsers_own_maps_are_used_where_there_are_some():
    record = drawn(DRAWN[0])
    derived = {"parse_lip": inputs.lip(record), "parse_atr": inputs.atr(record)}
    sleeveless = derived["parse_atr"].copy()
    sleeveless[sleeveless == labels.Atr.UPPER_CLOTHES] = 0
    headless = np.where(derived["parse_lip"] == labels.Lip.FACE, 0, derived["parse_lip"]).astype(np.uint8)
    for recipe in ("ootdiffusion", "idm_vton", "catvton", "fitdit"):
        plain = run(record, recipe=recipe)["agnostic_mask"]
        np.testing.assert_array_equal(run(record | derived, recipe=recipe)["agnostic_mask"], plain)
        changed = {"parse_lip": headless} if recipe == "catvton" else {"parse_atr": sleeveless}
        assert masks.area(run(record | changed, recipe=recipe)["agnostic_mask"]) != masks.area(plain)


def test_body_parts_come_from_the_picture_where_there_is_no_map():
    record = drawn(DRAWN[1])
    jpeg = benchmark.codecs.decode_image(benchmark.codecs.encode_jpeg(record["densepose_image"]))
    without = {key: value for key, value in record.items() if key != "densepose"} | {"densepose_image": jpeg}
    there, decoded = (run(one, recipe="catvton")["agnostic_mask"] for one in (record, without))
    assert masks.iou(there, decoded) > 0.98


def test_fitdit_reaches_to_the_hands_it_is_given():
    record = drawn(DRAWN[0])
    hands = np.zeros((42, 3), np.float32)
    hands[5] = (740, 500, 1)
    plain, wider = (run(one, recipe="fitdit")["agnostic_mask"] for one in (record, record | {"keypoints_hands": hands}))
    assert not plain[500, 745] and wider[500, 745]
    assert "keypoints_hands" in registry.optional_inputs("agnostic", annotators.config("agnostic", recipe="fitdit"))


def test_agnostic_follows_what_it_may_read():
    configs = {
        "agnostic": annotators.config("agnostic", recipe="catvton,fitdit"),
        "parsing": annotators.config("parsing", lip=True, atr=True, backend="schp"),
        "pose": annotators.config("pose", hands=True), "densepose": annotators.config("densepose"),
    }  # fmt: skip
    assert annotators.order(configs)[-1] == "agnostic"


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "catvton"])
def test_joints_far_outside_are_refused(recipe):
    given = draw(1)
    record = {"person_image": given["person"], "parse": given["parse"], "keypoints": np.full((25, 3), np.nan)}
    with pytest.raises(ValueError, match="a joint is not a number"):
        run(record, recipe=recipe)


def test_auto_draws_upper_bodies_as_hrviton_and_the_rest_as_dresscode() -> None:
    seen = set()
    for name in DRAWN:
        record = drawn(name)
        expected = "hrviton" if record["category"] == "upper_body" else "dresscode"
        made, other = run(record, recipe="auto"), run(record, recipe=expected)
        assert (made["agnostic_mask"] == other["agnostic_mask"]).all()
        assert made["notes"]["agnostic_mask"] == f"drawn by {expected}"
        seen.add(expected)
    assert seen == {"hrviton", "dresscode"}
