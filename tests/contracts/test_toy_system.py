"""A system unlike those that are here goes through the commands with no shared file changed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import small_shards, toy_system
from support.helpers import draw

import annotators
from schemas import codecs, fields
from schemas.cli.flags import UsageError
from vton_models.__main__ import main
from vton_models.networks import weights
from vton_models.sampling import photo_masks

OWN = "agnostic_mask_ootdiffusion"
RANDOM = ("--weights", "random", "--tiny")


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch, no_machine_weights: None) -> None:
    toy_system.register(monkeypatch)


def own_mask(number: int) -> np.ndarray:
    """Another place in every record, and never that of the plain mask."""
    mask = np.zeros((128, 96), np.uint8)
    mask[10 + number : 30 + number, 6:30] = 255
    return mask


def change(number: int, row: dict[str, Any]) -> None:
    """All but record 2 have the recipe's own mask."""
    cell = {"bytes": codecs.encode_mask(own_mask(number)), "path": "own.png"}
    row[OWN] = None if number == 2 else cell


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shards.write(tmp_path_factory.mktemp("toy") / "shards", 6, change, [fields.mask(OWN)])


def run(capsys: pytest.CaptureFixture[str], command: str, *words: object) -> tuple[dict[str, Any], str]:
    """(the last line on stdout, stderr) of a command that ends well."""
    assert main([command, "toy_system", *map(str, words)]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out.splitlines()[-1]), captured.err


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def stored(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "samples.parquet").to_pylist()


def watch(monkeypatch: pytest.MonkeyPatch) -> list[tuple[toy_system.Prepare, dict[str, Any]]]:
    """What is prepared in this process: by whom, and of which record."""
    calls: list[tuple[toy_system.Prepare, dict[str, Any]]] = []
    real = toy_system.Prepare.__call__

    def watching(self: toy_system.Prepare, record: Any, generator: Any = None) -> Any:
        calls.append((self, dict(record)))
        return real(self, record, generator)

    monkeypatch.setattr(toy_system.Prepare, "__call__", watching)
    return calls


def test_preview_gives_whole_pictures_and_the_recipes_mask(
    capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = watch(monkeypatch)
    line, told = run(capsys, "preview", "--tiny", "--shards", shards, "--output", tmp_path / "out")
    assert line["records"] == len(list((tmp_path / "out").iterdir())) == len(calls) == 6
    assert f"{OWN} is read, where a record lacks it agnostic_mask" in told
    for number, (_, record) in enumerate(calls):
        assert np.array_equal(record["person_image"], draw(number)["person"]), "at 128x96, for a network of 16x16"
        assert np.array_equal(record["agnostic_mask"], draw(2)["mask"] if number == 2 else own_mask(number))


def test_held_out_records_are_never_augmented(
    capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, held_out = watch(monkeypatch), ("--validate-every", 2, "--validation-records", 2)
    words = ("--tiny", "--shards", shards, "--steps", 4, "--workers", 0, *held_out, "--output", tmp_path / "run")
    run(capsys, "train", *words)
    names = set(json.loads((tmp_path / "run/config.json").read_text())["counts"]["held_out"])
    assert len(names) == 2
    assert {record["record_id"] for prepare, record in calls if not prepare.mirrors} == names
    assert {record["record_id"] for prepare, record in calls if prepare.mirrors}.isdisjoint(names)
    assert {record["person_image"].shape for _, record in calls} == {(128, 96, 3)}, "whole pictures"


def test_train_sample_and_convert(
    capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = ("--shards", shards, "--steps", 4, "--workers", 0, "--validate-every", 2, "--validation-records", 2)
    line, told = run(capsys, "train", "--tiny", *trained, "--output", tmp_path / "run")
    assert line["steps"] == 4 and OWN in told
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["counts"]["masks"] == [OWN, "agnostic_mask"] and list((tmp_path / "run/validation").iterdir())

    shared = ("--weights", tmp_path / "run", "--shards", shards, "--pairs", "paired")
    run(capsys, "sample", *shared, "--output", tmp_path / "out", "--num-inference-steps", 2, "--paste-back")
    assert len(stored(tmp_path / "out")) == 6
    for number, row in enumerate(stored(tmp_path / "out")):
        result, mask = pixels(tmp_path / "out" / row["file"]), draw(2)["mask"] if number == 2 else own_mask(number)
        assert (row["num_inference_steps"], row["garment_scale"], row["scene_scale"]) == (2, 3.0, 1.5)
        assert "eta" not in row and "guidance_scale" not in row
        changed = (result != draw(number)["person"]).any(axis=2)
        assert changed.any() and not changed[mask == 0].any(), "at its place in the photo, and nowhere else"
    assert json.loads((tmp_path / "out/config.json").read_text())["masks"] == [OWN, "agnostic_mask"]

    monkeypatch.setattr(toy_system.Toy, "load_base", None)  # the published layout holds all that is trained
    run(capsys, "convert", "--from", tmp_path / "run", "--to", tmp_path / "official.safetensors")
    official = weights.read(tmp_path / "official.safetensors")
    assert official.keys() == {"denoiser.weight", "denoiser.bias"}
    run(capsys, "convert", "--tiny", "--from", tmp_path / "official.safetensors", "--to", tmp_path / "again")
    again = weights.read(tmp_path / "again/model/model.safetensors")
    assert all((again[name] == value).all() for name, value in official.items())


def test_each_scale_is_a_flag_of_its_own(capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["sample", "toy_system", "--help"])
    text = capsys.readouterr().out
    assert "(default 3.0)" in text and "(default 1.5)" in text and "(default 7)" in text
    flags = text[text.index("options:") : text.index("examples:")]
    assert "--garment-scale" in flags and "--scene-scale" in flags and "--repaint" not in flags
    assert "CatVTON" not in flags and "--eta" not in flags
    pictures = []
    for changes in ((), ("--garment-scale", 9), ("--scene-scale", 9)):
        out = tmp_path / "-".join(map(str, ("out", *changes)))
        run(capsys, "sample", *RANDOM, "--shards", shards, "--limit", 1, *changes, "--output", out)
        (row,) = stored(out)
        pictures.append(pixels(out / row["file"]))
        assert pictures[-1].shape == (16, 16, 3)
        assert "garment " in Image.open(out / row["file"]).text["Settings"]
    assert (pictures[0] != pictures[1]).any() and (pictures[0] != pictures[2]).any()
    for wrong, message in (("--eta", "unrecognized"), ("--scene-scale", "allowed are 0 to 10")):
        with pytest.raises(UsageError, match=message):
            main(["sample", "toy_system", *RANDOM, "--shards", str(shards), wrong, "11"])


def test_a_photo_with_its_mask_and_with_the_recipes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw(1)
    for name in ("person", "garment", "mask"):
        Image.fromarray(drawn[name]).save(tmp_path / f"{name}.png")
    photo = (*RANDOM, "--person", tmp_path / "person.png", "--garment", tmp_path / "garment.png", "--paste-back")
    run(capsys, "sample", *photo, "--mask", tmp_path / "mask.png", "--output", tmp_path / "out")
    changed = (pixels(tmp_path / "out/person+garment.png") != drawn["person"]).any(axis=2)
    assert changed.any() and not changed[drawn["mask"] == 0].any()

    words = ["sample", "toy_system", *map(str, photo)]
    with pytest.raises(UsageError, match="--mask FILE.*python -m annotators fetch"):
        main([*words, "--output", str(tmp_path / "none")])
    with pytest.raises(UsageError, match="--mask-type inner; allowed are upper, lower, overall"):
        main([*words, "--mask-type", "inner", "--output", str(tmp_path / "none")])

    def annotate(records: list[dict[str, Any]], want: Any, *, configs: dict[str, Any], **_: Any) -> Any:
        settings = configs["agnostic"]
        assert (settings.recipe, settings.model_type, records[0]["category"]) == ("ootdiffusion", "dc", "dresses")
        return [records[0] | {"agnostic_mask": own_mask(1)}]

    monkeypatch.setattr(annotators, "annotate", annotate)
    monkeypatch.setattr(photo_masks.weights, "available", lambda name, folder: True)
    run(capsys, "sample", *photo, "--mask-type", "overall", "--output", tmp_path / "recipe")
    (row,) = stored(tmp_path / "recipe")
    changed = (pixels(tmp_path / "recipe" / row["file"]) != drawn["person"]).any(axis=2)
    assert row["mask_type"] == "overall" and changed.any() and not changed[own_mask(1) == 0].any()


def test_networks_of_two_bases(capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path) -> None:
    for name, by in (("one", 1.0), ("two", 2.0)):
        model = toy_system.build(toy_system.Config())
        for parameter in model.parameters().values():
            parameter.data += by
        model.save_base(tmp_path / name)
    words = f"base:{tmp_path / 'one'},garment_encoder={tmp_path / 'two'}"
    shared = ("--shards", shards, "--steps", 1, "--global-batch-size", 2, "--workers", 0, "--height", 16, "--width", 16)
    run(capsys, "train", *shared, "--init", words, "--output", tmp_path / "run")
    noted = json.loads((tmp_path / "run/config.json").read_text())["base"]["networks"]
    places = {name: Path(one["path"]).name for name, one in noted.items()}
    assert places == {"denoiser": "one", "garment_encoder": "two"}
    assert len({one["digest"] for one in noted.values()}) == 2
    sampled = ("--weights", tmp_path / "run", "--shards", shards, "--num-inference-steps", 1)
    run(capsys, "sample", *sampled, "--output", tmp_path / "out")

    line, _ = run(capsys, "convert", "--from", words, "--to", tmp_path / "laid")
    assert line["networks"] == ["denoiser", "garment_encoder"] and line["files"] == 4
    run(capsys, "sample", *sampled, "--base", tmp_path / "laid", "--output", tmp_path / "again")
    for row in stored(tmp_path / "out"):
        assert np.array_equal(pixels(tmp_path / "out" / row["file"]), pixels(tmp_path / "again" / row["file"]))
    with pytest.raises(UsageError, match="was trained from base .*: another garment_encoder"):
        run(capsys, "sample", *sampled, "--base", tmp_path / "one", "--output", tmp_path / "other")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ("--tiny", "--shards", "SHARDS", "--init")),
        ("sample", ("--shards", "SHARDS", "--weights")),
        ("convert", ("--to", "x", "--from")),
    ],
)
def test_a_network_that_the_system_has_not_is_one_line(
    capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path, command: str, words: tuple[str, ...]
) -> None:
    placed = [str(shards) if word == "SHARDS" else word for word in words]
    with pytest.raises(
        UsageError, match="'garment' is no network; there are denoiser, garment_encoder; allowed"
    ) as told:
        run(capsys, command, *placed, f"base:{tmp_path},garment={tmp_path}")
    assert "\n" not in str(told.value)
