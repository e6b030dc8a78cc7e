"""A garment and a text become a person, by the command, on tiny random networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import small_shards
from support.helpers import draw

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from schemas.cli.flags import UsageError
from vton_models.commands import sample
from vton_models.imagdressing.model import IMAGDressing
from vton_models.imagdressing.prepare import Prepare

RANDOM = ("--weights", "random", "--tiny", "--num-inference-steps", "4")
QUALITY = ", best quality, high quality"


@pytest.fixture(autouse=True)
def _no_machine_weights(no_machine_weights: None) -> None:
    """Garments are told from their background by no model."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, seed in (("shirt", 2), ("skirt", 3)):
        Image.fromarray(draw(seed)["garment"]).save(tmp_path / f"{name}.png")
    Image.fromarray(draw(4)["person"]).save(tmp_path / "start.jpg")
    (tmp_path / "prompts.txt").write_text("a tall man\n\n  in a park  \n")
    return tmp_path


@pytest.fixture
def run(files: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object, output: str = "out") -> list[dict[str, Any]]:
        """Rows of samples.parquet, each with its pixels."""
        assert sample.main(["imagdressing", *RANDOM, "--output", str(files / output), *map(str, words)]) == 0
        capsys.readouterr()
        rows = pq.read_table(files / output / "samples.parquet").to_pylist()
        return [row | {"pixels": np.asarray(Image.open(files / output / row["file"]))} for row in rows]

    return call


def test_every_garment_in_every_prompt(run: Any, files: Path) -> None:
    """In batches, and several of each; an item's noise is its own, whatever it is sampled with."""
    garments = ("--garment", files / "shirt.png", files / "skirt.png")
    rows = run(*garments, "--prompts-file", files / "prompts.txt", "--num-images", 2, "--negative-prompt", "rain")
    assert [row["record_id"] for row in rows] == [
        f"{garment}/{prompt:03}/{image:03}" for garment in ("shirt", "skirt") for prompt in (0, 1) for image in (0, 1)
    ]
    assert [row["prompt"] for row in rows[:3]] == [f"a tall man{QUALITY}"] * 2 + [f"in a park{QUALITY}"]
    assert {row["negative_prompt"] for row in rows} == {"rain"} and {row["pixels"].shape for row in rows} == {
        (64, 48, 3)
    }
    assert len({row["pixels"].tobytes() for row in rows}) == 8
    alone = run("--garment", files / "shirt.png", "--prompt", "a tall man", "--negative-prompt", "rain", output="alone")
    assert np.abs(alone[0]["pixels"].astype(int) - rows[0]["pixels"]).max() <= 1
    assert json.loads((files / "out/config.json").read_text())["prompts"] == ["a tall man", "in a park"]
    assert str(files) not in (files / "out/config.json").read_text()


def test_prompts_seeds_and_negative_prompts_matter(run: Any, files: Path) -> None:
    shirt = ("--garment", files / "shirt.png")
    plain = run(*shirt, output="plain")
    assert plain[0]["prompt"] == f"A beautiful woman{QUALITY}"
    for place, words in enumerate(
        (("--prompt", "a man"), ("--seed", 1), ("--negative-prompt", "x"), ("--image-scale", 0))
    ):
        (other,) = run(*shirt, *words, output=f"other-{place}")
        assert not np.array_equal(other["pixels"], plain[0]["pixels"]), words


def test_a_picture_to_begin_with(run: Any, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At strength 1 it is the same, bit for bit, as without; at less it shows through, in fewer steps."""
    passes: list[int] = []
    real = IMAGDressing.predict
    monkeypatch.setattr(IMAGDressing, "predict", lambda self, *words: passes.append(1) or real(self, *words))
    shirt, start = ("--garment", files / "shirt.png"), ("--init-image", files / "start.jpg")
    (plain,), (whole,) = run(*shirt, output="plain"), run(*shirt, *start, output="whole")
    assert np.array_equal(plain["pixels"], whole["pixels"]) and len(passes) == 16
    (half,) = run(*shirt, *start, "--strength", 0.5, output="half")
    assert len(passes) == 20 and not np.array_equal(half["pixels"], plain["pixels"])


def test_garments_of_shards_with_their_captions(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(number: int, row: dict[str, Any]) -> None:
        row["caption"] = None if number == 2 else f"person {number}"

    shards = small_shards.write(tmp_path / "shards", 3, change, columns=["caption"])
    said: list[str] = []
    real = Prepare.__call__
    monkeypatch.setattr(Prepare, "__call__", lambda self, record: said.append(record["prompt"]) or real(self, record))
    rows = run("--shards", shards, "--limit", 3, "--num-images", 2)
    captions = ["person 0", "person 1", "A beautiful woman"]
    assert said == [f"{caption}{QUALITY}" for caption in captions for _ in range(2)]
    assert len(rows) == 6 and {row["prompt"] for row in rows} == {None}
    assert [row["garment_id"] for row in rows[::2]] == ["00000", "00001", "00002"]
    rows = run("--shards", shards, "--prompt", "a man", "--pairs", "unpaired", output="unpaired")
    assert {row["prompt"] for row in rows} == {f"a man{QUALITY}"}
    assert all(row["garment_id"] not in row["record_id"].split("/")[2] for row in rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--garment FILE or --shards DIR"),
        (("--garment", "shirt.png", "--shards", "."), "--garment FILE or --shards DIR"),
        (("--garment", "shirt.png", "--limit", "3"), "--limit beside --garment"),
        (("--shards", ".", "--garment-mask", "shirt.png"), "--garment-mask beside --shards"),
        (("--garment", "shirt.png", "skirt.png", "--garment-mask", "shirt.png"), "tells 1 of 2 garments"),
        (
            ("--garment", "shirt.png", "--prompt", "a", "--prompts-file", "prompts.txt"),
            "--prompt beside --prompts-file",
        ),
        (("--garment", "shirt.png", "--prompts-file", "none.txt"), "none.txt: no such file"),
        (("--garment", "shirt.png", "--prompts-file", "shirt.png"), "no utf-8; allowed is a text file"),
        (("--garment", "shirt.png", "--prompts-file", "empty.txt"), "empty.txt holds no prompt"),
        (("--garment", "shirt.png", "--num-images", "0"), "--num-images 0; allowed are 1 to 1000"),
        (("--garment", "shirt.png", "--strength", "0.5"), "--strength without --init-image"),
        (("--garment", "shirt.png", "--init-image", "start.jpg", "--strength", "0.1"), "does none of 4 steps"),
        (("--garment", "prompts.txt"), "--garment prompts.txt"),
        (("--garment", "shirt.png", "--init-image", "prompts.txt"), "--init-image prompts.txt"),
    ],
)
def test_what_is_refused(files: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str) -> None:
    monkeypatch.chdir(files)
    (files / "empty.txt").write_text("\n \n")
    with pytest.raises(UsageError, match=message):
        sample.main(["imagdressing", *RANDOM, "--output", "out", *words])
    assert not (files / "out").exists()


def test_garments_of_one_name_are_told_apart(run: Any, files: Path) -> None:
    (files / "more").mkdir()
    Image.fromarray(draw(5)["garment"]).save(files / "more/shirt.png")
    rows = run("--garment", files / "shirt.png", files / "more/shirt.png")
    assert [row["garment_id"] for row in rows] == ["shirt-0", "shirt-1"]


def test_a_system_that_reads_the_garments_mask(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told from the background, or a file; its settings stand in the table with the defaults that they mean."""
    masks = {}
    for name, more in (("told", ()), ("file", ("--garment-mask", files / "skirt-mask.png"))):
        mask = np.zeros(np.asarray(Image.open(files / "skirt.png")).shape[:2], np.uint8)
        mask[40:60, 30:60] = 255
        Image.fromarray(mask).save(files / "skirt-mask.png")
        words = ("--garment", files / "skirt.png", "--guidance", "single", *more, "--output", files / name)
        assert sample.main(["magic_clothing", *RANDOM, *map(str, words)]) == 0
        capsys.readouterr()
        (row,) = pq.read_table(files / name / "samples.parquet").to_pylist()
        assert (row["guidance"], row["guidance_scale"], row["garment_guidance_scale"]) == ("single", 2.5, 2.5)
        assert row["prompt"] == f"a photography of a model{QUALITY}" and row["strength"] == 1.0
        masks[name] = np.asarray(Image.open(files / name / row["file"]))
    assert (masks["told"] != masks["file"]).any()


def test_a_model_that_repaints_persons_takes_shards_only(files: Path) -> None:
    words = ("--inpainting", "--garment", str(files / "shirt.png"), "--output", str(files / "out"))
    with pytest.raises(UsageError, match="--garment beside a model that repaints persons"):
        sample.main(["magic_clothing", *RANDOM, *words])
    assert not (files / "out").exists()
