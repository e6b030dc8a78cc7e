"""The human parser on tiny networks with random weights, saved to disk and found through weights_dir."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.tiny_models import ACE2P as TINY
from support.tiny_models import SEGFORMER, save_schp, save_segformer, tiny_ace2p
from torch import nn

import annotators
from annotators import parsing
from annotators.common import registry, weights
from annotators.functional import parsing as functional
from annotators.networks import ace2p, schp
from schemas import fields, labels
from schemas.labels import Cihp

REPOSITORY = Path(__file__).parents[2]
SIZES = ((96, 72), (64, 64), (50, 91))


pytestmark = pytest.mark.usefixtures("no_machine_weights")


@pytest.fixture(scope="module")
def segformer_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_segformer(folder / "mattmdjaga" / "segformer_b2_clothes")
    return str(folder)


@pytest.fixture(scope="module")
def schp_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schp")
    save_schp(folder, 20, "schp_lip", 1)
    save_schp(folder, 18, "schp_atr", 2)
    return str(folder)


def photos():
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (6, 5, 3), dtype=np.uint8) for _ in SIZES]
    return [
        np.repeat(np.repeat(c, -(-h // 6), 0), -(-w // 5), 1)[:h, :w].copy()
        for c, (h, w) in zip(coarse, SIZES, strict=True)
    ]


def records():
    return [{"person_image": photo} for photo in photos()]


@pytest.fixture(scope="module")
def fashn_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fashn")
    save_segformer(folder / "fashn-ai" / "fashn-human-parser", [label.name.lower() for label in labels.Fashn])
    return str(folder)


@pytest.fixture(params=["segformer", "fashn", "schp"])
def config(request, segformer_dir, fashn_dir, schp_dir):
    folder = {"segformer": segformer_dir, "fashn": fashn_dir, "schp": schp_dir}[request.param]
    return parsing.Config(backend=request.param, weights_dir=folder, atr=True, lip=request.param == "schp")


def test_maps_have_their_columns_sizes_and_ids(config):
    declared = {field.name: fields.label_space(field) for field in config.fields()}
    for record, result in zip(records(), config.build()(records()), strict=True):
        assert set(result) - {"notes"} == set(declared)
        for column, space in declared.items():
            assert result[column].dtype == np.uint8
            assert result[column].shape == record["person_image"].shape[:2]
            labels.check_ids(result[column], space)


def test_a_batch_equals_its_singles(config):
    parser = config.build()
    together = parser(records())
    for record, result in zip(records(), together, strict=True):
        (alone,) = parser([record])
        for column in result:
            np.testing.assert_array_equal(result[column], alone[column])


def test_two_builds_agree(config):
    first, second = config.build()(records()), pickle.loads(pickle.dumps(config)).build()(records())
    for one, other in zip(first, second, strict=True):
        for column in one:
            np.testing.assert_array_equal(one[column], other[column])


def test_the_parse_is_the_parsers_map_in_cihp(segformer_dir):
    for result in parsing.Config(weights_dir=segformer_dir, atr=True).build()(records()):
        np.testing.assert_array_equal(result["parse"], functional.to_cihp(result["parse_atr"], "atr"))
        assert len(np.unique(result["parse_atr"])) > 1


def test_both_schp_maps_make_the_parse(schp_dir):
    for result in parsing.Config(backend="schp", weights_dir=schp_dir, atr=True, lip=True).build()(records()):
        np.testing.assert_array_equal(result["parse"], functional.join_schp(result["parse_atr"], result["parse_lip"]))


def test_classes_go_by_name_not_by_number(tmp_path):
    order = np.random.default_rng(3).permutation(18)
    save_segformer(tmp_path / "plain")
    save_segformer(tmp_path / "mixed", [SEGFORMER[number] for number in order])
    (plain,) = parsing.Config(model_id=str(tmp_path / "plain"), atr=True).build()(records()[:1])
    (mixed,) = parsing.Config(model_id=str(tmp_path / "mixed"), atr=True).build()(records()[:1])
    np.testing.assert_array_equal(mixed["parse_atr"], order[plain["parse_atr"]])


def test_a_lip_model_gives_parse_lip_and_no_parse_atr(tmp_path):
    save_segformer(tmp_path / "lip", [label.name for label in labels.Lip])
    made = parsing.Config(model_id=str(tmp_path / "lip"), lip=True)
    assert set(made.build()(records())[0]) == {"parse", "parse_lip"}
    with pytest.raises(ValueError, match="knows lip labels, not atr: parse_atr needs backend schp"):
        parsing.Config(model_id=str(tmp_path / "lip"), atr=True).build()


def test_fashns_classes_are_known_by_their_names_or_their_backend(fashn_dir, segformer_dir):
    by_backend = parsing.Config(backend="fashn", weights_dir=fashn_dir)
    assert by_backend.weights() == ("fashn-ai/fashn-human-parser",)
    by_name = parsing.Config(model_id="fashn-ai/fashn-human-parser", weights_dir=fashn_dir)
    for one, other in zip(by_backend.build()(records()), by_name.build()(records()), strict=True):
        np.testing.assert_array_equal(one["parse"], other["parse"])
        assert "left and right assumed" in one["notes"]["parse"], "there are no joints"
    with pytest.raises(ValueError, match="has other classes than FASHN's: Background, Hat"):
        folder = f"{segformer_dir}/mattmdjaga/segformer_b2_clothes"
        parsing.Config(backend="fashn", model_id=folder).build()


def test_a_model_of_other_things_is_refused(tmp_path):
    save_segformer(tmp_path / "rooms", ["wall", "floor", "ceiling"])
    with pytest.raises(ValueError, match="rooms: classes .*CEILING.* belong to none of the vocabularies"):
        parsing.Config(model_id=str(tmp_path / "rooms")).build()


def test_smooth_is_applied_to_parse_alone(segformer_dir):
    plain = parsing.Config(weights_dir=segformer_dir, atr=True).build()(records())
    smooth = parsing.Config(weights_dir=segformer_dir, atr=True, smooth=True).build()(records())
    for one, other in zip(plain, smooth, strict=True):
        np.testing.assert_array_equal(other["parse"], functional.smooth_borders(one["parse"]))
        np.testing.assert_array_equal(other["parse_atr"], one["parse_atr"])


def parser_that_sees(*maps):
    """A HumanParser whose networks see these CIHP maps."""
    steps = {"prepare": list, "compute": lambda photos: maps, "maps": lambda label_map: {"cihp": label_map}}
    return parsing.HumanParser(parsing.Config(), SimpleNamespace(accelerated=False, **steps))


def test_the_box_chooses_one_of_two_people():
    parse = np.zeros((60, 100), np.uint8)
    parse[10:50, 5:35], parse[10:50, 60:95] = Cihp.COAT, Cihp.DRESS
    record = {"person_image": np.zeros((60, 100, 3), np.uint8), "person_box": np.array([60, 10, 95, 50], np.float32)}
    (result,) = parser_that_sees(parse)([record])
    assert set(np.unique(result["parse"])) == {0, Cihp.DRESS}
    (both,) = parser_that_sees(parse)([{"person_image": record["person_image"], "person_box": None}])
    np.testing.assert_array_equal(both["parse"], parse)


def test_a_photo_without_a_person_is_refused():
    with pytest.raises(ValueError, match="nobody found"):
        parser_that_sees(np.zeros((4, 4), np.uint8))([{"person_image": np.zeros((4, 4, 3), np.uint8)}])


def test_the_channel_order_reaches_the_network(schp_dir):
    swapped = [{"person_image": record["person_image"][..., ::-1]} for record in records()]
    bgr = parsing.Config(backend="schp", weights_dir=schp_dir).build()(records())
    rgb = parsing.Config(backend="schp", channels="rgb", weights_dir=schp_dir).build()(swapped)
    for one, other in zip(bgr, rgb, strict=True):
        np.testing.assert_array_equal(one["parse"], other["parse"])


def test_it_runs_through_annotate(segformer_dir):
    (result,) = annotators.annotate(records()[:1], want=("parse",), weights=segformer_dir)
    assert result["parse"].shape == SIZES[0]


def test_missing_weights_are_named_with_the_command(tmp_path):
    for backend, name in (("segformer", "mattmdjaga/segformer_b2_clothes"), ("schp", "schp_atr")):
        config = parsing.Config(backend=backend, weights_dir=str(tmp_path))
        assert registry.needs_weights(config)[0] == name
        with pytest.raises(weights.MissingWeights, match=f"python -m annotators fetch {name}"):
            config.build()


class Hostile:
    """Runs code when unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return (Path.touch, (self.witness,))


@pytest.mark.parametrize("kind", ["noise", "cut", "other network", "other classes", "hostile"])
def test_corrupt_and_hostile_checkpoints_give_one_clear_line(tmp_path, kind):
    save_schp(tmp_path, 20, "schp_lip", 1)
    path = tmp_path / weights.TABLE["schp_lip"].files[0]
    witness = tmp_path / "witness"
    if kind == "noise":
        path.write_bytes(b"not a checkpoint")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "other network":
        torch.save({"state_dict": nn.Linear(2, 2).state_dict()}, path)
    elif kind == "other classes":
        save_schp(tmp_path, 7, "schp_lip", 1)
    else:
        torch.save({"state_dict": Hostile(witness)}, path)
    with pytest.raises(ValueError, match=path.name) as caught:
        schp.load("lip", str(tmp_path))
    assert "\n" not in str(caught.value)
    assert not witness.exists()


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_corrupt_segformers_give_one_clear_line(tmp_path, damage):
    folder = save_segformer(tmp_path / "model")
    (folder / damage).write_bytes(b"\\x00 nonsense")
    with pytest.raises(ValueError, match="can't be loaded") as caught:
        parsing.Config(model_id=str(folder)).build()
    assert "\n" not in str(caught.value)


def test_a_segformer_that_is_a_hostile_pickle_is_refused(tmp_path):
    folder, witness = save_segformer(tmp_path / "model"), tmp_path / "witness"
    (folder / "model.safetensors").unlink()
    torch.save({"decode_head.classifier.bias": Hostile(witness)}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="can't be loaded"):
        parsing.Config(model_id=str(folder)).build()
    assert not witness.exists()


def test_corrupt_onnx_gives_one_clear_line(tmp_path):
    (tmp_path / "parsing_lip.onnx").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="schp_lip_onnx can't be loaded") as caught:
        schp.load("lip", str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_named(config):
    fields_ = {name: getattr(config, name) for name in ("backend", "weights_dir")}
    with pytest.raises(ValueError, match="'cuda' is not available.*cpu"):
        parsing.Config(**fields_, device="cuda").build()


class MatrixPooling(nn.Module):
    """AdaptiveAvgPool2d as two matrices: ONNX's exporter knows that one only where cells divide the size."""

    def __init__(self, cells, size):
        super().__init__()
        eye = torch.eye(size)[None]
        self.register_buffer("matrix", nn.functional.adaptive_avg_pool1d(eye, cells)[0].T.contiguous())

    def forward(self, x):
        return self.matrix @ x @ self.matrix.T


def export_onnx(network, side, path, monkeypatch):
    """The network as OOTDiffusion ships it: a batch of one, `input.1`, outputs parsing, fusion, edges."""
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    monkeypatch.setattr(onnx_proto_utils, "_add_onnxscript_fn", lambda model, opsets: model)  # it needs only `onnx`
    for stage in network.context_encoding.stages:
        stage[0] = MatrixPooling(stage[0].output_size, -(-side // 16))
    torch.onnx.export(
        network, (torch.zeros(1, 3, side, side),), str(path), dynamo=False, input_names=["input.1"], opset_version=13
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("space", "classes"), [("lip", 20), ("atr", 18)])
def test_onnx_and_torch_see_the_same(tmp_path, monkeypatch, space, classes):
    for form in ("torch", "onnx"):
        (tmp_path / form).mkdir()
    network = save_schp(tmp_path / "torch", classes, f"schp_{space}", 5)
    export_onnx(network, schp.SIDES[space], tmp_path / "onnx" / f"parsing_{space}.onnx", monkeypatch)
    assert schp.weights_name(space, str(tmp_path / "onnx")) == f"schp_{space}_onnx"
    ours, theirs = (schp.load(space, str(tmp_path / form))(photos()) for form in ("torch", "onnx"))
    for one, other in zip(ours, theirs, strict=True):
        assert len(np.unique(one)) > 2
        np.testing.assert_array_equal(one, other)


def test_the_published_widths_are_read_off_the_keys():
    network = tiny_ace2p(20, 0)
    assert ace2p.Widths.of(network.state_dict()) == ace2p.Widths(classes=20, **TINY)
    with torch.device("meta"):
        published = ace2p.ACE2P(ace2p.Widths(classes=20))
    assert sum(parameter.numel() for parameter in published.parameters()) == 66_723_928
    keys = set(published.state_dict())
    assert {"layer3.22.bn3.running_var", "context_encoding.stages.3.2.bias", "decoder.conv3.3.weight"} <= keys
    assert {"edge.conv4.bias", "fushion.3.weight", "layer4.0.downsample.1.running_mean"} <= keys


@pytest.mark.parametrize("values", [{"backend": "magic"}, {"channels": "hsv"}])
def test_values_outside_the_choices_are_refused(values):
    with pytest.raises(ValueError, match="allowed are"):
        registry.config("parsing", **values)


def test_importing_it_imports_nothing_heavy():
    code = (
        "import annotators.parsing as p, sys; c = p.Config(); c.fields(), c.weights(); "
        "print([m for m in ('torch', 'transformers', 'mediapipe', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
