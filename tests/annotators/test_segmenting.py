"""Outlines told by boxes and points, and those of everything in a picture, by SAM and SAM 2 of random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import moving, tiny_sam2

from annotators.functional import masks
from annotators.tracking import choosing, seeding

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", params=["sam", "sam2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(str(request.param))
    (tiny_sam2.build() if request.param == "sam2" else tiny_sam2.build_sam()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return moving.render(12).pictures[2]


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The room of the segmenter, which keeps masks of random weights too."""
    from annotators.tracking import segmenting

    monkeypatch.setattr(segmenting, "LEAST_QUALITY", -9.0)
    monkeypatch.setattr(segmenting, "LEAST_STABILITY", -1.0)
    return segmenting


def test_everything_gives_unlike_masks_of_the_pictures_size(folder: Path, picture: np.ndarray, unsure: Any) -> None:
    segmenter = unsure.Segmenter(folder)
    found = segmenter.everything(picture)
    assert found and all(mask.shape == picture.shape[:2] and set(np.unique(mask)) <= {0, 255} for mask in found)
    assert all(masks.iou(a, b) < 0.95 for i, a in enumerate(found[:20]) for b in found[:i] if a.any() or b.any())
    assert all(np.array_equal(a, b) for a, b in zip(found, segmenter.everything(picture), strict=True))


def test_masks_that_the_model_is_unsure_of_go(
    folder: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from annotators.tracking import segmenting

    monkeypatch.setattr(segmenting, "LEAST_QUALITY", 9.0)
    assert segmenting.Segmenter(folder).everything(picture) == []


def test_prompts_reach_the_model_as_transformers_own_processor_prepares_them(
    picture: np.ndarray, tmp_path: Path
) -> None:
    """SAM's has a twin without torchvision. Resized by Pillow there, so a few pixels of the outline may differ."""
    from transformers import SamImageProcessorPil, SamProcessor

    from annotators.tracking.segmenting import Segmenter

    torch.manual_seed(0)
    tiny_sam2.build_sam().save_pretrained(tmp_path)
    segmenter = Segmenter(tmp_path)
    processor = SamProcessor(SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}))
    for box, points in (((60, 40, 200, 180), ()), (None, ((100.0, 90.0, True), (300.0, 20.0, False)))):
        asked: dict[str, Any] = {"input_boxes": [[list(map(float, box))]]} if box else {}
        if points:
            asked = {"input_points": [[[list(point[:2]) for point in points]]], "input_labels": [[[1, 0]]]}
        inputs = processor(images=picture, return_tensors="pt", **asked)
        with torch.inference_mode():
            given = {name: inputs[name] for name in ("pixel_values", *asked)}
            expected = segmenter.model(multimask_output=False, **given).pred_masks[0, 0, 0]
            seen = segmenter._see(picture)
            assert seen.scale == (64 / 426, 64 / 426)
            places = torch.tensor([[point[:2] for point in points]]) if points else None
            labels = torch.tensor([[1.0, 0.0]]) if points else None
            ours = segmenter._ask(seen, places, labels, box, several=False).pred_masks[0, 0, 0]
        assert torch.allclose(ours, expected, atol=0.05 * float(expected.abs().max()))
        mask = segmenter.at(picture, box, points)
        assert mask.shape == picture.shape[:2]


def test_another_model_is_refused(tmp_path: Path) -> None:
    from annotators.tracking.segmenting import Segmenter

    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no model of SAM or SAM 2"):
        Segmenter(tmp_path)
    with pytest.raises(ValueError, match="of type 'bert'; allowed are sam, sam2, sam2_video"):
        choosing.choose_seeder("model", str(tmp_path), "")


def test_other_weights_than_planned_are_refused(folder: Path) -> None:
    seeder = choosing.choose_seeder("model", str(folder), "")
    assert seeder.digest and choosing.segmenter(seeder, "cpu")
    with pytest.raises(ValueError, match="aren't those that the build was planned with"):
        choosing.segmenter(choosing.Seeder("model", str(folder), "0" * 64), "cpu")


def test_auto_is_the_model_where_its_weights_are(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("VTON_WEIGHTS", str(tmp_path))
    (tmp_path / "facebook").mkdir()
    assert choosing.choose_seeder("auto", "facebook/own-sam", str(tmp_path)) == choosing.Seeder("motion")
    (tmp_path / "facebook/own-sam").symlink_to(folder)
    assert choosing.choose_seeder("auto", "facebook/own-sam", str(tmp_path)).name == "model"
    with pytest.raises(ValueError, match="are missing"):
        choosing.choose_seeder("model", "facebook/other-sam", str(tmp_path))


def test_of_generated_masks_the_moving_ones_come_first() -> None:
    clip = moving.render(48)
    pictures = [clip.pictures[number] for number in (8, 9, 10)]
    star = clip.masks[8]
    still, wall, speck, part = (np.zeros_like(star) for _ in range(4))
    still[150:235, 250:420] = 255
    wall[0:240, 0:300] = 255
    speck[5:10, 400:405] = 255
    part[star > 0] = 255
    part[: np.nonzero(star.any(1))[0].mean().astype(int)] = 0
    found = seeding.moving_first(pictures, [still, wall, part, star, speck])
    assert [masks.area(mask) for mask in found] == [masks.area(star), masks.area(still)]
    assert len(seeding.moving_first(pictures, [still, star], 1)) == 1


@pytest.mark.parametrize("points", [1, 3])
def test_an_object_is_cut_out_around_points(points: int) -> None:
    clip = moving.render(96)
    y, x = np.array(np.nonzero(clip.masks[8])).mean(axis=1)
    told = [(x, y, True), (x + 8, y - 8, True), (5.0, 5.0, False)][:points]
    assert masks.iou(seeding.at_points(clip.pictures[8], told), clip.masks[8]) > 0.85
