"""What a build finds, what `validate` says of it and of published counts, and how the report shows it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.helpers import Dataset, Result, draw, rows

from pipelines import report
from pipelines.judging import findings
from schemas import codecs
from schemas.finished import tables
from schemas.folders import open_folder

Command = Callable[..., Result]


def found(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(person, kind) → row."""
    listed = pq.read_table(io.BytesIO((folder / "findings.parquet").read_bytes())).to_pylist()
    return {(row["record_id"].split("/")[-1].split("+")[0], row["kind"]): row for row in listed}


@pytest.fixture
def built(command: Command, dataset: Dataset, tmp_path: Path) -> Path:
    """Six records: the mask of the first is its grey photo, the parse of the second has no garment, one is missing."""
    grey = np.where(draw(0)["mask"][..., None] > 0, np.uint8(128), draw(0)["person"])
    dataset.put("test/agnostic-mask/00000_00_mask.png", codecs.encode_png(grey))
    skirt = np.where(draw(1)["parse"] == 5, np.uint8(12), draw(1)["parse"])
    dataset.put("test/image-parse-v3/00001_00.png", codecs.encode_label_map(skirt, "cihp"))
    tinted = np.maximum(draw(3)["garment"], 30) - np.uint8([6, 10, 16])
    dataset.put("test/cloth/00003_00.jpg", codecs.encode_jpeg(tinted))
    lines = [f"{n:05d}_00.jpg {(n + 1) % 6:05d}_00.jpg" for n in range(6)]
    dataset.pairs(*lines, "00009_00.jpg 00000_00.jpg")
    out = tmp_path / "out"
    result = command("pipelines.build_vitonhd", "--input", dataset.root, "--output", out, "--max-reject-rate", 1)
    assert result.code == 0, result.stderr
    return out


def test_findings_and_counts(command: Command, built: Path) -> None:
    listed = found(built)
    assert ("00000_00", "agnostic_mask_is_photo") in listed, "the mask was drawn anew, and it is told why"
    assert ("00001_00", "parse_without_garment") in listed
    assert [person for person, kind in listed if kind == "tinted_background"] == ["00002_00"], "who gets that garment"
    sound = {kind for person, kind in listed if person == "00004_00"}
    assert not sound & {"agnostic_mask_is_photo", "parse_without_garment", "empty_mask", "wrong_category"}
    assert {kind for _, kind in listed} <= set(findings.KINDS)
    (second,) = [row for row in rows(built) if row["person_id"] == "00001_00"]
    assert second["quality"]["upper_area"] == 0 and second["quality"]["lower_area"] > 0.2

    result = command("pipelines.validate", built)
    assert result.code == 0, "findings change nothing"
    assert "findings, in findings.parquet (they don't change the exit code):" in result.stdout
    assert result.stdout.splitlines()[-1] == "6 records in 1 shard: valid"
    told = [line.split() for line in result.stdout.splitlines() if line.startswith("  ")]
    assert ["warning", "tinted_background", "1", "record"] in told

    result = command("pipelines.validate", built, "--expect", "vitonhd")
    assert result.code == 1 and "incomplete" in result.error
    assert "vitonhd: test: 6 of 2,032 records, 2,026 missing; 1 of them is in rejects.parquet" in result.stdout
    assert "vitonhd: train: 0 of 11,647 records, 11,647 missing" in result.stdout
    assert command("pipelines.validate", built, "--expect", "deepfashion").code == 0, "information only"
    result = command("pipelines.validate", built, "--expect", "vitonhdd")
    assert result.code == 2 and "'vitonhdd'" in result.error and "dresscode" in result.error


def test_hostile_words_in_findings_stay_words(built: Path) -> None:
    nasty = "<img src=x onerror=alert(1)> | \"'&"
    cells = {name: [nasty] for name in tables.FINDINGS.names}
    pq.write_table(pa.table(cells, tables.FINDINGS), built / "findings.parquet")
    page = report.render(open_folder(str(built)), 1)
    shown = page[: page.index('<script type="application/json"')]
    assert "<img src=x" not in page and shown.count("&lt;img src=x onerror=alert(1)&gt; | &#34;&#39;&amp;") >= 4
    (built / "findings.parquet").write_bytes(b"no table")
    assert "Nothing was found." in report.render(open_folder(str(built)), 1)
