"""What a build says at its end of the columns that records lack, and what the report says of them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from support.helpers import Result, draw

from pipelines import report
from schemas.folders import open_folder

Command = Callable[..., Result]


def _counts(page: str, column: str) -> list[int]:
    """The numbers of a column's line in the table of columns."""
    _, _, table = page.partition("Records that have each column</caption>")
    _, _, line = table.partition(f"<tr><td>{column}</td>")
    return [int(number) for number in re.findall(r'data-value="(\d+)"', line.partition("</tr>")[0])]


def test_own_photos_without_a_parse(command: Command, tmp_path: Path) -> None:
    for folder, column in (("persons", "person"), ("garments", "garment")):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            Image.fromarray(draw(seed)[column]).save(tmp_path / folder / f"{seed}.png")
    out = tmp_path / "out"
    words = ("--persons", tmp_path / "persons", "--garments", tmp_path / "garments", "--size", "128x96")
    words = (*words, "--skip", "parse,keypoints,densepose", "--output", out)
    result = command("pipelines.build_photos", *words)
    assert result.code == 0, result.stderr
    assert "findings: 2 assumed_category" in result.stderr
    line = "agnostic_mask: 2 of 2 lack it: no parse; take parse out of --skip"
    assert line in result.stderr and "garment_mask: " not in result.stderr
    again = command("pipelines.build_photos", *words)
    assert again.json["skipped_shards"] == 1 and line in again.stderr, "also when there was nothing left to do"
    columns = json.loads((out / "manifest.json").read_text())["columns"]
    assert (
        columns["agnostic_mask"]["empty"] == 2
        and columns["person_image"]["empty"] == columns["provenance"]["empty"] == 0
    )
    page = report.render(open_folder(str(out)), 1)
    assert _counts(page, "agnostic_mask") == [0, 0, 0, 2] and _counts(page, "category") == [0, 2, 0, 0]


def test_a_recipe_that_does_not_draw_a_category_says_so(command: Command, tmp_path: Path) -> None:
    words = ("--agnostic-recipe", "hrviton", "--recompute", "agnostic", "--limit", "9", "--output", tmp_path / "out")
    result = command("pipelines.build_vitonhd", *words)
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("agnostic_mask: "))
    empty = json.loads((tmp_path / "out/manifest.json").read_text())["columns"]["agnostic_mask"]["empty"]
    assert 0 < empty < 9
    says = f"{empty} of 9 lack it: recipe hrviton draws upper_body only; --agnostic-recipe auto draws every category"
    assert line == f"agnostic_mask: {says}"
