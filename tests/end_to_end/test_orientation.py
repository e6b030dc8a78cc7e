"""`--size` with its sides exchanged is refused before any work, unless `--fit` says that it is meant."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.helpers import Result, draw

Build = Callable[..., tuple[int, str]]
TURNED = 6  # EXIF: the camera was held upright


@pytest.fixture
def build(tmp_path: Path, command: Callable[..., Result]) -> Build:
    """Builds from photos of these (width, height, EXIF orientation); the exit code and stderr."""

    def run(photos: list[tuple[int, int, int]], *words: str) -> tuple[int, str]:
        for folder in ("persons", "garments"):
            (tmp_path / folder).mkdir()
        for number, (width, height, orientation) in enumerate(photos):
            exif = Image.Exif()
            exif[0x0112] = orientation
            photo = Image.fromarray(draw(number)["person"]).resize((width, height))
            photo.save(tmp_path / "persons" / f"{number}.jpg", exif=exif)
            photo.save(tmp_path / "garments" / f"{number}.jpg")
        folders = ("--persons", str(tmp_path / "persons"), "--garments", str(tmp_path / "garments"))
        out = ("--output", str(tmp_path / "out"), "--annotators", "quality")
        result = command("pipelines.build_photos", *folders, *out, *words)
        return result.code, result.stderr

    return run


PORTRAIT, LANDSCAPE, STORED_LANDSCAPE = (48, 64, 1), (64, 48, 1), (64, 48, TURNED)


@pytest.mark.parametrize(
    ("photos", "size", "suggested"),
    [
        ([PORTRAIT, PORTRAIT, LANDSCAPE], "96x128", "128x96"),
        ([LANDSCAPE, LANDSCAPE, PORTRAIT], "128x96", "96x128"),
        ([STORED_LANDSCAPE], "96x128", "128x96"),
    ],
    ids=["portrait", "landscape", "turned by EXIF"],
)
def test_exchanged_sides_are_refused_with_the_right_order(
    build: Build, tmp_path: Path, photos: list[tuple[int, int, int]], size: str, suggested: str
) -> None:
    code, said = build(photos, "--size", size)
    assert code == 2 and f"--size {size}" in said and f"allowed is {suggested}" in said and "--fit" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        ([PORTRAIT], ("--size", "96x128", "--fit", "pad")),
        ([PORTRAIT], ("--size", "128x96")),
        ([PORTRAIT], ("--size", "96x96")),
        ([STORED_LANDSCAPE], ("--size", "128x96")),
        ([PORTRAIT, LANDSCAPE], ("--size", "96x128")),
        ([LANDSCAPE], ("--limit", "1")),
    ],
    ids=["--fit", "right", "square", "turned by EXIF", "half of them", "no --size"],
)
def test_other_sizes_are_taken(build: Build, photos: list[tuple[int, int, int]], words: tuple[str, ...]) -> None:
    code, said = build(photos, *words)
    assert code in (0, 3) and "--size" not in said


def test_a_size_without_fit_is_a_build_that_pads(build: Build, tmp_path: Path) -> None:
    build([PORTRAIT], "--size", "128x96")
    assert json.loads((tmp_path / "out" / "manifest.json").read_bytes())["configuration"]["fit"] == "pad"
