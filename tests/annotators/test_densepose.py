"""The DensePose annotator around the network: whose body, empty photos, clear errors. Random weights, small widths of
work: the shortest edge is 96 pixels instead of 800."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.helpers import draw
from support.tiny_models import save_densepose

import annotators
from annotators import densepose
from annotators.common import weights
from annotators.networks import transformers_models
from annotators.networks.densepose_rcnn import checkpoint
from schemas.labels import DENSEPOSE_COLOURS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_densepose(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of a test's size instead of 800 pixels."""
    whole = checkpoint.network

    def small_network(*arguments: Any) -> Any:
        model = whole(*arguments)
        model.min_size, model.max_size = 96, 160
        return model

    monkeypatch.setattr(checkpoint, "network", small_network)


@pytest.mark.usefixtures("small")
def test_columns_are_of_the_photos_size_and_batch_equals_singles(folder: Path) -> None:
    made = annotators.config("densepose", weights_dir=str(folder)).build()
    photos = [draw(seed)["person"] for seed in range(2)] + [draw(2)["person"][:101, :77]]
    together = made([{"person_image": photo} for photo in photos])
    for photo, found in zip(photos, together, strict=True):
        (alone,) = made([{"person_image": photo}])
        if isinstance(found, ValueError):
            assert isinstance(alone, ValueError)
            continue
        assert found["densepose"].shape == photo.shape and found["densepose"].dtype == np.uint8
        assert (found["densepose_image"] == DENSEPOSE_COLOURS[found["densepose"][..., 0]]).all()
        assert all((alone[name] == found[name]).all() for name in found)


class Crowd:
    """Stands in for the network: two people of which `choose` takes one."""

    accelerated = False
    boxes = np.array([[2, 2, 40, 60], [50, 2, 94, 120]], np.float32)

    def prepare(self, photos: Sequence[np.ndarray]) -> Any:
        return photos

    def compute(self, photos: Any, choose: densepose.Choose) -> list[densepose.Person | None]:
        people: list[densepose.Person | None] = []
        for number, photo in enumerate(photos):
            best = choose(number, self.boxes, np.array([0.99, 0.9], np.float32))
            iuv = np.zeros(photo.shape, np.uint8)
            if best is not None:
                x0, y0, x1, y1 = self.boxes[best].astype(int)
                iuv[y0:y1, x0:x1] = (2, 10, 20)
            people.append(densepose.Person(iuv))
        return people


class Nobody(Crowd):
    def compute(self, photos: Any, choose: densepose.Choose) -> list[densepose.Person | None]:
        return [None for _ in photos]


def column_of(maps: np.ndarray) -> int:
    return int(np.flatnonzero(maps[..., 0].any(axis=0))[0])


@pytest.mark.parametrize(("person", "left"), [("largest", 50), ("score", 2), ("center", 50)])
def test_the_choice_without_a_box(person: str, left: int) -> None:
    made = densepose.DensePoseEstimator(densepose.Config(person=person), Crowd())
    (found,) = made([{"person_image": draw(0)["person"]}])
    assert column_of(found["densepose"]) == left


def test_box_and_keypoints_decide_whose_body_it_is() -> None:
    made = densepose.DensePoseEstimator(densepose.Config(), Crowd())
    photo = draw(0)["person"]
    keypoints = np.zeros((25, 3), np.float32)
    keypoints[[2, 5, 9, 12]] = [(10, 20, 1), (30, 20, 1), (12, 50, 1), (28, 50, 1)]
    for hint in ({"person_box": np.array([0, 0, 42, 62])}, {"keypoints": keypoints}):
        (found,) = made([{"person_image": photo} | hint])
        assert column_of(found["densepose"]) == 2, hint


def test_nobody_is_an_error_in_its_place_or_null() -> None:
    record = {"person_image": draw(0)["person"]}
    (found,) = densepose.DensePoseEstimator(densepose.Config(), Nobody())([record])
    assert isinstance(found, ValueError) and str(found) == "no person found"
    (found,) = densepose.DensePoseEstimator(densepose.Config(nobody="null"), Nobody())([record])
    assert found == {"densepose": None, "densepose_image": None}


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(weights.MissingWeights, match="python -m annotators fetch densepose_r50_fpn_s1x"):
        annotators.config("densepose", weights_dir=str(tmp_path)).build()
    (tmp_path / "model_final_162be9.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="system"):
        annotators.config("densepose", weights_dir=str(tmp_path)).build()
    with pytest.raises(ValueError, match="allowed are torch, detectron2"):
        annotators.config("densepose", backend="caffe")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda' is not available"):
            transformers_models.torch_device("cuda")


def test_detectron2_says_what_to_install() -> None:
    pytest.importorskip("torch")
    try:
        import detectron2  # noqa: F401

        pytest.skip("detectron2 is installed")
    except ImportError:
        pass
    with pytest.raises(ValueError, match="pip install --no-build-isolation"):
        annotators.config("densepose", backend="detectron2").build()
