"""Pictures to correct by hand, named by record; and what every layout does when stopped or called wrongly."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import finished
from support.helpers import Result
from support.killing import killed_midway

from schemas import codecs

Command = Callable[..., Result]
EXPORT = "pipelines.export"
NAMES = [f"{i:05d}_00" for i in range(6)]
NAME = "made__test__00000_00+00001_00"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six persons and garments, paired crosswise."""
    rows = [finished.row(a, b, seed=i) for i, (a, b) in enumerate(zip(NAMES, NAMES[1:] + NAMES[:1], strict=True))]
    return finished.write(tmp_path_factory.mktemp("made") / "built", rows)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_review(command: Command, built: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "review", tmp_path / "again"
    result = command(EXPORT, built, "--layout", "review", "--output", out)
    assert result.code == 0 and (result.json["records"], result.json["files"]) == (6, 18), result.stderr
    assert (result.json["lossy"], result.json["left_out"]) == ([], 0)
    found = tree(out)
    assert {name.split("/")[0] for name in found} == {"person_image", "agnostic_mask", "overlay", "_export.json"}
    assert found[f"person_image/{NAME}.jpg"] == finished.row(*NAMES[:2])["person_image"]["bytes"]
    mask = Image.open(out / f"agnostic_mask/{NAME}.png")
    assert mask.mode == "L" and set(np.unique(np.asarray(mask))) == {0, 255}
    overlay = np.asarray(Image.open(out / f"overlay/{NAME}.jpg")).astype(int)
    person = codecs.decode_image(found[f"person_image/{NAME}.jpg"]).astype(int)
    far = np.abs(overlay - person).max(axis=2) > 30
    assert far[np.asarray(mask) > 0].mean() > 0.9 and far[np.asarray(mask) == 0].mean() < 0.1
    command(EXPORT, built, "--layout", "review", "--output", again)
    assert tree(again) == found


def test_what_was_corrected_stays(command: Command, built: Path, tmp_path: Path) -> None:
    out = tmp_path / "review"
    command(EXPORT, built, "--layout", "review", "--output", out)
    (out / f"agnostic_mask/{NAME}.png").write_bytes(b"mine")
    (out / f"overlay/{NAME}.jpg").unlink()
    again = command(EXPORT, built, "--layout", "review", "--output", out)
    assert (again.code, again.json["files"], again.json["kept"]) == (0, 1, 17)
    assert (out / f"agnostic_mask/{NAME}.png").read_bytes() == b"mine"


def test_other_columns(command: Command, built: Path, tmp_path: Path) -> None:
    for column, photo in (("garment_mask", "garment_image"), ("parse", "person_image")):
        out = tmp_path / column
        assert command(EXPORT, built, "--layout", "review", "--review-column", column, "--output", out).code == 0
        assert len(list((out / column).iterdir())) == len(list((out / photo).iterdir())) == 6
    assert Image.open(tmp_path / f"parse/parse/{NAME}.png").mode == "P"


def test_wrong_usage_is_one_line(command: Command, built: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.png").write_bytes(b"")
    out = tmp_path / "out"
    cases = [
        ((built, "--layout", "foo", "--output", out), "review"),
        ((built, "--output", out), "--layout"),
        ((tmp_path / "nowhere", "--layout", "review", "--output", out), "no folder"),
        ((built, "--layout", "vitonhd", "--output", tmp_path / "mine"), "photo.png"),
        ((built, "--layout", "review", "--review-column", "caption", "--output", out), "agnostic_mask"),
        ((built, "--layout", "vitonhd", "--vitonhd-names", "old", "--output", out), "current"),
        ((built, "--layout", "webdataset", "--vitonhd-names", "first", "--output", out), "webdataset"),
        ((built, "--layout", "vitonhd", "--require", "hat", "--output", out), "agnostic_mask"),
    ]
    for arguments, named in cases:
        result = command(EXPORT, *arguments)
        assert result.code == 2 and named in result.error and len(result.stderr.strip().splitlines()) == 1, arguments
    assert not out.exists()
    command(EXPORT, built, "--layout", "review", "--output", out)
    other = command(EXPORT, built, "--layout", "review", "--review-column", "parse", "--output", out)
    assert other.code == 2 and "holds another export (settings column was" in other.error


@pytest.mark.parametrize("layout", ["review", "vitonhd", "webdataset"])
def test_killed_and_resumed(layout: str, command: Command, built: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    done = command(EXPORT, built, "--layout", layout, "--output", whole)
    assert done.code == 0, done.stderr
    words = [sys.executable, "-m", EXPORT, str(built), "--layout", layout, "--output", str(out)]

    def complete() -> bool:
        return json.loads((out / "_export.json").read_bytes())["complete"]

    killed_midway(words, out, lambda: len(list(out.rglob("*"))) >= 3, complete, cwd=tmp_path)
    assert command(EXPORT, built, "--layout", layout, "--output", out).code == 0
    assert tree(out) == tree(whole)
