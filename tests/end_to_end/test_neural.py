"""Every neural annotator through the real command, with weights found in --weights.

Parsing, captions and tags run on tiny random models, DensePose on random weights of its real size, pose on the real
landmarker where it lies in VTON_MODELS.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.helpers import Dataset, Result, digests, rows
from support.tiny_models import (
    save_blip,
    save_clip,
    save_densepose,
    save_openpose,
    save_schp,
    save_segformer,
    save_u2net,
)

from schemas import codecs, fields, kinds, labels, record
from schemas.foreign import keypoints as keypoint_files

Command = Callable[..., Result]
BUILD = "pipelines.build_vitonhd"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    folder = save_densepose(tmp_path_factory.mktemp("weights"))
    save_segformer(folder / "mattmdjaga/segformer_b2_clothes")
    save_blip(folder / "Salesforce/blip-image-captioning-base")
    save_clip(folder / "openai/clip-vit-large-patch14")
    for path in models.glob("*.t*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path, data: Path) -> Dataset:
    """Two real people, their photos alone."""
    made = Dataset(tmp_path / "photos")
    persons = sorted((data / "photos/person").iterdir())[:2]
    garments = sorted((data / "photos/garment").iterdir())[:2]
    for number, (person, garment) in enumerate(zip(persons, garments, strict=True)):
        image = Image.open(person).convert("RGB")
        image.thumbnail((384, 512))
        made.put(f"test/image/{number}.jpg", codecs.encode_jpeg(np.asarray(image)))
        made.put(f"test/cloth/{number}.jpg", garment.read_bytes())
    made.pairs("0.jpg 1.jpg", "1.jpg 0.jpg")
    return made


def test_everything_is_computed_from_the_photo(
    command: Command, photos: Dataset, weights: Path, tmp_path: Path
) -> None:
    arguments = ("--input", photos.root, "--weights", weights, "--shard-size", 1, "--max-reject-rate", 1)
    result = command(BUILD, *arguments, "--output", tmp_path / "out", timeout=600)
    assert result.code == 0, result.stderr
    assert result.json["records"] + result.json["rejects"] == 2
    assert result.json["records"], (tmp_path / "out/manifest.json").read_text()
    assert all(name in result.stderr for name in ("parsing", "pose", "densepose")), "seconds per annotator are shown"
    for row in rows(tmp_path / "out"):
        size = (row["height"], row["width"])
        for column in ("parse", "densepose", "densepose_image"):
            assert record.decode(kinds.TRYON.fields[column], row[column]).shape[:2] == size
        keypoints = record.decode(kinds.TRYON.fields["keypoints"], row["keypoints"])
        assert keypoints[labels.Body25.NECK].any() and keypoints[:, 2].max() <= 1
        x0, y0, x1, y1 = row["person_box"]
        seen = keypoints[keypoints[:, 2] > 0]
        assert ((seen[:, 0] >= x0) & (seen[:, 0] <= x1) & (seen[:, 1] >= y0) & (seen[:, 1] <= y1)).all()
        digest = {entry["column"]: entry["digest"] for entry in row["provenance"]}
        assert all(len(digest[column]) >= 64 for column in ("parse", "keypoints", "densepose_image"))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["annotators"]["parsing"]["licences"] == ["MIT"]
    assert command("pipelines.validate", tmp_path / "out").code == 0
    again = command(BUILD, *arguments, "--output", tmp_path / "again", "--direct_num_workers", 1, timeout=600)
    assert again.code == 0 and digests(tmp_path / "again") == digests(tmp_path / "out")


def test_captions_and_tags_when_named(command: Command, photos: Dataset, weights: Path, tmp_path: Path) -> None:
    arguments = ("--input", photos.root, "--weights", weights, "--annotators", "caption,tags,person_mask")
    result = command(BUILD, *arguments, "--output", tmp_path / "out", timeout=600)
    assert result.code == 0, result.stderr
    for row in rows(tmp_path / "out"):
        assert isinstance(row["caption"], str) and row["captions"][0]["text"] == row["caption"]
        assert row["captions"][0]["model"] == "Salesforce/blip-image-captioning-base"
        assert row["tags"][0]["name"] == "item"
        assert record.decode(kinds.TRYON.fields["person_mask"], row["person_mask"]).any()
    assert fields.kind(kinds.TRYON.fields["tags"]) == "table"


def test_the_other_backends(command: Command, photos: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    save_schp(folder, 18, "schp_atr", 0)
    save_schp(folder, 20, "schp_lip", 1)
    save_u2net(folder)
    save_openpose(folder)
    chosen = ("--parsing-backend", "schp", "--parsing-lip", "--parsing-atr", "--garment-mask-backend", "u2net")
    chosen += ("--pose-backend", "openpose", "--nobody", "null", "--garment-mask-garment-from-person")
    arguments = ("--input", photos.root, "--weights", folder, "--annotators", "parsing,pose,garment_mask")
    result = command(BUILD, *arguments, *chosen, "--output", tmp_path / "out", timeout=600)
    assert (result.code, result.json["records"]) == (0, 2), result.stderr
    for row in rows(tmp_path / "out"):
        for column in ("parse", "parse_lip", "parse_atr", "garment_mask"):
            assert record.decode(kinds.TRYON.fields[column], row[column]).any(), column
        assert row["keypoints"] is None, "this model is nowhere sure enough to see a joint"
        assert {"worn_garment_image", "worn_garment_mask"} <= set(row)
    assert command("pipelines.validate", tmp_path / "out").code == 0


def test_one_person_of_two_in_every_column(command: Command, photos: Dataset, weights: Path, tmp_path: Path) -> None:
    """A small person to the left of a large one: keypoints, box, DensePose and mask are all of the chosen one."""
    large = codecs.decode_image((photos.root / "test/image/0.jpg").read_bytes())
    height, width = large.shape[:2]
    small = np.asarray(Image.fromarray(large).resize((width * 2 // 3, height * 2 // 3)))
    scene = np.full((height, width * 2, 3), 235, np.uint8)
    scene[height - small.shape[0] :, : small.shape[1]] = small
    scene[:, width:] = large
    photos.put("test/image/0.jpg", codecs.encode_jpeg(scene))
    photos.pairs("0.jpg 1.jpg")
    names = "pose,densepose,person_mask"
    arguments = ("--input", photos.root, "--weights", weights, "--annotators", names, "--max-reject-rate", 1)
    result = command(BUILD, *arguments, "--output", tmp_path / "out", "--person", "largest", timeout=600)
    assert result.json["records"] == 1, result.stderr
    (row,) = rows(tmp_path / "out")
    x0, _, x1, _ = row["person_box"]
    keypoints = record.decode(kinds.TRYON.fields["keypoints"], row["keypoints"])
    assert keypoints[keypoints[:, 2] > 0, 0].min() > width * 0.8, "the large one stands on the right"
    for column in ("densepose", "person_mask"):
        value = record.decode(kinds.TRYON.fields[column], row[column])
        columns = np.flatnonzero(value.reshape(*value.shape[:2], -1)[..., 0].any(axis=0))
        inside = ((columns >= x0 - 0.2 * (x1 - x0)) & (columns <= x1 + 0.2 * (x1 - x0))).mean()
        assert inside == 1.0 if column == "person_mask" else inside > 0.5, column


def test_missing_and_damaged_weights(
    command: Command, process: Command, photos: Dataset, weights: Path, tmp_path: Path
) -> None:
    arguments = ("--input", photos.root, "--output", tmp_path / "out")
    (tmp_path / "none").mkdir()
    missing = command(BUILD, *arguments, "--weights", tmp_path / "none")
    assert missing.code == 2 and "weights densepose_r50_fpn_s1x not found" in missing.error, missing.error
    assert "python -m annotators fetch" in missing.error and not (tmp_path / "out").exists()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pose_landmarker_lite.task").write_bytes(b"nothing of the kind")
    skip = "parse,densepose,caption,garment_mask"
    result = process(BUILD, *arguments, "--weights", broken, "--skip", skip)
    assert result.code == 1 and "pose_landmarker" in result.error and "Traceback" not in result.stderr
    if not __import__("torch").cuda.is_available():
        result = command(BUILD, *arguments, "--weights", weights, "--device", "cuda")
        assert result.code in (1, 2) and "'cuda' is not available" in result.error


def test_accuracy_of_pose_on_real_people(data: Path, models: Path) -> None:
    """PCK against the shipped OpenPose joints, 10 % of the torso (neck to mid-hip); a plain use gave 0.92."""
    import annotators
    from annotators.functional.keypoints import pck

    folder = data / "vitonhd_mini/test"
    shipped = {path.name.removesuffix("_keypoints.json"): path for path in sorted(folder.glob("openpose_json/*.json"))}
    made = annotators.config("pose", weights_dir=str(models)).build()
    hits, joints = 0, 0
    for name, path in shipped.items():
        photo = codecs.decode_image((folder / f"image/{name}.jpg").read_bytes())
        truth = keypoint_files.read(path.read_bytes()).columns["keypoints"]
        right, seen = pck(made([{"person_image": photo}])[0]["keypoints"], truth, 0.1)
        hits, joints = hits + right, joints + seen
    assert hits / joints >= 0.9
