"""The own DensePose network against detectron2's numbers, stage by stage, from a fixture folder.

The folder `densepose` under $VTON_PARITY (default: ../shared/parity beside the checkout) holds meta.json and
io.safetensors. Sizes, seed and tolerances come from its meta.json; the weights follow the rule written there.
"""

import json
import os
import re
import zlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.numpy import load_file  # noqa: E402

from annotators.functional import densepose  # noqa: E402
from annotators.networks.densepose_rcnn import decode, preprocess  # noqa: E402
from annotators.networks.densepose_rcnn.network import DensePoseRcnn  # noqa: E402
from annotators.networks.densepose_rcnn.roi_align import roi_align  # noqa: E402

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared" / "parity")
FOLDER = PARITY / "densepose"
pytestmark = pytest.mark.skipif(not (FOLDER / "io.safetensors").is_file(), reason=f"no fixture in {FOLDER}")


@pytest.fixture(scope="module")
def meta():
    return json.loads((FOLDER / "meta.json").read_text())


@pytest.fixture(scope="module")
def golden():
    return load_file(FOLDER / "io.safetensors")


@pytest.fixture(scope="module")
def tolerance(meta):
    """(absolute difference of features, share of label pixels that must be equal), read from the fixture."""
    absolute, percent = re.search(r"([\d.e-]+) absolute.*?([\d.]+) ?%", meta["tolerance"]).groups()
    return SimpleNamespace(absolute=float(absolute), labels=float(percent) / 100)


@pytest.fixture(scope="module")
def network(meta):
    settings = meta["input"]
    model = DensePoseRcnn(
        settings["score_threshold"],
        settings["detections_per_image"],
        min_size=settings["min_size"],
        max_size=settings["max_size"],
    )
    assert settings["pixel_mean_bgr"] == list(preprocess.PIXEL_MEAN) and settings["pixel_std"] == [1.0] * 3
    draw = WeightsRule(meta["weights_rule"], meta["seed"])
    state = {key: draw(key, shape) for key, shape in meta["state_dict"].items()}
    model.load_state_dict(state)  # strict: the names and shapes are detectron2's
    return model


class WeightsRule:
    """Draws every tensor by the fixture's `weights_rule`, whose numbers are read from its text."""

    def __init__(self, text, seed):
        self.seed = seed
        self.conv3_scale, self.norm_scale, self.noise = map(
            float, re.search(r"\(([\d.]+) if \"\.conv3\.norm\.\" in key else ([\d.]+)\) \+ ([\d.]+) n", text).groups()
        )
        self.class_bias = [float(x) for x in re.search(r"cls_score\.bias = \[(.*?)\]", text).group(1).split(",")]
        special, default = re.search(r"and s = (.*), else ([\d./]+?)\.?$", text).groups()
        self.scales = {
            part: float(Fraction(number))
            for number, parts in re.findall(r"([\d./]+) for ((?:(?:, | and )?[a-z][\w.]*)+)", special)
            for part in re.split(", | and ", parts)
        }
        self.default = float(Fraction(default))

    def __call__(self, key, shape):
        bits = np.random.PCG64(zlib.crc32(f"{self.seed}:{key}".encode()))
        value = self.value(key, shape, np.random.Generator(bits).standard_normal(shape, np.float32))
        return torch.from_numpy(np.broadcast_to(value, shape).astype(np.float32))

    def value(self, key, shape, normal):
        if ".norm." in key:
            scale = self.conv3_scale if ".conv3.norm." in key else self.norm_scale
            weight = scale + self.noise * normal
            return {"running_var": 1, "weight": weight}.get(key.rsplit(".", 1)[1], self.noise * normal)
        if key.endswith("cls_score.bias"):
            return np.array(self.class_bias)
        if key.endswith(".bias"):
            return self.noise * normal
        fan_in = np.prod(shape) / shape[1] if "lowres" in key else np.prod(shape[1:])
        scale = next((scale for part, scale in self.scales.items() if part in key), self.default)
        return np.float32(scale * np.sqrt(2 / fan_in)) * normal


@pytest.fixture(scope="module")
def run(network, golden):
    """Every stage of the network on the fixture's picture and fixed boxes."""
    with torch.inference_mode():
        resized = preprocess.resize(
            np.ascontiguousarray(golden["image_bgr"][:, :, ::-1]), network.min_size, network.max_size
        )
        pyramid = network.backbone(preprocess.stack([resized]))
        proposals = network.proposal_generator(pyramid, [resized.shape[:2]])[0]
        boxes = torch.from_numpy(golden["fixed_boxes"])
        heads = network.roi_heads
        pooled = heads.pool(pyramid, boxes)
        decoded = heads.decoder(pyramid)
        return SimpleNamespace(
            resized=resized,
            pyramid=pyramid,
            proposals=proposals,
            box_pooled=pooled,
            box_outputs=heads.box_predictor(heads.box_head(pooled)),
            decoded=decoded,
            densepose_pooled=roi_align(decoded[0], boxes, 1 / 4, 28),
            maps=dict(zip(("coarse_segm", "fine_segm", "u", "v"), heads.densepose(pyramid, boxes), strict=True)),
        )


@pytest.fixture(scope="module")
def final(network, golden):
    return network([np.ascontiguousarray(golden["image_bgr"][:, :, ::-1])])[0]


def every(meta, name):
    """n of "every nth channel" in what the fixture says about a tensor; 1 where it says nothing."""
    said = re.search(r"every (\d+)", meta["tensors"][name])
    return int(said.group(1)) if said else 1


def close(ours, golden, tolerance):
    ours = np.asarray(ours)
    assert ours.shape == golden.shape
    worst = np.abs(ours - golden).max(initial=0)
    assert worst <= tolerance.absolute, f"differs by {worst:.2e}, allowed {tolerance.absolute}"


def same_labels(ours, golden, tolerance):
    ours = np.asarray(ours)
    assert ours.shape == golden.shape
    assert (ours == golden).mean() >= tolerance.labels


def test_state_dict_is_detectron2s(network, meta):
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes == meta["state_dict"]


def test_resized_input(run, golden):
    np.testing.assert_array_equal(run.resized[:, :, ::-1], golden["resized_bgr"])


@pytest.mark.parametrize("level", ["p2", "p3", "p4", "p5", "p6"])
def test_pyramid(run, golden, meta, tolerance, level):
    close(run.pyramid[level][0, :: every(meta, "fpn.p2..p6")], golden[f"fpn.{level}"], tolerance)


def test_proposals(run, golden, tolerance):
    boxes, logits = run.proposals
    count = len(golden["proposals.boxes"])
    close(logits[:count], golden["proposals.logits"], tolerance)
    close(boxes[:count], golden["proposals.boxes"], tolerance)


def test_box_pooling(run, golden, meta, tolerance):
    close(run.box_pooled[:, :: every(meta, "box.pooled")], golden["box.pooled"], tolerance)


def test_box_outputs(run, golden, tolerance):
    scores, deltas = run.box_outputs
    close(scores, golden["box.scores"], tolerance)
    close(deltas, golden["box.deltas"], tolerance)


def test_densepose_decoder(run, golden, meta, tolerance):
    close(run.decoded[0, :: every(meta, "densepose.decoder")], golden["densepose.decoder"], tolerance)


def test_densepose_pooling(run, golden, meta, tolerance):
    close(run.densepose_pooled[:, :: every(meta, "densepose.pooled")], golden["densepose.pooled"], tolerance)


@pytest.mark.parametrize("name", ["coarse_segm", "fine_segm", "u", "v"])
def test_densepose_maps(run, golden, tolerance, name):
    first, mean = golden[f"densepose.{name}.0"], golden[f"densepose.{name}.mean"]
    step = -(-run.maps[name].shape[1] // len(first))
    close(run.maps[name][0, ::step], first, tolerance)
    close(run.maps[name].mean(dim=(2, 3)), mean, tolerance)


def test_labels_and_uv_of_fixed_boxes(run, golden, tolerance):
    for i in range(len(golden["fixed_boxes"])):
        labels, uv = golden[f"result.{i}.labels"], golden[f"result.{i}.uv"]
        x0, y0, x1, y1 = golden["fixed_boxes"][i]
        parts, ours = decode.resample(*(maps[i] for maps in run.maps.values()), int(y1 - y0), int(x1 - x0))
        same_labels(parts, labels, tolerance)
        equal = parts.numpy() == labels
        close(ours.numpy()[:, equal], uv[:, equal], tolerance)


def test_boxes_and_scores_of_the_whole_network(final, golden, tolerance):
    close(final.boxes, golden["final.boxes"], tolerance)
    close(final.scores, golden["final.scores"], tolerance)


def test_labels_of_the_whole_network(final, golden, tolerance):
    for i in range(len(golden["final.boxes"])):
        labels = golden[f"final.{i}.labels"]
        parts, _ = decode.resample(final.coarse[i], final.fine[i], final.u[i], final.v[i], *labels.shape)
        same_labels(parts, labels, tolerance)


def test_dp_segm_picture(final, golden, tolerance):
    picture = golden["final.0.dp_segm_bgr"][:, :, ::-1]
    iuv = decode.labels(final, 0, *picture.shape[:2])
    assert iuv.dtype == np.uint8 and iuv.shape == picture.shape
    same_labels(densepose.render(iuv[:, :, 0]).reshape(-1, 3), picture.reshape(-1, 3), tolerance)


def test_every_tensor_of_the_fixture_is_compared(golden):
    known = r"image_bgr|resized_bgr|fpn\.p[2-6]|proposals\.(boxes|logits)|fixed_boxes|box\.(pooled|scores|deltas)|"
    known += r"densepose\.(decoder|pooled|(coarse_segm|fine_segm|u|v)\.(0|mean))|result\.\d+\.(labels|uv)|"
    known += r"final\.(boxes|scores|\d+\.labels|0\.dp_segm_bgr)"
    assert not [name for name in golden if not re.fullmatch(known, name)]
