"""The whole way of a newcomer: own photos → shards → selected → trained, killed and gone on with → tried on."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.helpers import Result, rows
from support.killing import killed_midway
from support.tiny_models import save_segformer

from schemas import codecs

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
pytest.importorskip("mediapipe")

Command = Callable[..., Result]


@pytest.fixture
def photos(data: Path, tmp_path: Path) -> Path:
    """Persons and garments of one name each, which makes them true pairs."""
    persons, garments = (sorted((data / "photos" / kind).iterdir()) for kind in ("person", "garment"))
    for number, (person, garment) in enumerate(zip(persons, garments, strict=False)):
        for kind, path in (("persons", person), ("garments", garment)):
            (tmp_path / "photos" / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "photos" / kind / f"look{number}{path.suffix}")
    return tmp_path / "photos"


@pytest.fixture
def weights(models: Path, tmp_path: Path) -> Path:
    """The real pose model, and a tiny random one for the parse."""
    folder = tmp_path / "weights"
    save_segformer(folder / "mattmdjaga/segformer_b2_clothes")
    for path in models.glob("*.task"):
        shutil.copy(path, folder)
    return folder


def test_from_own_photos_to_a_try_on(
    command: Command, process: Command, photos: Path, weights: Path, tmp_path: Path
) -> None:
    shards, chosen, run, out = (tmp_path / name for name in ("shards", "chosen", "run", "out"))
    skip = ("--skip", "densepose,caption,high_frequency", "--size", "256x192", "--max-reject-rate", 1)
    built = command("pipelines.build_photos", "--input", photos, "--weights", weights, *skip, "--output", shards)
    assert built.code == 0 and built.json["records"] >= 2, built.stderr
    where = ("--where", "paired and height == 256")
    selected = command("pipelines.select", shards, *where, "--output", chosen)
    assert (selected.code, selected.json["records"]) == (0, built.json["records"]), selected.stderr

    words = ["train", "catvton", "--tiny", "--shards", str(chosen), "--output", str(run), "--workers", "0"]
    words += ["--steps", "8", "--checkpoint-every", "2"]
    command_line = [sys.executable, "-m", "vton_models", *words]
    killed_midway(command_line, run, lambda: any(run.glob("checkpoints/step-*")), (run / "model").exists)
    trained = process("vton_models", *words)
    assert (trained.code, trained.json["steps"]) == (0, 8), trained.stderr

    person = sorted((photos / "persons").iterdir())[0]
    garment = sorted((photos / "garments").iterdir())[-1]
    two_photos = ("--person", person, "--garment", garment, "--paste-back", "--num-inference-steps", "4")
    unmasked = command("vton_models", "sample", "catvton", "--weights", run, *two_photos, "--output", out)
    assert unmasked.code == 2 and "--mask FILE" in unmasked.error and "annotators fetch" in unmasked.error
    photo, mask = draw_mask(person, chosen, tmp_path / "mask.png")
    words = ["sample", "catvton", "--weights", str(run), *map(str, two_photos), "--mask", str(tmp_path / "mask.png")]
    sampled = command("vton_models", *words, "--output", out)
    assert (sampled.code, sampled.json["samples"]) == (0, 1), sampled.stderr

    (row,) = pq.read_table(out / "samples.parquet").to_pylist()
    assert (row["person_id"], row["garment_id"], row["seed"]) == (person.stem, garment.stem, 0)
    with Image.open(out / row["file"]) as image:
        assert "trainedAlgorithmicMedia" in image.text["DigitalSourceType"]
        assert image.text["WeightsDigest"] == row["weights_digest"]
        result = np.asarray(image)
    assert result.shape == photo.shape and (row["height"], row["width"]) == photo.shape[:2]
    assert np.array_equal(result[mask == 0], photo[mask == 0]), "outside the mask the photo is untouched"
    assert (result != photo)[mask > 0].mean() > 0.5
    assert pq.read_table(out / "rejects.parquet").num_rows == 0


def draw_mask(person: Path, shards: Path, target: Path) -> tuple[np.ndarray, np.ndarray]:
    """(photo, mask) at the photo's size: what the build drew, without its padding, in a paint program's stead."""
    photo = codecs.decode_image(person.read_bytes())
    row = next(row for row in rows(shards) if row["person_id"] == person.stem)
    mask, where = codecs.decode_mask(row["agnostic_mask"]["bytes"]), row["geometry"]
    left, top = round(-where["x0"] * where["scale_x"]), round(-where["y0"] * where["scale_y"])
    inner = mask[max(top, 0) : mask.shape[0] - max(top, 0), max(left, 0) : mask.shape[1] - max(left, 0)]
    grown = Image.fromarray(inner).resize(photo.shape[1::-1], Image.Resampling.NEAREST)
    grown.save(target)
    return photo, np.asarray(grown)
