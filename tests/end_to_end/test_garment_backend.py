"""`--garment-mask-backend auto`: what it means here stands in the build, and another meaning is another build."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.helpers import Result, draw, rows

from annotators.garment_mask import Config

pytestmark = pytest.mark.usefixtures("no_machine_weights")


def test_auto_takes_a_model_whose_weights_are_there(tmp_path: Path) -> None:
    auto = Config(backend="auto", weights_dir=str(tmp_path))
    assert auto.resolved().backend == "classical" and auto.weights() == ()
    (tmp_path / "cloth_segm.pth").write_bytes(b"weights")
    assert auto.resolved().backend == "u2net" and auto.weights() == ("u2net_cloth",)
    assert Config(weights_dir=str(tmp_path)).resolved() == Config(weights_dir=str(tmp_path)), "classical stays so"


def test_another_resolution_is_another_build(command: Callable[..., Result], tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("persons", "garments", "weights")}
    for folder in places.values():
        folder.mkdir()
    Image.fromarray(draw(0)["person"]).save(places["persons"] / "a.png")
    pixels = np.full((160, 120, 3), 255, np.uint8)
    pixels[40:120, 30:90] = (180, 30, 40)
    Image.fromarray(pixels).save(places["garments"] / "a.png")
    flags = ("--skip", "parse,keypoints,densepose,caption,agnostic", "--size", "160x120")
    arguments = [word for name, folder in places.items() for word in (f"--{name}", folder)]
    build = ("pipelines.build_photos", *arguments, *flags, "--garment-mask-backend", "auto")
    out = tmp_path / "out"
    assert (result := command(*build, "--output", out)).code == 0, result.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["configuration"]["annotators"]["garment_mask"]["backend"] == "classical"
    (row,) = rows(out)
    note = next(entry["note"] for entry in row["provenance"] if entry["column"] == "garment_mask")
    assert "backend=classical" in note
    (places["weights"] / "cloth_segm.pth").write_bytes(b"weights")
    again = command(*build, "--output", out)
    assert again.code == 2 and "holds another build" in again.error and "u2net" in again.error
