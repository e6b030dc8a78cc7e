"""`sample` of a system that places objects: from files and from shards, and what of the scene may change."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support import object_pairs  # noqa: E402

from annotators.functional.placement import outlines  # noqa: E402
from schemas.cli.flags import UsageError  # noqa: E402
from vton_models.__main__ import main  # noqa: E402
from vton_models.anydoor import Config, build  # noqa: E402

WEIGHTS, FEW = ("--weights", "random", "--tiny"), ("--num-inference-steps", "1", "--guidance-scale", "1")
BOX = (30, 20, 70, 60)


@pytest.fixture
def files(tmp_path):
    """A red disc on noise, its mask, the same cut out, a scene, and a mask in it."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:80, :100]
    disc = (rows - 40) ** 2 + (columns - 50) ** 2 < 25**2
    photo = generator.integers(0, 60, (80, 100, 3), dtype=np.uint8)
    photo[disc] = (220, 30, 30)
    scene = generator.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    target = np.zeros((90, 120), np.uint8)
    target[30:60, 40:60] = 255
    target[40:50, 60:80] = 255
    busy = generator.integers(0, 2, (10, 13, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)[:80, :100] * 120
    pictures = {
        "busy/object": np.where(disc[..., None], photo, busy).astype(np.uint8),
        "object": photo,
        "mask": np.where(disc, np.uint8(255), np.uint8(0)),
        "cutout/object": np.dstack([photo, np.where(disc, np.uint8(255), np.uint8(0))]),
        "plain/object": np.where(disc[..., None], photo, np.uint8(250)),
        "scene": scene,
        "target": target,
    }
    for folder in ("cutout", "plain", "busy"):
        (tmp_path / folder).mkdir()
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return tmp_path


def sample(files, *words):
    """The results in order, and the rows of samples.parquet."""
    output = files / "out"
    own = () if "--weights" in words else WEIGHTS
    assert main(["sample", "anydoor", *own, *FEW, "--output", str(output), "--overwrite", *words]) == 0
    rows = pq.read_table(output / "samples.parquet").to_pylist()
    rows.sort(key=lambda row: (len(row["record_id"]), row["record_id"]))
    return [np.asarray(Image.open(output / row["file"])) for row in rows], rows


def path(files, name):
    return str(files / f"{name}.png")


def picture(files, name):
    return np.asarray(Image.open(path(files, name)))


def changed(result, scene):
    """The box of the pixels that differ."""
    rows, columns = np.nonzero((result != scene).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def placed(files, *words):
    return "--reference", path(files, "object"), "--scene", path(files, "scene"), *words


@pytest.mark.parametrize("stitch", ["box", "feathered"])
def test_a_box_changes_and_nothing_else(files, stitch):
    words = placed(files, "--reference-mask", path(files, "mask"), "--box", "30,20,70,60", "--stitch", stitch)
    (result,), (row,) = sample(files, *words)
    x0, y0, x1, y1 = changed(result, picture(files, "scene"))
    assert BOX[0] <= x0 and BOX[1] <= y0 and x1 <= BOX[2] and y1 <= BOX[3]
    assert (x1 - x0) * (y1 - y0) > 0.9 * 40 * 40
    assert (row["reference_id"], row["scene_id"], row["box"]) == ("object", "scene", "30 20 70 60")
    assert row["record_id"] == "scene+object"


def test_a_crop_changes_but_for_its_rim(files):
    words = placed(files, "--reference-mask", path(files, "mask"), "--box", *map(str, BOX), "--stitch", "crop")
    (result,), _ = sample(files, *words)
    crop = outlines.square(outlines.expand(BOX, 2.0, 90, 120), 90, 120)
    expected = crop[0] + 5, crop[1] + 5, crop[2] - 5, crop[3] - 5
    assert changed(result, picture(files, "scene")) == expected


@pytest.fixture
def weights(tmp_path):
    """Random ones whose control branch says something: its outputs begin as zeros."""
    model = build(Config.tiny())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.trainable().items():
            if name.startswith("controlnet.") and not parameter.any():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    model.save_base(tmp_path / "base")
    return "--weights", f"base:{tmp_path / 'base'}", "--height", "64", "--width", "64"


def test_shape_control_shows_the_network_the_mask(files, weights):
    """What is generated differs; with a soft edge it also stays within the mask."""
    words = placed(files, "--reference-mask", path(files, "mask"), "--mask", path(files, "target"), *weights)
    (boxed,), _ = sample(files, *words)
    (shaped,), _ = sample(files, *words, "--shape-control")
    assert not np.array_equal(boxed, shaped)
    (soft,), _ = sample(files, *words, "--shape-control", "--stitch", "feathered")
    outside = picture(files, "target") == 0
    assert np.array_equal(soft[outside], picture(files, "scene")[outside])


def test_strength_of_control_counts(files, weights):
    words = placed(files, "--reference-mask", path(files, "mask"), "--box", "30,20,70,60", *weights)
    results = [sample(files, *words, "--control-strength", strength)[0][0] for strength in ("0", "1")]
    assert not np.array_equal(*results)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--reference", "cutout/object"), "transparency"),
        (("--reference", "object", "--reference-box", "20,10,80,70"), "GrabCut in its box"),
        (("--reference", "busy/object"), "GrabCut in its middle"),
        (("--reference", "plain/object"), "plain background"),
    ],
)
def test_an_object_without_a_mask_is_found(files, words, told, capsys):
    given = [path(files, word) if word.endswith("object") else word for word in words]
    (found,), _ = sample(files, *given, "--scene", path(files, "scene"), "--box", "30,20,70,60")
    assert told in capsys.readouterr().err
    exact = placed(files, "--reference-mask", path(files, "mask"), "--box", "30,20,70,60")
    (expected,), _ = sample(files, *exact)
    assert np.abs(found.astype(int) - expected).mean() < 3


def test_a_coarse_mask_is_refined(files, capsys):
    """By the file's network, here a random one that sets all where the object is likely."""
    from annotators.networks.mask_refiner import MaskRefiner

    torch.manual_seed(0)
    refiner = MaskRefiner()
    for bias, name in ((4.0, "all"), (-4.0, "none")):
        refiner.feature_extractor.head.weight.data.zero_()
        refiner.feature_extractor.head.bias.data.fill_(bias)
        torch.save(refiner.state_dict(), files / f"{name}.pth")
    words = placed(files, "--reference-mask", path(files, "mask"), "--box", "30,20,70,60")
    (exact,), _ = sample(files, *words)
    (refined,), _ = sample(files, *words, "--refine-masks", str(files / "all.pth"))
    assert "was refined" in capsys.readouterr().err and not np.array_equal(exact, refined)
    with pytest.raises(UsageError, match="leaves nothing"):
        sample(files, *words, "--refine-masks", str(files / "none.pth"))
    with pytest.raises(UsageError, match="isn't the refiner's file"):
        sample(files, *words, "--refine-masks", path(files, "mask"))


def test_an_object_of_the_scene_moves(files):
    """Its place is grown over, its new place changes, and the rest stays."""
    scene = np.full((90, 120, 3), 180, np.uint8)
    scene[30:60, 15:45] = (200, 40, 40)
    Image.fromarray(scene).save(files / "room.png")
    words = ("--scene", path(files, "room"), "--move", "10,25,50,65", "--box", "70,20,110,60")
    (moved,), (row,) = sample(files, *words)
    assert row["record_id"] == "room+room"
    assert np.abs(moved[:, :65].astype(int) - 180).max() <= 5, "nothing of it is left"
    left, top, right, bottom = changed(moved[:, 65:], scene[:, 65:])
    assert left >= 5 and right <= 45 and top >= 20 and bottom <= 60


def test_several_objects_go_into_one_scene(files):
    words = ("--reference", path(files, "cutout/object"), path(files, "cutout/object"), "--scene", path(files, "scene"))
    (first, both), rows = sample(files, *words, "--box", "5,5,40,40", "60,40,110,85")
    *_, right, bottom = changed(first, picture(files, "scene"))
    assert right <= 40 and bottom <= 40
    left, top, *_ = changed(both, first)
    assert left >= 60 and top >= 40
    assert rows[1]["record_id"] == "scene+object+object"


def test_pairs_of_shards_are_placed(files):
    pairs = object_pairs.write(files / "pairs", [object_pairs.row(0), object_pairs.row(1, "still")])
    results, rows = sample(files, "--shards", str(pairs))
    assert len(results) == 2 and all(result.shape == (48, 64, 3) for result in results)
    assert {row["reference_id"] for row in rows} == {"1"}
    described = json.loads((files / "out" / "config.json").read_text())
    assert described["stitch"] == "box" and described["shards"]


def test_a_still_that_was_left_out_says_why(files):
    rows = [object_pairs.row(0), object_pairs.row(1, target_image=None, target_mask=None)]
    pairs = object_pairs.write(files / "pairs", rows)
    output = files / "out"
    code = main(["sample", "anydoor", *WEIGHTS, *FEW, "--output", str(output), "--shards", str(pairs)])
    assert code == 3, "one of two"
    (reject,) = pq.read_table(output / "rejects.parquet").to_pylist()
    assert (reject["record_id"], reject["error"]) == ("clips/train/001", "unusable_pair")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "missing or doubled"),
        (("--scene", "scene"), "--reference is missing"),
        (("--scene", "scene", "--move", "1,2,9,9", "--reference", "object"), "beside --move"),
        (("--scene", "scene", "--move", "1,2,9,9", "2,2,9,9", "--box", "1,2,9,9"), "tells 1 of 2"),
        (("--reference", "object"), "--scene is missing"),
        (("--reference", "object", "--scene", "scene"), "where the objects go"),
        (("--reference", "object", "--scene", "scene", "--box", "1,2,3"), "four numbers"),
        (("--reference", "object", "--scene", "scene", "--box", "9,2,3,4"), "X0 below X1"),
        (("--reference", "object", "--scene", "scene", "--box", "a,2,3,4"), "whole numbers"),
        (("--reference", "object", "--scene", "scene", "--box", "0,0,500,20"), "outside"),
        (("--reference", "object", "--scene", "scene", "--box", "1,2,9,9", "1,2,9,9"), "tells 2 of 1"),
        (("--reference", "object", "--scene", "scene", "--box", "1,2,9,9", "--shape-control"), "without --mask"),
        (("--reference", "nowhere", "--scene", "scene", "--box", "1,2,9,9"), "nowhere.png"),
        (("--reference", "object", "--scene", "scene", "--box", "1,2,9,9", "--limit", "3"), "--limit beside"),
    ],
)
def test_what_is_asked_wrongly_is_said_before_any_work(files, words, error):
    given = [path(files, word) if word in ("object", "scene", "nowhere") else word for word in words]
    with pytest.raises(UsageError, match=error):
        main(["sample", "anydoor", *WEIGHTS, *FEW, "--output", str(files / "out"), *given])
    assert not (files / "out").exists()
