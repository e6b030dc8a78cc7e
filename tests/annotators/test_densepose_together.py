"""DensePose's photos of a batch at once, as an accelerator has them: the people of single photos. A CPU stands in."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.functional import densepose
from annotators.networks import devices
from annotators.networks.densepose_rcnn import decode, network
from annotators.networks.densepose_rcnn import together as joined
from annotators.networks.densepose_rcnn.boxes import nms
from annotators.networks.densepose_rcnn.network import DensePoseRcnn


def photo(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def cpu_as_accelerator(monkeypatch):
    monkeypatch.setattr(devices, "accelerated", lambda device: True)


def boxes_of(seed, count):
    corners = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)) * 60
    return torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:] * 0.6], dim=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 60), st.floats(0.1, 0.9))
def test_suppression_of_many_sets_is_that_of_each(seed, sets, count, threshold):
    boxes = torch.stack([boxes_of(seed + n, count) for n in range(sets)])
    valid = torch.rand(sets, count, generator=torch.Generator().manual_seed(seed)) > 0.3
    together = joined.nms(boxes, valid, threshold)
    for own, there, kept in zip(boxes, valid, together, strict=True):
        places = there.nonzero().flatten()
        scores = torch.arange(len(places), 0, -1).float()
        expected = torch.zeros(count, dtype=torch.bool)
        expected[places[nms(own[places], scores, threshold)]] = True
        assert kept.equal(expected)


@pytest.fixture(scope="module")
def densepose_network():
    torch.manual_seed(3)
    network = DensePoseRcnn(score_threshold=0.0, detections=1, min_size=64, max_size=100)
    # Scores that differ, so that a rounding in the last bit doesn't choose another box.
    torch.nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=2)
    torch.nn.init.normal_(network.proposal_generator.rpn_head.objectness_logits.weight, std=2)
    return network


def largest(number, boxes, scores):
    return int(np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])))


def test_people_of_a_batch_are_those_of_single_photos(densepose_network, monkeypatch):
    photos = [photo(*size, seed) for seed, size in enumerate([(71, 53), (40, 97), (70, 53)])]
    singles = densepose_network(photos, largest)
    monkeypatch.setattr(devices, "accelerated", lambda device: True)
    together = densepose_network(photos, largest)
    for one, other, picture in zip(singles, together, photos, strict=True):
        torch.testing.assert_close(other.boxes, one.boxes, atol=1e-2, rtol=0)
        torch.testing.assert_close(other.scores, one.scores, atol=1e-3, rtol=0)
        torch.testing.assert_close(other.fine, one.fine, atol=1e-3, rtol=1e-3)
        iuv, drawn = decode.drawn(other, *picture.shape[:2])
        own = decode.labels(other, 0, *picture.shape[:2])
        np.testing.assert_array_equal(iuv, own)
        np.testing.assert_array_equal(drawn, densepose.render(own[..., 0]))


def test_a_batch_holds_as_many_photos_as_pixels_allow(densepose_network, cpu_as_accelerator, monkeypatch):
    resized = [torch.empty(64, 96, 3), torch.empty(60, 90, 3), torch.empty(96, 64, 3), torch.empty(33, 66, 3)]
    monkeypatch.setattr(network, "ACCELERATOR_PIXELS", 2 * 64 * 96)
    assert list(densepose_network.groups(resized)) == [[0, 1], [3], [2]]
    monkeypatch.setattr(network, "ACCELERATOR_PIXELS", 1)
    assert list(densepose_network.groups(resized)) == [[0], [1], [3], [2]]


def test_nobody_may_be_chosen_or_seen(densepose_network, cpu_as_accelerator, monkeypatch):
    photos = [photo(71, 53, seed) for seed in range(2)]
    found = densepose_network(photos, lambda number, boxes, scores: 0 if number == 1 else None)
    assert [len(people) for people in found] == [0, 1]
    monkeypatch.setattr(densepose_network, "score_threshold", 1.0)
    assert [len(people) for people in densepose_network(photos, largest)] == [0, 0]
