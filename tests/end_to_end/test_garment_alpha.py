"""Transparency of a garment's picture is its mask, whatever the file's form and whatever it hides."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import cutouts
from support.helpers import Dataset, Result, draw, rows

import annotators
from annotators.functional import masks
from schemas import codecs, shards

FLAGS = ("--skip", "parse,keypoints,densepose,caption,agnostic")
SIZE = ("--size", "160x120")
Command = Callable[..., Result]


def build(command: Command, folder: Path, *flags: str) -> dict[str, dict[str, Any]]:
    """Records by garment of the pictures in `folder`/garments, each with a person of its own."""
    (folder / "persons").mkdir(exist_ok=True)
    for path in (folder / "garments").iterdir():
        Image.fromarray(draw(0)["person"]).save(folder / "persons" / f"{path.stem}.png")
    places = ("--persons", folder / "persons", "--garments", folder / "garments", "--output", folder / "out")
    result = command("pipelines.build_photos", *places, *FLAGS, *SIZE, *flags)
    assert result.code == 0, result.stderr
    return {row["garment_id"]: row for row in rows(folder / "out")}


def garment(folder: Path, name: str, data: bytes | Image.Image) -> None:
    (folder / "garments").mkdir(exist_ok=True)
    if isinstance(data, bytes):
        (folder / "garments" / name).write_bytes(data)
    else:
        data.save(folder / "garments" / name)


def mask(row: dict[str, Any]) -> np.ndarray:
    return codecs.decode_mask(row["garment_mask"]["bytes"])


def provenance(row: dict[str, Any], column: str = "garment_mask") -> dict[str, Any]:
    return next(entry for entry in row["provenance"] if entry["column"] == column)


def findings(folder: Path) -> dict[str, str]:
    """Kind → detail."""
    return {row["kind"]: row["detail"] for row in pq.read_table(folder / "out/findings.parquet").to_pylist()}


def test_every_form_of_transparency_is_the_mask(command: Command, tmp_path: Path) -> None:
    for name, data in cutouts.FORMS.items():
        garment(tmp_path, name.replace(".", "_") + name[name.index(".") :], data())
    built = build(command, tmp_path, "--garment-canvas", "none")
    assert len(built) == len(cutouts.FORMS)
    for name, row in built.items():
        assert ((mask(row) > 0) == cutouts.shirt()).all(), name
        entry = provenance(row)
        assert entry["origin"] == "dataset" and "alpha" in entry["note"], name
        assert entry["digest"] == provenance(row, "garment_image")["digest"], name
        shown = codecs.decode_image(row["garment_image"]["bytes"])
        assert (shown == 255).all() or "alphas" in name or "lossy" in name, "neither room nor key shows"
        with Image.open(io.BytesIO(row["garment_image"]["bytes"])) as stored:
            assert not stored.has_transparency_data, f"{name}: other readers would see what it hides"


def test_a_cut_out_is_placed_by_its_alpha(command: Command, tmp_path: Path) -> None:
    garment(tmp_path, "x.png", cutouts.FORMS["rgba.png"]())
    (row,) = build(command, tmp_path, "--garment-canvas", "vitonhd", "--size", "320x240").values()
    columns = np.flatnonzero(mask(row).any(axis=0))
    assert columns[-1] + 1 - columns[0] == pytest.approx(0.9 * 240, abs=3), "a wide one is limited by its width"
    assert provenance(row)["origin"] == "dataset" and "cut out of" in provenance(row, "garment_image")["note"]


def test_recompute_looks_at_colours(command: Command, tmp_path: Path) -> None:
    pixels = np.full((160, 120, 4), 255, np.uint8)
    pixels[40:120, 30:90, :3] = (180, 30, 40)
    pixels[:60, :, 3] = 0
    garment(tmp_path, "x.png", Image.fromarray(pixels))
    flags = ("--garment-canvas", "none", "--recompute", "garment_mask")
    (row,) = build(command, tmp_path, *flags).values()
    assert provenance(row)["origin"] == "annotator" and masks.area(mask(row)) == pytest.approx(60 * 60, rel=0.03)


def test_alpha_that_cuts_nothing_out_is_no_mask(command: Command, tmp_path: Path) -> None:
    block = np.full((160, 120, 3), 240, np.uint8)
    block[40:120, 30:90] = (180, 30, 40)
    alphas = {name: np.full((160, 120), 255, np.uint8) for name in ("opaque", "faint", "corners", "margin", "erased")}
    alphas["faint"][:] = 200
    alphas["corners"][:4, :4] = alphas["corners"][-4:, :4] = 0
    alphas["margin"][:10] = alphas["margin"][:, :10] = 0
    alphas["erased"][60:80, 50:70] = 0
    for name, alpha in alphas.items():
        garment(tmp_path, f"{name}.png", Image.fromarray(np.dstack([block, alpha])))
    built = build(command, tmp_path, "--garment-canvas", "none")
    for name in ("opaque", "faint", "corners", "margin"):
        assert provenance(built[name])["origin"] == "annotator", name
        assert masks.area(mask(built[name])) == pytest.approx(60 * 80, rel=0.03), name
    assert "with its background" in findings(tmp_path)["alpha_not_mask"]


def test_what_is_wholly_transparent_keeps_its_record(command: Command, tmp_path: Path) -> None:
    garment(tmp_path, "x.png", cutouts.with_alpha(np.zeros((160, 120), np.uint8)))
    (row,) = build(command, tmp_path).values()
    assert row["garment_mask"] is None
    assert "nothing of it shows" in findings(tmp_path)["transparent_picture"]


def test_a_mask_in_its_own_file_wins_and_is_compared(command: Command, tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data")
    pixels = np.full((64, 48, 4), (180, 30, 40, 0), np.uint8)
    pixels[16:48, 12:36, 3] = 255
    inside = pixels[..., 3]
    shipped = {"same": inside, "inverted": 255 - inside, "other": np.roll(inside, 12, axis=1)}
    for seed, (name, own) in enumerate(shipped.items()):
        data.add(name, seed, annotated=False)
        (data.root / f"test/cloth/{name}.jpg").unlink()
        (data.root / f"test/cloth-mask/{name}.jpg").unlink()
        for folder, image in (("cloth", pixels), ("cloth-mask", own)):
            (data.root / "test" / folder).mkdir(exist_ok=True)
            Image.fromarray(image).save(data.root / "test" / folder / f"{name}.png")
    data.pairs(*(f"{name}.jpg {name}.png" for name in shipped))
    out = tmp_path / "out"
    arguments = ("--input", data.root, "--split", "test", "--pairing", "unpaired", "--output", out, *FLAGS)
    assert (result := command("pipelines.build_vitonhd", *arguments)).code == 0, result.stderr
    built = {row["garment_id"]: row for row in rows(out)}
    assert (mask(built["same"]) == inside).all() and (mask(built["inverted"]) == inside).all()
    assert (mask(built["other"]) == shipped["other"]).all(), "the file wins"
    told = {row["record_id"].split("/")[-1].split("+")[0]: row["detail"] for row in _contradictions(out)}
    assert list(told) == ["other"] and "overlap by 0.33" in told["other"]


def _contradictions(out: Path) -> list[dict[str, Any]]:
    return [r for r in pq.read_table(out / "findings.parquet").to_pylist() if r["kind"] == "contradicting_masks"]


def test_arrays_with_alpha_are_cut_out_in_memory() -> None:
    image = np.asarray(cutouts.with_alpha(np.where(cutouts.shirt(), np.uint8(255), np.uint8(0))))
    (record,) = annotators.annotate([{"garment_image": image}], want=["garment_mask"])
    assert ((record["garment_mask"] > 0) == cutouts.shirt()).all() and (record["garment_image"] == 255).all()


def test_annotate_takes_alpha_that_a_shard_holds(command: Command, tmp_path: Path) -> None:
    garment(tmp_path, "x.png", cutouts.FORMS["rgba.png"]())
    build(command, tmp_path, "--garment-canvas", "none", "--annotators", "quality")
    source = tmp_path / "out"
    (shard,) = source.glob("*-of-*")
    with shard.open("rb") as file:
        reader = shards.ShardReader(file, shard.name)
        schema, (row,) = reader.schema, reader.rows()
    row["garment_image"] = {"bytes": cutouts.FORMS["rgba.png"](), "path": "x.png"}
    with shard.open("wb") as file:
        writer = shards.ShardWriter(file, schema, "parquet")
        writer.write(row)
        size, digest = writer.close()
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["shards"][0] |= {"bytes": size, "sha256": digest}
    (source / "manifest.json").write_text(json.dumps(manifest))
    result = command("pipelines.annotate", source, "--annotators", "garment_mask", "--output", tmp_path / "new")
    assert result.code == 0, result.stderr
    (row,) = rows(tmp_path / "new")
    assert ((mask(row) > 0) == cutouts.shirt()).all() and "alpha" in provenance(row)["note"]
