"""Dress Code's layout through the real command: every shipped file arrives as the column that it stands for."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import WEIGHTLESS, Result, rows
from support.layouts import caption, dresscode_labels, grey_png, render_dresscode, small_people, surface

from annotators.functional import densepose
from pipelines.sources import sample
from schemas import kinds, labels, record
from schemas.labels import Body25, Category

Command = Callable[..., Result]
BUILD = "pipelines.build_dresscode"


def decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: record.decode(kinds.TRYON.fields[name], row[name])
        for name in kinds.TRYON.fields
        if row.get(name) is not None
    }


def notes(row: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {entry["column"]: entry for entry in row["provenance"]}


def test_every_annotation_of_the_sample_arrives(
    command: Command, truth: dict[str, sample.Truth], tmp_path: Path
) -> None:
    test = {
        category: [i for i, t in truth.items() if (t.category, t.split) == (category, "test")] for category in Category
    }
    chosen = [i for category, ids in test.items() for i in ids[: 2 if category == Category.UPPER_BODY else 1]]
    people = {person_id: truth[person_id] for person_id in chosen}
    render_dresscode(tmp_path / "data", people)
    out = tmp_path / "out"
    result = command(BUILD, "--input", tmp_path / "data", "--output", out, "--split", "test")
    assert (result.code, result.json["records"]) == (0, len(people)), result.stderr
    assert command("pipelines.validate", out).code == 0
    built = rows(out)
    assert {row["category"] for row in built} == set(Category)
    for row in built:
        _check(decoded(row), people[row["person_id"]], people[row["garment_id"]])
        origins = {name: entry["origin"] for name, entry in notes(row).items()}
        shipped = {"keypoints", "parse", "parse_atr", "pose_image", "densepose", "densepose_image"}
        assert {origins[name] for name in shipped | {"garment_mask", "agnostic_mask"}} == {"dataset"}
        assert notes(row)["densepose"]["note"] == f"U, V from {row['person_id']}_5_uv.npz"
        assert "from the shipped parse_atr" in notes(row)["parse"]["note"]
        assert row["garment_caption"] == caption(row["garment_id"])
        assert row["record_id"] == f"dresscode/test/{row['category']}/{row['person_id']}+{row['garment_id']}"
    unpaired = (tmp_path / "data/test_pairs_unpaired.txt").read_text().split("\n")
    assert len({row["record_id"] for row in built}) == len(built) == len([line for line in unpaired if line])


def _check(values: dict[str, Any], person: sample.Truth, garment: sample.Truth) -> None:
    coco = labels.body25_to_coco18(person.keypoints)
    assert np.abs(labels.body25_to_coco18(values["keypoints"]) - coco).max() < 1e-3
    hips = person.keypoints[[Body25.RIGHT_HIP, Body25.LEFT_HIP], :2]
    if hips.any(axis=1).all():
        assert np.abs(values["keypoints"][Body25.MID_HIP, :2] - hips.mean(axis=0)).max() < 1e-3
    atr = dresscode_labels(person)
    assert (values["parse_atr"] == atr).all()
    assert (values["parse"] == labels.crosswalk(atr, "atr", "cihp")).all()
    assert (values["densepose"][..., 0] == person.densepose).all()
    assert (values["densepose"][..., 1:] == np.floor(surface(*atr.shape) * 255).transpose(1, 2, 0)).all()
    assert np.mean(densepose.decode(values["densepose_image"]) == person.densepose) > 0.98  # a JPEG
    assert (values["garment_mask"] == garment.garment_mask).all()
    worn = atr == {"upper_body": 4, "lower_body": 6, "dresses": 7}[values["category"]]
    assert (values["agnostic_mask"][worn] == 255).all() and values["agnostic_mask"].mean() < 200
    assert (values["agnostic_image"][worn] == 128).all()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The layout of small people."""
    render_dresscode(tmp_path / "data")
    return tmp_path / "data"


def test_pictures_follow_from_parts_and_maps(command: Command, root: Path, tmp_path: Path) -> None:
    for category in Category:
        shutil.rmtree(root / category / "image-densepose")
    (root / "upper_body/dense/00006_00_5_uv.npz").unlink()
    half = dresscode_labels(small_people()["00008_00"])[::2, ::2]
    (root / "dresses/label_maps/00008_00_4.png").write_bytes(grey_png(half))
    out = tmp_path / "out"
    arguments = ("--input", root, "--output", out, "--category", "upper_body,dresses")
    result = command(BUILD, *arguments)
    assert (result.code, result.json["records"]) == (0, 8), result.stderr
    people = small_people()
    for row in rows(out):
        values, person = decoded(row), people[row["person_id"]]
        assert (values["densepose_image"] == labels.DENSEPOSE_COLOURS[person.densepose]).all()
        assert ("densepose" in values) == (row["person_id"] != "00006_00")
        note = notes(row)["parse_atr"]["note"] or ""
        assert note.startswith(record.WRONG_SIZE) == (row["person_id"] == "00008_00")
        assert values["parse"].shape == person.parse.shape
    identity = json.loads((out / "manifest.json").read_text())
    assert '"categories": "dresses,upper_body"' in json.dumps(identity)


def test_skip_and_recompute_know_what_follows_from_what(command: Command, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = command(BUILD, "--input", root, "--output", out, "--skip", "parse", "--category", "dresses")
    assert result.code == 0, result.stderr
    assert all(row["parse"] is None and row["parse_atr"] is not None for row in rows(out))
    asked = command(BUILD, "--input", root, "--output", tmp_path / "no", "--recompute", "parse")
    assert asked.code == 2 and "parse (12 of 12 records lack it" in asked.error, "a parser is asked for"
    again = tmp_path / "again"
    result = command(BUILD, "--input", root, "--output", again, "--recompute", "garment_caption")
    assert result.code == 0, result.stderr
    assert {notes(row)["garment_caption"]["origin"] for row in rows(again)} == {"annotator"}


def test_unreadable_files(command: Command, root: Path, tmp_path: Path) -> None:
    (root / "upper_body/dense/00006_00_5_uv.npz").write_bytes(b"PK no archive")
    (root / "upper_body/image-densepose/00009_00_0.jpg").write_bytes(b"")
    (root / "upper_body/label_maps/00000_00_4.png").write_bytes(b"")
    (root / "upper_body/dc_caption.txt").write_bytes(b"\xff\xfe broken")
    out = tmp_path / "out"
    result = command(BUILD, "--input", root, "--output", out, "--category", "upper_body")
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 4, 0), result.stderr
    saved = {row["person_id"]: (row, notes(row)) for row in rows(out)}
    bad = {"00006_00": ("densepose", "unreadable npz"), "00000_00": ("parse_atr", "empty file (00000_00_4.png)")}
    for person, (column, reason) in bad.items():
        row, entries = saved[person]
        assert row[column] is None and reason in entries[column]["note"]
    assert saved["00000_00"][0]["parse"] is None, "nothing computes it here"
    entries = saved["00009_00"][1]
    assert entries["densepose_image"]["note"].startswith(f"{record.SHIPPED_UNREADABLE}: empty file; drawn")
    for _, entries in saved.values():
        assert entries["garment_caption"]["note"].startswith(f"{record.SHIPPED_UNREADABLE}: dc_caption.txt")


def test_real_photos(command: Command, data: Path, tmp_path: Path) -> None:
    source = data / "dresscode_mini"
    lists = sorted(source.glob("*/test_pairs_unpaired.txt"))
    lines = [line.split() for path in lists for line in path.read_text().splitlines() if line.strip()]
    out = tmp_path / "out"
    result = command(BUILD, "--input", source, "--output", out, "--skip", WEIGHTLESS)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, len(lines), 0), result.stderr
    built = {(f"{row['person_id']}_0.jpg", f"{row['garment_id']}_1.jpg"): row for row in rows(out)}
    assert set(built) == {(person, garment) for person, garment in lines}
    for (person, _), row in built.items():
        assert row["person_image"]["bytes"] == (source / row["category"] / "images" / person).read_bytes()
        assert row["paired"] is False and row["parse"] is None and row["garment_mask"] is not None
    paired = command(BUILD, "--input", source, "--output", tmp_path / "p", "--pairing", "paired", "--skip", WEIGHTLESS)
    assert paired.code == 3 and paired.json["rejects"] == len(lines), "no garment of their own is there"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no --input; allowed is a folder in Dress Code's layout"),
        (("--input", "{root}", "--category", "hats"), "--category 'hats'; allowed are upper_body, lower_body, dresses"),
        (("--input", "{part}", "--category", "dresses"), "category 'dresses' not found"),
        (("--input", "{root}", "--pair-list", "1008"), "--pair-list '1008': no such list"),
        (("--input", "{part}", "--split", "train"), "split 'train' not found"),
        (("--input", "{empty}"), "expected upper_body/, lower_body/ or dresses/"),
    ],
)
def test_usage_errors_are_one_line(
    command: Command, root: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(root / "upper_body", tmp_path / "part/upper_body")
    (tmp_path / "part/upper_body/train_pairs.txt").unlink()
    places = {"root": root, "part": tmp_path / "part", "empty": tmp_path / "empty"}
    result = command(BUILD, *(word.format(**places) for word in arguments), "--output", tmp_path / "out")
    assert result.code == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert message in result.error and not (tmp_path / "out").exists()
