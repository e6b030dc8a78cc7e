"""The manifest names the annotators that ran, and no other."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from support.helpers import Result, draw


def test_what_had_nothing_to_do_is_not_listed(command: Callable[..., Result], tmp_path: Path) -> None:
    for folder, column in (("persons", "person"), ("garments", "garment")):
        (tmp_path / folder).mkdir()
        Image.fromarray(draw(0)[column]).save(tmp_path / folder / "0.png")
    words = ("--persons", tmp_path / "persons", "--garments", tmp_path / "garments", "--size", "128x96")
    skip = ("--skip", "parse,keypoints,densepose", "--output", tmp_path / "out")
    result = command("pipelines.build_photos", *words, *skip)
    assert result.code == 0, result.stderr
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    computed = {name for name, column in manifest["columns"].items() if "annotator" in column["origins"]}
    assert {"garment_mask", "quality"} <= computed & set(manifest["annotators"])
    assert not {"parsing", "pose", "densepose", "agnostic"} & set(manifest["annotators"]), "skipped, or without inputs"
    assert {"parsing", "agnostic"} <= set(manifest["configuration"]["annotators"]), "the identity is what was asked"
