"""Garment tags on a tiny random CLIP, saved in the hub's layout and found through weights_dir."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_models import save_clip

from annotators import tags
from annotators.common import batching, registry, vocabulary, weights
from schemas.labels import Body25, Category, Cihp

DATA = Path(os.environ.get("VTON_DATA", Path(__file__).parents[3] / "shared" / "data"))
ORDER = [
    "item", "details", "looks", "colors", "prints", "textures",
    "sleeveLength", "length", "neckLine", "fit", "shape",
]  # fmt: skip
NAMED_IN_THE_SPEC = {
    "item": ["T-shirts", "Blouse", "Tank Top"],
    "colors": ["Black"],
    "prints": ["Solid"],
    "textures": ["Cotton"],
    "sleeveLength": ["Short Sleeve", "Long Sleeve", "Sleeveless", "Cropped Sleeve"],
    "neckLine": ["Round Neck", "V Neck", "U Neck"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    save_clip(root / "tiny" / "clip")
    return root


@pytest.fixture(scope="module")
def records():
    generator = np.random.default_rng(5)
    sizes = [(40, 30), (64, 48), (33, 70), (128, 96)]
    pictures = [generator.integers(0, 256, (*size, 3), np.uint8) // (n + 1) for n, size in enumerate(sizes)]
    categories = ["upper_body", "lower_body", "dresses", None]
    return [{"garment_image": a, "category": b} for a, b in zip(pictures, categories, strict=True)]


def config(folder, **values):
    return tags.Config(**({"model_id": "tiny/clip", "weights_dir": str(folder)} | values))


@pytest.fixture(scope="module")
def tagger(folder):
    return config(folder, threshold=0.0).build()


def values(result):
    return {tag["name"]: tag["value"] for tag in result["tags"]}


def wearing(bare):
    """Columns of a person seen in the garment, with arms of skin or of sleeve."""
    keypoints = np.zeros((25, 3), np.float32)
    for side, x in (("RIGHT", 20), ("LEFT", 60)):
        for joint, y in (("SHOULDER", 10), ("ELBOW", 40), ("WRIST", 70)):
            keypoints[Body25[f"{side}_{joint}"]] = x, y, 1
    parse = np.full((80, 80), Cihp.LEFT_ARM if bare else Cihp.UPPER_CLOTHES, np.uint8)
    return {"parse": parse, "keypoints": keypoints, "paired": True}


def test_a_batch_gives_what_single_records_give(tagger, records):
    together = tagger(records)
    assert together == [tagger([record])[0] for record in records]
    assert together == batching.run(tagger, records, 3)


def test_the_same_twice_and_other_garments_other_tags(folder, tagger, records):
    first = tagger(records)
    assert config(folder, threshold=0.0).build()(records) == first
    same_category = [{"garment_image": record["garment_image"]} for record in records]
    assert len({json.dumps(result) for result in tagger(same_category)}) > 1


def test_eleven_fields_in_order_with_values_of_the_vocabulary(tagger, records):
    for result in tagger(records):
        assert [tag["name"] for tag in result["tags"]] == ORDER
        pa.array([result["tags"]], tags.FIELDS[0].type)
        for field in vocabulary.FIELDS:
            assert values(result)[field.name] in (None, *field.values)


def test_the_category_decides_items_and_which_fields_apply(tagger, records):
    upper, lower, dress, unknown = (values(result) for result in tagger(records))
    assert upper["item"] in vocabulary.ITEMS_BY_CATEGORY[Category.UPPER_BODY] and upper["shape"] is None
    assert lower["item"] in vocabulary.ITEMS_BY_CATEGORY[Category.LOWER_BODY]
    assert lower["sleeveLength"] is None and lower["neckLine"] is None and lower["shape"]
    assert dress["item"] in vocabulary.ITEMS_BY_CATEGORY[Category.DRESSES] and dress["sleeveLength"]
    has_sleeves = vocabulary.category_of(unknown["item"]) in vocabulary.SLEEVE_LENGTH.categories
    assert bool(unknown["sleeveLength"]) == has_sleeves


def test_uncertain_fields_are_null(folder, records):
    unsure = config(folder, threshold=1.0).build()(records)
    assert all(value is None for result in unsure for value in values(result).values())


def test_bare_arms_of_the_wearer_decide_the_sleeve_length(folder, records):
    tagger = config(folder).build()
    tagger.meanings["sleeveLength"] = np.zeros_like(tagger.meanings["sleeveLength"])  # CLIP doesn't know
    seen = [wearing(bare=True), wearing(bare=False), wearing(bare=True) | {"paired": False}, {}]
    results = tagger([records[0] | columns for columns in seen])
    assert [values(result)["sleeveLength"] for result in results] == ["Sleeveless", "Long Sleeve", None, None]
    lower = values(tagger([records[1] | wearing(bare=True)])[0])
    assert lower["sleeveLength"] is None


def test_a_sure_reading_of_the_garment_outweighs_the_arms():
    sure = {"Long Sleeve": 0.97, "Short Sleeve": 0.01, "Sleeveless": 0.01, "Cropped Sleeve": 0.01}
    unsure = {"Long Sleeve": 0.6, "Short Sleeve": 0.1, "Sleeveless": 0.2, "Cropped Sleeve": 0.1}
    for before, word in ((sure, "Long Sleeve"), (unsure, "Sleeveless")):
        after = tags.believe(before, "Sleeveless", 0.75)
        assert max(after, key=after.__getitem__) == word


def test_texts_are_embedded_once_however_many_batches(folder, records, monkeypatch):
    calls = []
    original = tags.Encoder.texts
    monkeypatch.setattr(tags.Encoder, "texts", lambda self, texts: calls.append(1) or original(self, texts))
    tagger = config(folder).build()
    built = len(calls)
    tagger(records[:2])
    tagger(records[2:])
    assert len(calls) == built == len(vocabulary.FIELDS)


def test_scores_are_those_of_the_model_itself(folder, tagger, records):
    """One prompt, one picture: what CLIPModel.forward says of them."""
    import torch

    loaded = tagger.encoder.loaded
    picture = tags.square(records[1]["garment_image"])
    texts = ["a photo of jeans.", "a photo of a t-shirt, black"]
    inputs = loaded.processor(text=texts, images=picture, return_tensors="pt", padding=True)
    with torch.inference_mode():
        expected = loaded.model(**inputs).logits_per_image.numpy()
    found = tagger.encoder.scores(tagger.encoder.pictures([picture]), tagger.encoder.texts(texts))
    assert np.allclose(found, expected, atol=1e-4)


def test_half_precision_stays_near_full(folder, tagger, records):
    half = config(folder, dtype="bfloat16").build()
    pictures = [tags.square(record["garment_image"]) for record in records]
    assert np.allclose(half.encoder.pictures(pictures), tagger.encoder.pictures(pictures), atol=0.1)


def test_pictures_are_resampled_by_pillow_also_where_torchvision_is(tagger):
    assert type(tagger.encoder.loaded.processor.image_processor).__name__ == "CLIPImageProcessorPil"


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(weights.MissingWeights, match="tiny/clip"):
        config(tmp_path).build()


def test_damaged_weights_are_one_clear_error(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "tiny" / "clip" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:999])
    with pytest.raises(ValueError, match="tiny/clip can't be loaded") as caught:
        config(tmp_path).build()
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_one_clear_error(folder):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(ValueError, match=r"device 'cuda'.*cpu"):
        config(folder, device="cuda").build()


def test_an_unknown_category_costs_only_its_record(tagger, records):
    found = batching.run(tagger, [records[0], records[0] | {"category": "hats"}], 2)
    assert "tags" in found[0] and isinstance(found[1], ValueError) and "upper_body" in str(found[1])


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"threshold": -1}, {"batch_size": 0}])
def test_a_config_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="allowed"):
        tags.Config(**wrong)


def test_the_config_travels_and_names_its_weights():
    made = registry.config("tags", model_id="a/b")
    assert pickle.loads(pickle.dumps(made)) == made
    assert registry.needs_weights(made) == ("a/b",)


def test_the_vocabulary_has_the_fields_in_order_and_every_value_of_the_spec():
    assert list(vocabulary.NAMES) == ORDER
    for field in vocabulary.FIELDS:
        assert set(NAMED_IN_THE_SPEC.get(field.name, [])) <= set(field.values)
        phrases = [phrase for _, phrase in field.phrases()]
        assert len(set(phrases)) == len(phrases)
        assert all(phrase in sentence for phrase in phrases for sentence in field.sentences(phrase))


def test_the_vocabulary_has_every_value_of_the_sample_tag_files():
    files = sorted(DATA.glob("vitonhd_mini/*/vitonhd_*_tagged.json"))
    if not files:
        pytest.skip(f"no tag files in {DATA}")
    known = {field.name: field.values for field in vocabulary.FIELDS}
    for entry in (entry for file in files for entry in json.loads(file.read_text())["data"]):
        assert [tag["tag_name"] for tag in entry["tag_info"]] == ORDER
        for tag in entry["tag_info"]:
            assert tag["tag_category"] is None or tag["tag_category"] in known[tag["tag_name"]], tag


def test_an_item_belongs_to_one_category_and_others_to_none():
    assert sum(map(len, vocabulary.ITEMS_BY_CATEGORY.values())) == len(vocabulary.ITEM.values)
    assert vocabulary.category_of("Jeans") == "lower_body"
    with pytest.raises(ValueError, match="T-shirts"):
        vocabulary.category_of("t-shirt")


def test_a_garment_stands_whole_in_the_middle_of_its_background():
    garment = np.full((40, 20, 3), 246, np.uint8)
    garment[1:-1, 1:-1] = (200, 0, 0)
    picture = np.asarray(tags.square(garment))
    assert picture.shape == (40, 40, 3)
    assert (picture[:, 10:30] == garment).all() and (picture[:, :10] == 246).all() and (picture[:, 30:] == 246).all()


PHRASES = len(vocabulary.DETAILS.phrases())


@given(st.lists(st.floats(-50, 50), min_size=PHRASES, max_size=PHRASES))
def test_a_distribution_sums_to_one_over_values_and_none(scores):
    words = tags.distribution(vocabulary.DETAILS, np.array(scores, np.float32))
    assert sum(words.values()) == pytest.approx(1) and set(words) == {*vocabulary.DETAILS.values, None}


@given(st.floats(0.25, 1), st.sampled_from(list(vocabulary.SLEEVE_LENGTH.values)))
def test_believing_a_measurement_never_lowers_its_word(trust, seen):
    words = dict.fromkeys(vocabulary.SLEEVE_LENGTH.values, 0.25)
    after = tags.believe(words, seen, trust)
    assert sum(after.values()) == pytest.approx(1) and after[seen] >= words[seen] - 1e-9
