import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from annotators.functional import densepose
from schemas.labels import DENSEPOSE_COLOURS

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

from annotators.networks.densepose_rcnn import array_pickle, checkpoint, decode, preprocess  # noqa: E402
from annotators.networks.densepose_rcnn.boxes import apply_deltas, iou, nms  # noqa: E402
from annotators.networks.densepose_rcnn.heads import around  # noqa: E402
from annotators.networks.densepose_rcnn.network import DensePoseRcnn, Detections  # noqa: E402
from annotators.networks.densepose_rcnn.proposals import anchors_at, cell_anchors  # noqa: E402
from annotators.networks.densepose_rcnn.roi_align import assign_levels, roi_align  # noqa: E402

DATA = Path(os.environ.get("VTON_DATA") or Path(__file__).parents[3] / "shared" / "data")
PICTURES = sorted((DATA / "vitonhd_mini" / "test" / "image-densepose").glob("*.jpg"))


@pytest.fixture(scope="module")
def network():
    """Random weights; a score threshold of 0, so that every photo has its people."""
    torch.manual_seed(3)
    return DensePoseRcnn(score_threshold=0.0, detections=1, min_size=64, max_size=100)


def photo(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


# ROIAlign


def bilinear(feature, y, x):
    """One sample by the definition: zero beyond one cell outside, else clamped to the map."""
    _, height, width = feature.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(len(feature))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    fy, fx = y - y0, x - x0
    top = feature[:, y0, x0] * (1 - fx) + feature[:, y0, x1] * fx
    bottom = feature[:, y1, x0] * (1 - fx) + feature[:, y1, x1] * fx
    return top * (1 - fy) + bottom * fy


def roi_align_by_loops(feature, boxes, scale, bins):
    pooled = torch.zeros(len(boxes), len(feature), bins, bins)
    for n, (x0, y0, x1, y1) in enumerate((boxes * scale).tolist()):
        bin_width, bin_height = max(x1 - x0, 1.0) / bins, max(y1 - y0, 1.0) / bins
        for row in range(bins):
            for column in range(bins):
                for sample in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
                    y, x = y0 + (row + sample[0]) * bin_height, x0 + (column + sample[1]) * bin_width
                    pooled[n, :, row, column] += bilinear(feature, y, x) / 4
    return pooled


def test_roi_align_equals_its_definition():
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(3, 13, 9, generator=generator)
    corners = torch.rand(20, 2, generator=generator) * torch.tensor([50.0, 60.0]) - 12
    boxes = torch.cat([corners, corners + torch.rand(20, 2, generator=generator) * 45], dim=1)
    boxes = torch.cat([boxes, torch.tensor([[5.0, 5.0, 5.5, 5.5], [0.0, 0.0, 36.0, 52.0], [90.0, 0.0, 99.0, 9.0]])])
    torch.testing.assert_close(roi_align(feature, boxes, 0.25, 5), roi_align_by_loops(feature, boxes, 0.25, 5))


def test_roi_align_without_boxes():
    assert roi_align(torch.zeros(3, 4, 4), torch.zeros(0, 4), 1.0, 7).shape == (0, 3, 7, 7)


def test_boxes_are_read_from_the_level_of_their_size():
    sides = torch.tensor([1.0, 111, 112, 223, 224, 447, 448, 5000])
    assert assign_levels(sides**2).tolist() == [2, 2, 3, 3, 4, 4, 5, 5]


# Boxes


def random_boxes(seed, count):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + torch.rand(count, 2, generator=generator) * 40], dim=1)
    return boxes, torch.rand(count, generator=generator).mul(20).round() / 20  # with ties


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 60), st.sampled_from([0.0, 0.3, 0.5, 0.7]))
def test_nms_keeps_the_best_of_what_overlaps(seed, count, threshold):
    boxes, scores = random_boxes(seed, count)
    keep = nms(boxes, scores, threshold)
    assert (scores[keep].diff() <= 0).all()
    over = iou(boxes, boxes) > threshold
    kept = set(keep.tolist())
    assert not any(over[i, j] for i in kept for j in kept if i != j)
    for j in set(range(count)) - kept:
        assert any(over[i, j] and (scores[i], -i) > (scores[j], -j) for i in kept)


def test_nms_keeps_boxes_without_area():
    boxes = torch.tensor([[3.0, 3, 3, 3], [3, 3, 3, 3]])
    assert nms(boxes, torch.tensor([0.1, 0.2]), 0.5).tolist() == [1, 0]


def test_zero_deltas_leave_boxes_and_large_ones_are_limited():
    boxes, _ = random_boxes(1, 9)
    torch.testing.assert_close(apply_deltas(boxes, torch.zeros(9, 4), (1.0,) * 4), boxes)
    grown = apply_deltas(
        torch.tensor([[0.0, 0, 16, 16]]), torch.full((1, 4), 1e4) * torch.tensor([0, 0, 1, 1]), (1.0,) * 4
    )
    torch.testing.assert_close(grown, torch.tensor([[-492.0, -492, 508, 508]]))


def test_anchors():
    cell = cell_anchors(32)
    size = cell[:, 2:] - cell[:, :2]
    torch.testing.assert_close(size.prod(dim=1), torch.full((3,), 1024.0))
    torch.testing.assert_close(size[:, 1] / size[:, 0], torch.tensor([0.5, 1.0, 2.0]))
    at = anchors_at(torch.tensor([3 * (2 * 10 + 7) + 1]), "p3", columns=10)  # row 2, column 7, ratio 1
    assert at.tolist() == [[7 * 8 - 32, 2 * 8 - 32, 7 * 8 + 32, 2 * 8 + 32]]


# The network


def test_sizes_at_the_network():
    assert preprocess.resized_size(1024, 768, 800, 1333) == (1067, 800)
    assert preprocess.resized_size(768, 1024, 800, 1333) == (800, 1067)
    assert preprocess.resized_size(3000, 1000, 800, 1333) == (1333, 444)
    assert preprocess.resized_size(1, 5000, 800, 1333) == (1, 1333)
    assert preprocess.padded_size(1067, 800) == (1088, 800)


def test_stack_swaps_channels_and_pads_with_zeros():
    image = photo(30, 50)
    batch = preprocess.stack([image])
    assert batch.shape == (1, 3, 32, 64) and batch.is_contiguous(memory_format=torch.channels_last)
    bgr = image[:, :, ::-1].astype(np.float32) - np.array(preprocess.PIXEL_MEAN, np.float32)
    np.testing.assert_array_equal(batch[0, :, :30, :50].permute(1, 2, 0).numpy(), bgr)
    assert not batch[0, :, 30:].any() and not batch[0, :, :, 50:].any()


def equal(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in Detections.__dataclass_fields__)


def test_batch_equals_singles(network):
    photos = [photo(*size, seed) for seed, size in enumerate([(71, 53), (40, 97), (70, 53), (33, 33), (71, 53)])]
    together = network(photos)
    assert all(len(found) for found in together)
    assert all(equal(found, network([image])[0]) for found, image in zip(together, photos, strict=True))


def test_images_share_a_backbone_pass_only_at_one_padded_size(network, monkeypatch):
    photos = [photo(*size, seed) for seed, size in enumerate([(71, 53), (40, 97), (70, 53)])]
    singles = network(photos)
    monkeypatch.setattr(DensePoseRcnn, "groups", lambda self, resized: iter([[0, 2], [1]]))
    for one, other in zip(singles, network(photos), strict=True):
        torch.testing.assert_close(one.boxes, other.boxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(one.fine, other.fine, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "box", [[150.0, 290, 190, 350], [0.0, 0, 12, 13], [300.2, 400.3, 319.9, 415.9], [5.0, 300, 6, 301]]
)
def test_the_decoder_sees_enough_around_a_box(network, box):
    generator = torch.Generator().manual_seed(0)
    pyramid = {f"p{n}": torch.randn(1, 256, 416 >> n, 320 >> n, generator=generator) for n in (2, 3, 4, 5)}
    heads, boxes = network.roi_heads, torch.tensor([box])
    with torch.inference_mode():
        part, corner = around(pyramid, boxes)
        assert part["p2"].shape[2:].numel() < pyramid["p2"].shape[2:].numel()
        cut = roi_align(heads.decoder(part)[0], boxes - corner, 1 / 4, 28)
        torch.testing.assert_close(cut, roi_align(heads.decoder(pyramid)[0], boxes, 1 / 4, 28), atol=1e-5, rtol=1e-5)


def test_detections_lie_in_their_photo(network, monkeypatch):
    monkeypatch.setattr(network, "detections", 2)
    for found, (height, width) in zip(network([photo(71, 53), photo(40, 97)]), [(71, 53), (40, 97)], strict=True):
        assert 0 < len(found) <= 2
        assert (found.boxes[:, :2] >= 0).all() and (found.boxes[:, 2:] <= torch.tensor([width, height])).all()
        assert (found.scores.diff() <= 0).all() and ((found.scores >= 0) & (found.scores <= 1)).all()
        assert found.coarse.shape[1:] == (2, 112, 112)
        assert found.fine.shape[1:] == found.u.shape[1:] == found.v.shape[1:] == (25, 112, 112)


def test_nobody_found(network, monkeypatch):
    monkeypatch.setattr(network, "score_threshold", 1.0)
    (found,) = network([photo(40, 40)])
    assert len(found) == 0 and found.boxes.shape == (0, 4) and found.u.shape == (0, 25, 112, 112)
    with pytest.raises(IndexError, match="detection 0 of 0"):
        decode.labels(found, 0, 40, 40)


def test_no_photos(network):
    assert network([]) == []


@pytest.mark.parametrize("image", [photo(9, 9)[:, :, 0], photo(9, 9).astype(np.float32), photo(0, 9), "photo.jpg"])
def test_other_arrays_are_refused(network, image):
    with pytest.raises(ValueError, match="image 1"):
        network([photo(9, 9), image])


# Decoding


def detection(box, coarse, fine, u, v):
    return Detections(torch.tensor([box]), torch.ones(1), coarse[None], fine[None], u[None], v[None])


def test_labels_are_pasted_where_the_box_truncates_to():
    coarse = torch.stack([torch.zeros(112, 112), torch.ones(112, 112)])
    coarse[1, :56] = -1  # the upper half is background
    fine = torch.zeros(25, 112, 112)
    fine[7, :, :56], fine[24, :, 56:] = 1, 1
    u, v = (torch.arange(25.0)[:, None, None].expand(25, 112, 112) / 25 for _ in "uv")
    iuv = decode.labels(detection([10.9, 20.9, 30.8, 60.8], coarse, fine, u, 2 - 3 * v), 0, 70, 40)
    assert iuv.shape == (70, 40, 3) and iuv.dtype == np.uint8
    expected = np.zeros((70, 40), np.uint8)
    expected[39:59, 10:29] = 24  # 19 x 39 pixels at (10, 20)
    expected[40:59, 10:19] = 7
    inside = np.zeros((70, 40), bool)
    inside[40:59, 10:29] = True
    inside[:, 19:20] = False  # between the parts
    np.testing.assert_array_equal(iuv[inside][:, 0], expected[inside])
    assert not iuv[:39].any() and not iuv[59:].any() and not iuv[:, :10].any() and not iuv[:, 29:].any()
    assert (iuv[iuv[:, :, 0] == 24] == [24, int(255 * 24 / 25), 0]).all()
    assert (iuv[iuv[:, :, 0] == 7] == [7, int(255 * 7 / 25), 255]).all()


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 150), st.integers(0, 150))
def test_resampling_equals_its_definition(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    coarse, fine, u, v = (torch.randn(c, 112, 112, generator=generator) for c in (2, 25, 25, 25))
    parts, uv = decode.resample(coarse, fine, u, v, height, width)
    size = max(height, 1), max(width, 1)
    wide = [torch.nn.functional.interpolate(maps[None], size, mode="bilinear")[0] for maps in (coarse, fine, u, v)]
    labels = wide[1].argmax(0) * (wide[0].argmax(0) > 0)
    assert (parts == labels).float().mean() > 0.999
    expected = torch.stack([maps.gather(0, labels[None])[0] for maps in wide[2:]]) * (labels > 0)
    same = parts == labels
    torch.testing.assert_close(uv[:, same], expected[:, same], atol=1e-4, rtol=1e-4)


def test_large_boxes_are_resampled_in_pieces(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(c, 112, 112, generator=generator) for c in (2, 25, 25, 25)]
    whole = decode.resample(*maps, 90, 70)
    monkeypatch.setattr(decode, "CHUNK", 500)
    pieces = decode.resample(*maps, 90, 70)
    assert torch.equal(whole[0], pieces[0]) and torch.equal(whole[1], pieces[1])


# Weights


def test_official_pickle_and_its_conversion(network, tmp_path):
    state = network.state_dict()
    arrays = OrderedDict((key, value.half().numpy()) for key, value in state.items())  # half: smaller to write
    arrays["pixel_mean"] = np.array(preprocess.PIXEL_MEAN, np.float32).reshape(3, 1, 1)
    arrays["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "somebody"}))
    loaded = checkpoint.load(tmp_path / "model.pkl")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], value.half().float()) for key, value in state.items())
    checkpoint.convert(tmp_path / "model.pkl", tmp_path / "model.safetensors")
    again = checkpoint.network(tmp_path / "model.safetensors", 0.3, 2)
    assert (again.score_threshold, again.detections) == (0.3, 2)
    assert all(torch.equal(again.state_dict()[key], value) for key, value in loaded.items())


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_pickle_protocol(tmp_path, protocol, order):
    content = {
        "float": np.asarray(np.random.default_rng(0).standard_normal((3, 4, 2)), np.float32, order=order),
        "big endian": np.arange(6.0).reshape(2, 3).astype(">f8", order=order),
        "empty": np.zeros((0, 3), np.float16),
        "nested": [{"int": np.array(3)}, (1, "text", None, True, 2.5)],
        "scalar": np.float32(1.5),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    loaded = array_pickle.load(tmp_path / "a.pkl")
    assert loaded.keys() == content.keys()
    for key in ("float", "big endian", "empty"):
        assert loaded[key].dtype == content[key].dtype
        np.testing.assert_array_equal(loaded[key], content[key])
    assert loaded["nested"][0]["int"] == 3 and loaded["nested"][1] == content["nested"][1] and loaded["scalar"] == 1.5


class Call:
    """Pickles as a call of anything."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "content",
    [
        Call(os.system, ("touch {path}",)),
        Call(eval, ("open('{path}', 'w')",)),
        Call(np.fromfile, ("{path}",)),
        Call(getattr, ("", "format")),
        Call(subprocess.Popen, (["touch", "{path}"],)),
        np.array([print], object),
        np.zeros(2, [("a", "f4")]),
        Path("x"),
        torch.zeros(1),
    ],
    ids=lambda content: str(getattr(content, "call", type(content).__name__))[:30].replace("/", "."),
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_hostile_pickles_are_refused(tmp_path, content, protocol):
    target = tmp_path / "touched"
    if isinstance(content, Call) and isinstance(content.call[1][0], str):
        content = Call(content.call[0], (content.call[1][0].format(path=target), *content.call[1][1:]))
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": {"weight": content}}, protocol))
    with pytest.raises(ValueError, match=r"^model.pkl is refused: it (asks for|holds) .* read$") as caught:
        checkpoint.load(path)
    assert not target.exists() and "\n" not in str(caught.value)


def test_a_refused_global_is_named(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Call(os.system, ("true",))))
    with pytest.raises(ValueError, match=r"posix\.system"):
        checkpoint.load(path)


def test_pickled_dtypes_cannot_alter_numpys_own(tmp_path):
    swapped = np.dtype(">f4")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": np.ones(2, swapped)}))
    array_pickle.load(tmp_path / "a.pkl")
    assert np.dtype("f4").isnative


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pkl", b"", "not a readable pickle"),
        ("a.pkl", b"<html>404</html>", "not a readable pickle"),
        ("a.pkl", b"version https://git-lfs.github.com/spec/v1\n", "not a readable pickle"),
        ("a.pkl", pickle.dumps({"model": {"a": np.ones(99, np.float32)}})[:-50], "not a readable pickle"),
        ("a.pkl", pickle.dumps([1, 2]), "expected nothing but arrays under 'model'"),
        ("a.pkl", pickle.dumps({"model": {"a": 3}}), "expected nothing but arrays under 'model'"),
        ("a.pkl", pickle.dumps({"model": {"a": {1, 2}}}), "expected nothing but arrays under 'model'"),
        ("a.pkl", pickle.dumps({"model": {}}), "335 missing"),
        ("a.pkl", pickle.dumps({"model": 3}), "expected nothing but arrays under 'model'"),
        ("a.safetensors", b"", "not a readable safetensors file"),
        ("a.safetensors", b"\xff" * 99, "not a readable safetensors file"),
        ("a.pth", b"", "not '.pth'"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        checkpoint.load(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.pkl", "a.safetensors"])
def test_absent_files(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / name)


def test_weights_of_another_network(tmp_path):
    with torch.device("meta"):
        keys = list(DensePoseRcnn().state_dict())
    state = {key: torch.zeros(1) for key in keys[5:]} | {"backbone.extra": torch.zeros(1)}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(ValueError) as caught:
        checkpoint.load(tmp_path / "a.safetensors")
    message = str(caught.value)
    assert "5 missing: " in message and "1 unexpected: backbone.extra" in message and "mis-shaped: " in message
    assert min(keys[:5]) in message and "[1] instead of [" in message and message.count("…") == 2


# Pictures


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_decoding_undoes_rendering(seed, height, width):
    parts = np.random.default_rng(seed).integers(0, 25, (height, width), np.uint8)
    np.testing.assert_array_equal(densepose.decode(densepose.render(parts)), parts)


def test_decoding_takes_the_nearest_colour():
    picture = photo(30, 40)
    distance = np.abs(picture[:, :, None].astype(int) - DENSEPOSE_COLOURS).sum(axis=3)
    np.testing.assert_array_equal(densepose.decode(picture), distance.argmin(axis=2))


def test_colours_are_opencvs():
    levels = (255 * np.arange(25) // 24).astype(np.uint8)[None]
    shown = cv2.applyColorMap(levels, cv2.COLORMAP_PARULA)[0, :, ::-1].copy()
    shown[0] = 0
    np.testing.assert_array_equal(densepose.render(np.arange(25, dtype=np.uint8)[None])[0], shown)


def test_rendering_takes_views_and_empty_maps():
    parts = np.random.default_rng(1).integers(0, 25, (20, 30, 3), np.uint8)
    for view in (parts[..., 0], parts[::2, ::3, 1].T, parts[:0, :, 0]):
        np.testing.assert_array_equal(densepose.render(view), DENSEPOSE_COLOURS[view])


def test_unknown_parts_are_refused():
    with pytest.raises(ValueError, match="25"):
        densepose.render(np.array([[25]], np.uint8))


def mode_by_loops(parts, size):
    padded = np.pad(parts, size // 2, mode="edge")
    result = parts.copy()
    for y, x in np.ndindex(*parts.shape):
        count = np.bincount(padded[y : y + size, x : x + size].ravel(), minlength=25)
        if count[parts[y, x]] < count.max():
            result[y, x] = count.argmax()
    return result


@pytest.mark.parametrize("size", [1, 3, 5])
def test_mode_filter_equals_its_definition(size):
    parts = np.random.default_rng(0).integers(0, 4, (23, 17)).astype(np.uint8) * 8
    np.testing.assert_array_equal(densepose.mode_filter(parts, size), mode_by_loops(parts, size))


@pytest.mark.parametrize("size", [-1, 0, 2])
def test_mode_filter_needs_an_odd_size(size):
    with pytest.raises(ValueError, match=str(size)):
        densepose.mode_filter(np.zeros((3, 3), np.uint8), size)


@given(st.integers(-9, 12), st.integers(-9, 12))
def test_pasting_is_cut_at_the_canvas(x, y):
    window = np.arange(1, 41, dtype=np.uint8).reshape(5, 8)
    canvas = densepose.paste(window, x, y, 7, 10)
    for row, column in np.ndindex(7, 10):
        inside = 0 <= row - y < 5 and 0 <= column - x < 8
        assert canvas[row, column] == (window[row - y, column - x] if inside else 0)


@pytest.mark.parametrize("size", [(1536, 1151), (1151, 1536), (2000, 3)])
def test_catvtons_sizes(size):
    image = photo(*size)
    small = densepose.shrink(image)
    scale = 1024 / max(size)
    assert small.shape[:2] == tuple(max(int(side * scale), 1) for side in size)
    parts = small[:, :, 0] % 25
    pillow = np.asarray(Image.fromarray(parts).resize(size[::-1], Image.Resampling.NEAREST))
    np.testing.assert_array_equal(densepose.enlarge(parts, *size), pillow)
    assert densepose.shrink(small) is small


@pytest.mark.skipif(not PICTURES, reason=f"no VITON-HD pictures in {DATA}")
@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("filter_size", [0, 3, 5])
def test_shipped_pictures_survive_decoding(path, filter_size):
    picture = np.asarray(Image.open(path).convert("RGB"))
    parts = densepose.decode(picture, filter_size)
    difference = np.abs(densepose.render(parts).astype(int) - picture).max(axis=2)
    assert (difference <= 12).mean() >= 0.98  # measured: 98.2-98.6 %; the rest are JPEG borders
    assert 0.2 < (parts > 0).mean() < 0.55


# Imports


@pytest.mark.parametrize("module", ["annotators.networks.densepose_rcnn", "annotators.functional.densepose"])
def test_importing_needs_no_torch(module):
    subprocess.run([sys.executable, "-c", f"import sys, {module}; assert 'torch' not in sys.modules"], check=True)
