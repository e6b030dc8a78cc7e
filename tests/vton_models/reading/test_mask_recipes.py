"""Whose mask a record's is, and what is said of masks from another recipe than training's."""

from pathlib import Path
from typing import Any

import pytest
from support import small_shards

from schemas import codecs, fields
from vton_models.reading import mask_recipes
from vton_models.reading.catalogue import catalogue
from vton_models.reading.view import MASK, view
from vton_models.system import Reads

OWN = "agnostic_mask_ootdiffusion"
READS = Reads(("person_image", MASK), mask_recipe="ootdiffusion")


def entry(column: str, origin: str, note: str | None) -> dict[str, Any]:
    return {"column": column, "origin": origin, "annotator": "agnostic", "digest": None, "note": note}


@pytest.mark.parametrize(
    ("column", "origin", "note", "recipe"),
    [
        (MASK, "annotator", "drawn by hrviton; recipe=auto,ootdiffusion; model_type=hd; mask_type=auto", "hrviton"),
        (MASK, "annotator", "recipe=idm_vton,catvton; model_type=hd; mask_type=auto", "idm_vton"),
        (OWN, "annotator", "recipe=auto,ootdiffusion; model_type=hd; mask_type=auto", "ootdiffusion"),
        (OWN, "annotator", "recipe=auto,ootdiffusion; model_type=dc; mask_type=auto", "ootdiffusion (dc)"),
        (MASK, "dataset", None, "dataset"),
        (MASK, "manual", "", "manual"),
    ],
)
def test_a_recipe_by_its_provenance(column: str, origin: str, note: str | None, recipe: str) -> None:
    assert mask_recipes.recipe(entry(column, origin, note)) == recipe


def test_of_each_record_the_first_mask_counts(tmp_path: Path) -> None:
    def change(number: int, row: dict[str, Any]) -> None:
        cell = {"bytes": codecs.encode_mask(codecs.decode_mask(row[MASK]["bytes"])), "path": "own.png"}
        row[OWN] = cell if number in (1, 2) else None
        drawn = "drawn by dresscode; recipe=auto,ootdiffusion; model_type=hd"
        row["provenance"] = [
            entry("parse", "dataset", None),
            entry(MASK, "annotator", drawn),
            entry(OWN, "annotator", "recipe=auto,ootdiffusion; model_type=hd"),
        ]

    small_shards.write(tmp_path / "shards", 4, change, [fields.mask(OWN)])
    listed = catalogue([str(tmp_path / "shards")], None, None, None)
    drawn = mask_recipes.of_records(listed, view(READS, listed).masks)
    assert [drawn[f"small/train/{number:05d}"][1] for number in range(4)] == [
        "dresscode",
        "ootdiffusion",
        "ootdiffusion",
        "dresscode",
    ]
    assert mask_recipes.of_records(listed, ()) == {}, "a system that reads no mask"


def test_recipes_are_compared_by_category() -> None:
    trained = mask_recipes.by_category([("upper_body", "hrviton"), ("dresses", "dresscode"), ("dresses", "ladi")])
    assert trained == {"dresses": ["dresscode", "ladi"], "upper_body": ["hrviton"]}
    assert mask_recipes.difference(trained, {"upper_body": ["hrviton"], "dresses": ["ladi"]}) == ""
    assert mask_recipes.difference(trained, {"lower_body": ["catvton"]}) == "", "nothing to compare with"
    assert mask_recipes.difference(trained, {"upper_body": [mask_recipes.FILE]}) == ""
    assert mask_recipes.difference({}, {"upper_body": ["catvton"]}) == ""
    assert mask_recipes.difference(trained, {"upper_body": ["dresscode"], "dresses": ["dresscode", "catvton"]}) == (
        "masks come from other recipes than in training: dresses by catvton, not dresscode, ladi;"
        " upper_body by dresscode, not hrviton"
    )
