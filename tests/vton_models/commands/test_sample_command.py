"""`sample` and `convert` on tiny random networks, in this process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import small_shards
from support.helpers import draw

import annotators
from schemas import codecs
from schemas.cli.flags import UsageError
from vton_models.__main__ import main
from vton_models.catvton.sampling import Sampling
from vton_models.commands import convert, sample
from vton_models.sampling import outputs, photo_masks
from vton_models.sampling.tasks import try_on

pytest.importorskip("diffusers")

RANDOM = ("--weights", "random", "--tiny", "--num-inference-steps", "2")


@pytest.fixture(autouse=True)
def _no_machine_weights(no_machine_weights: None) -> None:
    """Masks are drawn only where a test says so."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shards.write(tmp_path_factory.mktemp("small") / "shards", 7, change)


def change(number: int, row: dict[str, Any]) -> None:
    """Record 2 has no mask, record 4 a damaged photo."""
    if number == 2:
        row["agnostic_mask"] = None
    if number == 4:
        row["person_image"] = {"bytes": row["person_image"]["bytes"][:300], "path": "cut.png"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A landscape photo of a person, garments, and masks of its upper and lower half at half its size."""
    Image.fromarray(draw(1)["person"]).resize((150, 120)).save(tmp_path / "me.jpg")
    for name, seed in (("shirt", 2), ("skirt", 3), ("friend", 4)):
        Image.fromarray(draw(seed)["garment"]).save(tmp_path / f"{name}.png")
    for name, rows in (("upper", slice(10, 30)), ("lower", slice(30, 60))):
        mask = np.zeros((60, 75), np.uint8)
        mask[rows, 20:55] = 255
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = sample.main(["catvton", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def rows(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "samples.parquet").to_pylist()


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_shards_unpaired(capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, line = run(capsys, *RANDOM, "--shards", shards, "--output", out, "--batch-size", 4)
    # dresses 0, 3, 6; upper_body 1, 2, 4, 5
    assert (code, line["samples"], line["rejects"], line["left_out"]) == (3, 5, 1, 1), "1 of 6 is more than a tenth"
    rejected = {row["record_id"]: row for row in pq.read_table(out / "rejects.parquet").to_pylist()}
    assert {name: row["error"] for name, row in rejected.items()} == {
        "small/train/00002": "missing_column",
        "small/train/00004": "undecodable",
    }
    table = pq.read_table(out / "samples.parquet")
    assert table.schema.equals(outputs.samples_schema(Sampling, try_on.IDS, try_on.FACTS))
    assert table.schema.names == [
        *("record_id", "person_id", "garment_id", "prompt", "seed", "num_inference_steps", "guidance_scale", "eta"),
        *("mask_type", "mask_recipe", "weights_digest", "file", "width", "height"),
    ]
    found = table.to_pylist()
    assert [row["record_id"] for row in found] == [f"small/train/{number:05d}" for number in (0, 1, 3, 5, 6)]
    for row in found:
        assert row["person_id"] == row["record_id"][-5:] and row["garment_id"] != row["person_id"]
        assert (int(row["garment_id"]) % 3 == 0) == (int(row["person_id"]) % 3 == 0), "of the same category"
        assert (row["seed"], row["num_inference_steps"], row["guidance_scale"], row["eta"]) == (0, 2, 2.5, 1.0)
        assert (row["height"], row["width"]) == pixels(out / row["file"]).shape[:2] == (64, 48)
        text = Image.open(out / row["file"]).text
        assert text["Software"].startswith("vton-pipelines ") and "CatVTON" in text["Comment"]
        assert text["WeightsDigest"] == row["weights_digest"] and len(row["weights_digest"]) == 71
        assert (text["Seed"], text["Garment"]) == ("0", row["garment_id"])
    config = (out / "config.json").read_text()
    assert str(tmp_path) not in config and str(shards) not in config
    again = run(capsys, *RANDOM, "--shards", shards, "--output", out, "--batch-size", 4)[1]
    assert (again["skipped"], again["samples"]) == (5, 5)
    with pytest.raises(UsageError, match="seed was 0, is 1"):
        run(capsys, *RANDOM, "--shards", shards, "--output", out, "--seed", 1)


def test_paired_and_pasted_back(capsys: pytest.CaptureFixture[str], shards: Path, tmp_path: Path) -> None:
    arguments = (*RANDOM, "--shards", shards, "--pairs", "paired", "--limit", 2, "--paste-back")
    code, line = run(capsys, *arguments, "--output", tmp_path / "out")
    assert (code, line["samples"]) == (0, 2)
    for row, number in zip(rows(tmp_path / "out"), (0, 1), strict=True):
        drawn, result = draw(number), pixels(tmp_path / "out" / row["file"])
        assert row["garment_id"] == row["person_id"] == f"{number:05d}"
        outside = drawn["mask"] == 0
        assert np.array_equal(result[outside], drawn["person"][outside])
        assert (result != drawn["person"])[~outside].mean() > 0.5


def test_two_photos(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    arguments = (*RANDOM, "--person", files / "me.jpg", "--garment", files / "shirt.png", "--mask", files / "upper.png")
    code, _ = run(capsys, *arguments, "--output", files / "pasted", "--paste-back")
    (row,) = rows(files / "pasted")
    assert code == 0 and (row["record_id"], row["person_id"], row["garment_id"]) == ("me+shirt", "me", "shirt")
    photo, result = codecs.decode_image((files / "me.jpg").read_bytes()), pixels(files / "pasted/me+shirt.png")
    mask = codecs.decode_mask((files / "upper.png").read_bytes()).repeat(2, 0).repeat(2, 1)
    assert (row["height"], row["width"]) == result.shape[:2] == photo.shape[:2]
    changed = (result != photo).any(axis=2)
    assert changed.any() and not changed[mask == 0].any()
    run(capsys, *arguments, "--output", files / "plain")
    assert pixels(files / "plain/me+shirt.png").shape == (64, 48, 3)
    run(capsys, *arguments, "--output", files / "repainted", "--repaint")
    assert pixels(files / "repainted/me+shirt.png").shape == (64, 48, 3)
    run(capsys, *arguments, "--output", files / "frugal", "--memory", "low")
    apart = pixels(files / "frugal/me+shirt.png").astype(int) - pixels(files / "plain/me+shirt.png")
    assert np.abs(apart).max() <= 2, "on a CPU low differs from full by rounding"
    run(capsys, *arguments, "--output", files / "other", "--height", 96, "--width", 64)
    assert pixels(files / "other/me+shirt.png").shape == (96, 64, 3)


def test_a_garment_from_a_worn_photo(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    shared = (*RANDOM, "--person", files / "me.jpg", "--mask", files / "upper.png")
    run(capsys, *shared, "--garment-person", files / "friend.png", "--output", files / "out")
    assert rows(files / "out")[0]["garment_id"] == "friend"
    run(capsys, *shared, "--garment", files / "friend.png", "--output", files / "flat")
    same = pixels(files / "out/me+friend.png") == pixels(files / "flat/me+friend.png")
    assert same.all(), "CatVTON reads a worn garment as it reads a flat one: the whole photo"


@pytest.mark.parametrize(
    ("size", "place"),
    [
        ((128, 400), (20, 10)),  # at the left of a landscape photo, outside its middle
        ((128, 400), (20, 350)),
        ((400, 96), (0, 20)),
        ((400, 96), (360, 20)),
        ((128, 400), (0, 360)),  # up to the border
        ((20, 30), (5, 3)),
        ((128, 400), None),  # all of it
    ],
)
def test_all_of_the_mask_is_repainted_wherever_it_is(
    capsys: pytest.CaptureFixture[str], files: Path, size: tuple[int, int], place: tuple[int, int] | None
) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = np.full(size, 255, np.uint8)
    if place:
        mask[:] = 0
        mask[place[0] : place[0] + 40, place[1] : place[1] + 40] = 255
    Image.fromarray(photo).save(files / "wide.png")
    Image.fromarray(mask).save(files / "mask.png")
    arguments = (
        *RANDOM,
        "--person",
        files / "wide.png",
        "--garment",
        files / "shirt.png",
        "--mask",
        files / "mask.png",
    )
    assert run(capsys, *arguments, "--output", files / "out", "--paste-back")[0] == 0
    changed = (pixels(files / "out/wide+shirt.png") != photo).any(axis=2)
    assert changed[mask > 0].mean() > 0.97 and not changed[mask == 0].any()


def test_a_mask_that_the_network_cannot_see_is_said_not_sampled(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    fine = np.zeros((600, 450), np.uint8)
    fine[300:302, 100:400] = 255
    for name, pixels_of in (("fine", fine), ("photo", np.dstack([fine] * 3))):
        Image.fromarray(pixels_of).save(files / f"{name}.png")
    arguments = (*RANDOM, "--person", files / "photo.png", "--garment", files / "shirt.png")
    arguments = (*arguments, "--mask", files / "fine.png")
    assert sample.main(["catvton", *map(str, arguments), "--output", str(files / "out")]) == 3
    (reject,) = pq.read_table(files / "out/rejects.parquet").to_pylist()
    assert reject["error"] == "mask_too_fine" and "at 64x48" in reject["message"]
    assert reject["message"] in capsys.readouterr().err


@pytest.mark.parametrize("finish", [(), ("--paste-back",), ("--repaint",)])
def test_a_whole_outfit(capsys: pytest.CaptureFixture[str], files: Path, finish: tuple[str, ...]) -> None:
    outfit = ("--upper", files / "shirt.png", "--lower", files / "skirt.png")
    masks = ("--upper-mask", files / "upper.png", "--lower-mask", files / "lower.png")
    arguments = (*RANDOM, "--person", files / "me.jpg", *outfit, *masks, *finish)
    code, line = run(capsys, *arguments, "--output", files / "out")
    assert (code, line["samples"]) == (0, 2)
    found = {row["record_id"]: row for row in rows(files / "out")}
    assert list(found) == ["me+shirt", "me+shirt+skirt"]
    first, both = (pixels(files / "out" / row["file"]) for row in found.values())
    if "--paste-back" in finish:
        lower = codecs.decode_mask((files / "lower.png").read_bytes()).repeat(2, 0).repeat(2, 1)
        assert both.shape == (120, 150, 3) and np.array_equal(both[lower == 0], first[lower == 0])
    assert (both != first).any()
    (files / "out/me+shirt+skirt.png").unlink()
    assert run(capsys, *arguments, "--output", files / "out")[1]["skipped"] == 1
    assert np.array_equal(pixels(files / "out/me+shirt+skirt.png"), both), "gone on with from the first piece's file"


def test_without_weights_or_mask_both_ways_on_are_named(files: Path) -> None:
    arguments = ["catvton", *RANDOM, "--person", str(files / "me.jpg"), "--output", str(files / "out")]
    with pytest.raises(UsageError) as error:
        sample.main([*arguments, "--garment", str(files / "shirt.png")])
    assert "--mask FILE" in str(error.value) and "python -m annotators fetch" in str(error.value)
    assert "densepose" in str(error.value) and not (files / "out").exists()
    with pytest.raises(UsageError, match="--upper-mask FILE and --lower-mask FILE"):
        sample.main([*arguments, "--upper", str(files / "shirt.png"), "--lower", str(files / "skirt.png")])


def test_drawn_masks(capsys: pytest.CaptureFixture[str], files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def annotate(
        records: list[dict[str, Any]], want: Any, *, weights: Any, device: str, configs: dict[str, Any]
    ) -> Any:
        (found,), config = records, configs["agnostic"]
        asked.append((config.recipe, config.mask_type, found["category"], weights, found.get("parse")))
        mask = np.zeros(found["person_image"].shape[:2], np.uint8)
        mask[20 : 60 if config.mask_type == "upper" else 100, 40:110] = 255
        return [found | {"agnostic_mask": mask, "parse": "kept"}]

    monkeypatch.setattr(annotators, "annotate", annotate)
    monkeypatch.setattr(photo_masks.weights, "available", lambda name, folder: True)
    monkeypatch.chdir(files)
    (files / "w").mkdir()
    shared = (*RANDOM, "--person", files / "me.jpg", "--annotator-weights", "w", "--paste-back")
    outfit = ("--upper", files / "shirt.png", "--lower", files / "skirt.png")
    assert run(capsys, *shared, *outfit, "--output", files / "out")[0] == 0
    assert asked == [("catvton", "upper", "upper_body", "w", None), ("catvton", "lower", "lower_body", "w", "kept")]
    assert [row["mask_type"] for row in rows(files / "out")] == ["upper", "lower"]
    assert {row["mask_recipe"] for row in rows(files / "out")} == {"catvton"}
    run(capsys, *shared, "--garment", files / "shirt.png", "--mask-type", "overall", "--output", files / "one")
    assert asked[-1][1:3] == ("overall", "dresses") and rows(files / "one")[0]["mask_type"] == "overall"

    def nobody(*_: Any, **__: Any) -> Any:
        raise ValueError("nobody is in the photo")

    monkeypatch.setattr(annotators, "annotate", nobody)
    with pytest.raises(UsageError, match="no upper mask.*nobody is in the photo; allowed is --mask FILE"):
        run(capsys, *shared, "--garment", files / "shirt.png", "--output", files / "none")


def test_mask_free(capsys: pytest.CaptureFixture[str], shards: Path, files: Path) -> None:
    free = (*RANDOM, "--mask-free")
    photos = ("--person", files / "me.jpg", "--garment", files / "shirt.png")
    assert run(capsys, *free, *photos, "--output", files / "photo")[0] == 0
    assert rows(files / "photo")[0]["mask_type"] is None
    with pytest.raises(UsageError, match="--paste-back needs --mask FILE"):
        run(capsys, *free, *photos, "--paste-back", "--output", files / "x")
    outfit = ("--person", files / "me.jpg", "--lower", files / "skirt.png")
    with pytest.raises(UsageError, match="--repaint needs --lower-mask FILE"):
        run(capsys, *free, *outfit, "--repaint", "--output", files / "x")
    with pytest.raises(UsageError, match="--mask-type lower with a mask-free model"):
        run(capsys, *free, *photos, "--mask-type", "lower", "--output", files / "x")
    assert run(capsys, *free, "--shards", shards, "--limit", 1, "--output", files / "shards")[0] == 0
    with pytest.raises(UsageError, match="lack column source_person_image"):
        run(capsys, *free, "--shards", shards, "--pairs", "paired", "--output", files / "y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "absent"), "--weights absent: no such folder"),
        (("--weights", "base:absent"), "--weights base:absent: absent doesn't exist"),
        (("--weights", "."), "no training run"),
        (("--weights", "random", "--tiny", "--official", "absent"), "--official absent"),
        ((*RANDOM,), "--shards DIR, or --person FILE"),
        ((*RANDOM, "--shards", "a", "--person", "b"), "--shards DIR, or --person FILE"),
        ((*RANDOM, "--shards", "a", "--garment", "b"), "--garment beside --shards"),
        ((*RANDOM, "--person", "a"), "needs one garment"),
        ((*RANDOM, "--person", "a", "--garment", "b", "--upper", "c"), "needs one garment"),
        ((*RANDOM, "--person", "a", "--garment", "b", "--limit", "1"), "--limit beside --person"),
        ((*RANDOM, "--person", "a", "--upper", "b", "--mask", "c"), "--upper-mask and --lower-mask"),
        ((*RANDOM, "--person", "a", "--upper", "b", "--lower-mask", "c"), "--lower-mask without --lower"),
        ((*RANDOM, "--person", "a", "--garment", "b", "--mask", "c"), "--person a: no such file"),
        ((*RANDOM, "--shards", "a", "--paste-back", "--repaint"), "--paste-back beside --repaint"),
        ((*RANDOM, "--shards", "absent"), "can't list absent"),
        ((*RANDOM, "--shards", "a", "--height", "65"), "nearest is 64x48"),
        ((*RANDOM, "--shards", "a", "--num-inference-steps", "0"), "allowed are 1 to 1000"),
        ((*RANDOM, "--shards", "a", "--eta", "2"), "allowed are 0 to 1"),
        ((*RANDOM, "--shards", "a", "--batch-size", "0"), "at least 1"),
        ((*RANDOM, "--shards", "a", "--compile", "--memory", "low"), "--compile beside --memory low"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        sample.main(["catvton", *arguments])
    assert message in str(error.value) and list(tmp_path.iterdir()) == []


def test_a_run_is_not_overwritten_by_results(shards: Path, tmp_path: Path) -> None:
    train = ("train", "catvton", "--tiny", "--shards", shards, "--split", "train", "--steps", 1, "--workers", 0)
    assert main([*map(str, train), "--output", str(tmp_path / "run")]) == 0
    (tmp_path / "run/mine.png").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    for command in ("sample", "synthesize", "encode"):
        words = (command, "catvton", "--weights", tmp_path / "run", "--shards", shards, "--overwrite")
        with pytest.raises(UsageError, match="holds what `vton-pipelines train` made; allowed is another folder"):
            main([*map(str, words), "--output", str(tmp_path / "run")])
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_convert_there_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import torch

    from vton_models import catvton
    from vton_models.networks import digests, weights

    model = catvton.build(catvton.Config.tiny())
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(1)
    model.save_base(tmp_path / "base")
    model.save_official(tmp_path / "official")
    published = tmp_path / "official/attention/model.safetensors"

    def run_convert(*words: object) -> dict[str, Any]:
        assert convert.main(["catvton", *map(str, words)]) == 0
        captured = capsys.readouterr()
        assert len(captured.err.strip().splitlines()) == 1
        return json.loads(captured.out)

    ours = run_convert("--tiny", "--from", tmp_path / "official", "--to", tmp_path / "run", "--base", tmp_path / "base")
    assert ours["tensors"] == len(model.trainable())
    stored = weights.read(tmp_path / "run/model/model.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in model.trainable().items())
    theirs = run_convert("--from", tmp_path / "run", "--to", tmp_path / "back.safetensors")
    assert theirs["parameters"] == ours["parameters"]
    assert (tmp_path / "back.safetensors").read_bytes() == published.read_bytes()
    with pytest.raises(UsageError, match="nothing is overwritten"):
        convert.main(["catvton", "--from", str(tmp_path / "run"), "--to", str(published)])
    with pytest.raises(UsageError, match="no such file"):
        convert.main(["catvton", "--from", str(tmp_path / "absent"), "--to", str(tmp_path / "new")])
    full_size = ["catvton", "--from", str(published), "--to", str(tmp_path / "new")]
    with pytest.raises(UsageError, match="keys missing"):
        convert.main(full_size)
    assert not (tmp_path / "new").exists()
    person, out = draw(1), tmp_path / "out"
    Image.fromarray(person["person"]).save(tmp_path / "p.png")
    Image.fromarray(person["mask"]).save(tmp_path / "m.png")
    photos = ("--person", tmp_path / "p.png", "--garment", tmp_path / "p.png", "--mask", tmp_path / "m.png")
    code, _ = run(capsys, "--weights", tmp_path / "run", *photos, "--num-inference-steps", 1, "--output", out)
    assert code == 0 and rows(out)[0]["weights_digest"] == digests.of_networks(model.networks)
