"""Person masks by three backends, and the garment segmenter's network; the selfie segmenter is the real model."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny_models import tiny_u2net, tiny_u2net_widths
from torch import nn

from annotators import person_mask
from annotators.common import registry, weights
from annotators.networks import u2net
from schemas import codecs, labels

REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY / ".." / "shared"
MODELS = Path(os.environ.get("VTON_MODELS", SHARED / "models"))
DATA = Path(os.environ.get("VTON_DATA", SHARED / "data"))
has_model = pytest.mark.skipif(not (MODELS / "selfie_segmenter.tflite").is_file(), reason=f"no model in {MODELS}")
SIZES = ((96, 72), (64, 64), (50, 91))


pytestmark = pytest.mark.usefixtures("no_machine_weights")


def save_segformer(folder: Path, names) -> Path:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessorPil

    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=dict(enumerate(names)),
    )
    model = SegformerForSemanticSegmentation(config)
    nn.init.normal_(model.decode_head.classifier.weight)
    model.save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    return str(save_segformer(tmp_path_factory.mktemp("rooms") / "model", ["wall", "person", "floor", "tree"]))


def photos():
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((12, 12, 1)))[:h, :w].astype(np.uint8) for h, w in SIZES]


def people():
    folder = DATA / "vitonhd_mini" / "test" / "image"
    found = [codecs.decode_image(path.read_bytes()) for path in sorted(folder.glob("*.jpg"))[:2]]
    return [found[0], found[1][100:900, 50:700]] if found else []


def backends(rooms):
    yield person_mask.Config(backend="transformers", model_id=rooms), [{"person_image": photo} for photo in photos()]
    parses = [np.full(size, number, np.uint8) for number, size in enumerate(SIZES, 1)]
    yield person_mask.Config(backend="parse"), [{"parse": parse} for parse in parses]
    if (MODELS / "selfie_segmenter.tflite").is_file() and people():
        yield person_mask.Config(weights_dir=str(MODELS)), [{"person_image": photo} for photo in people()]


def test_masks_have_the_photos_size_and_a_batch_equals_its_singles(rooms):
    for config, records in backends(rooms):
        first, second = config.build(), config.build()
        together = first(records)
        for record, result in zip(records, together, strict=True):
            (mask,) = result.values()
            assert mask.dtype == np.uint8
            assert mask.shape == record[config.reads()[0]].shape[:2]
            assert set(np.unique(mask)) <= {0, 255}
            np.testing.assert_array_equal(mask, second([record])[0]["person_mask"])


@has_model
def test_the_selfie_segmenter_finds_the_person():
    """Against the shipped parses, which other software made of the same photos."""
    shipped = sorted((DATA / "vitonhd_mini" / "test" / "image-parse-v3").glob("*.png"))
    if not shipped:
        pytest.skip(f"no photos under {DATA}")
    build = person_mask.Config(weights_dir=str(MODELS)).build()
    for path in shipped:
        image = path.parents[1] / "image" / f"{path.stem}.jpg"
        found = build([{"person_image": codecs.decode_image(image.read_bytes())}])[0]["person_mask"] > 0
        known = codecs.decode_label_map(path.read_bytes(), "cihp") > 0
        assert (found & known).sum() / (found | known).sum() > 0.9


@has_model
def test_a_higher_threshold_only_removes():
    found = people()
    if not found:
        pytest.skip(f"no photos under {DATA}")
    low, high = (person_mask.Config(weights_dir=str(MODELS), threshold=t).build() for t in (0.3, 0.8))
    for photo in found:
        loose, strict = (build([{"person_image": photo}])[0]["person_mask"] for build in (low, high))
        assert not (strict & ~loose).any()
        assert strict.sum() < loose.sum()


def test_the_class_person_counts_and_else_all_but_the_background(rooms, tmp_path):
    save_segformer(tmp_path / "clothes", ["Background", "Hat", "Dress", "Face"])
    from annotators.networks import segmentation

    for folder, chosen in ((rooms, {1}), (str(tmp_path / "clothes"), {1, 2, 3})):
        build = person_mask.Config(backend="transformers", model_id=folder).build()
        label_maps = segmentation.load(folder)(photos())
        for photo, label_map in zip(photos(), label_maps, strict=True):
            mask = build([{"person_image": photo}])[0]["person_mask"]
            np.testing.assert_array_equal(mask > 0, np.isin(label_map, list(chosen)))


def test_a_model_without_people_is_refused(tmp_path):
    save_segformer(tmp_path / "m", ["wall", "floor"])
    with pytest.raises(ValueError, match="neither a class person nor a class background"):
        person_mask.Config(backend="transformers", model_id=str(tmp_path / "m")).build()


def test_the_box_chooses_and_nobody_is_refused():
    parse = np.zeros((60, 100), np.uint8)
    parse[10:50, 5:35], parse[10:50, 60:95] = labels.Cihp.COAT, labels.Cihp.DRESS
    build = person_mask.Config(backend="parse").build()
    (result,) = build([{"parse": parse, "person_box": np.array([5, 10, 35, 50], np.float32)}])
    np.testing.assert_array_equal(result["person_mask"] > 0, parse == labels.Cihp.COAT)
    with pytest.raises(ValueError, match="nobody found"):
        build([{"parse": np.zeros((4, 4), np.uint8)}])


def test_each_backend_says_what_it_reads_and_needs():
    for backend, reads, needs in (
        ("mediapipe", ("person_image",), ("selfie_segmenter",)),
        ("parse", ("parse",), ()),
        ("transformers", ("person_image",), ("mattmdjaga/segformer_b2_clothes",)),
    ):
        config = registry.config("person_mask", backend=backend)
        assert registry.inputs("person_mask", config) == reads
        assert registry.needs_weights(config) == needs


def test_missing_and_corrupt_weights_give_one_clear_line(tmp_path):
    config = person_mask.Config(weights_dir=str(tmp_path))
    with pytest.raises(weights.MissingWeights, match="python -m annotators fetch selfie_segmenter"):
        config.build()
    (tmp_path / "selfie_segmenter.tflite").write_bytes(b"not a model" * 100)
    with pytest.raises(ValueError, match="selfie_segmenter can't be loaded") as caught:
        config.build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{"threshold": 1.5}, {"batch_size": 0}, {"backend": "magic"}])
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ValueError, match="allowed"):
        registry.config("person_mask", **values)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_named(rooms, tmp_path):
    with pytest.raises(ValueError, match="'cuda' is not available.*cpu"):
        person_mask.Config(backend="transformers", model_id=rooms, device="cuda").build()
    with pytest.raises(ValueError, match="'cuda' is not available.*cpu"):
        u2net.load(tmp_path / "cloth_segm.pth", "cuda")


def test_importing_it_imports_nothing_heavy():
    code = (
        "import annotators.person_mask as p, sys; p.Config(); "
        "print([m for m in ('torch', 'transformers', 'mediapipe', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TINY = tiny_u2net_widths()


def garments():
    rng = np.random.default_rng(0)
    return [soft_noise(rng, size) for size in SIZES]


def soft_noise(rng, size):
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.array(coarse.resize(size[::-1], Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def cloth_segm(tmp_path_factory):
    path = tmp_path_factory.mktemp("u2net") / "cloth_segm.pth"
    torch.save({f"module.{key}": value for key, value in tiny_u2net().state_dict().items()}, path)
    return path


def small(path):
    """The segmenter with a smaller square, since 768 takes seconds."""
    assert u2net.load(path).side == 768
    return dataclasses.replace(u2net.load(path), side=128)


def test_garments_are_labelled_at_their_size_and_alone_as_in_a_batch(cloth_segm):
    segmenter = small(cloth_segm)
    together = segmenter.segment(garments())
    assert len(np.unique(np.concatenate([label_map.ravel() for label_map in together]))) > 1
    for photo, label_map in zip(garments(), together, strict=True):
        assert label_map.dtype == np.uint8
        assert label_map.shape == photo.shape[:2]
        assert label_map.max() < 4
        np.testing.assert_array_equal(label_map, segmenter.segment([photo])[0])


def test_garment_masks_are_the_labels_up_to_a_border(cloth_segm):
    segmenter = small(cloth_segm)
    for mask, label_map in zip(segmenter.masks(garments()), segmenter.segment(garments()), strict=True):
        assert set(np.unique(mask)) <= {0, 255}
        assert ((mask > 0) == (label_map != u2net.BACKGROUND)).mean() > 0.9


def test_safetensors_serve_as_well(cloth_segm, tmp_path):
    from safetensors.torch import save_file

    save_file(tiny_u2net().state_dict(), tmp_path / "cloth_segm.safetensors")
    photo = garments()[:1]
    ours, theirs = (small(path).segment(photo)[0] for path in (cloth_segm, tmp_path / "cloth_segm.safetensors"))
    np.testing.assert_array_equal(ours, theirs)


def test_the_published_network_has_its_parameters_and_keys():
    with torch.device("meta"):
        published = u2net.U2Net(u2net.Widths())
    assert sum(parameter.numel() for parameter in published.parameters()) == 44_051_452  # magic_clothing.md §6
    keys = set(published.state_dict())
    assert {"stage1.rebnconv7.conv_s1.weight", "stage5.rebnconv3d.bn_s1.running_mean", "side6.bias"} <= keys
    assert {"stage1d.rebnconv6d.conv_s1.weight", "outconv.weight"} <= keys
    assert u2net.Widths.of(tiny_u2net().state_dict()) == TINY


class Hostile:
    """Runs code when unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return (Path.touch, (self.witness,))


@pytest.mark.parametrize("kind", ["noise", "other network", "hostile"])
def test_corrupt_and_hostile_garment_weights_give_one_clear_line(tmp_path, kind):
    path, witness = tmp_path / "cloth_segm.pth", tmp_path / "witness"
    content = {"other network": nn.Linear(2, 2).state_dict(), "hostile": {"a": Hostile(witness)}}
    if kind == "noise":
        path.write_bytes(b"not a checkpoint")
    else:
        torch.save(content[kind], path)
    with pytest.raises(ValueError, match="u2net_cloth can't be loaded from .*cloth_segm.pth") as caught:
        u2net.load(path)
    assert "\n" not in str(caught.value)
    assert not witness.exists()
