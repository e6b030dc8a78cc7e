"""When a run reads what was encoded before: from the very weights, at its size, of the columns that it reads."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from accelerate.state import AcceleratorState
from support import finished, small_shards
from support.helpers import rows as stored_rows

from schemas import fields
from vton_models import catvton
from vton_models.__main__ import main
from vton_models.catvton.config import Config
from vton_models.training import encodings, records

pytestmark = pytest.mark.usefixtures("one_thread")

ENCODED = ("latents_person_image", "latents_masked_person_image", "latents_garment_image")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [small_shards.row(number) for number in range(5)]
    rows[3]["agnostic_mask"] = None
    return finished.write(tmp_path_factory.mktemp("data") / "plain", rows)


@pytest.fixture(scope="module")
def encoded(plain: Path) -> Path:
    words = ["encode", "catvton", "--weights", "random", "--tiny", "--shards", str(plain)]
    assert main([*words, "--output", str(plain.parent / "encoded")]) == 0
    return plain.parent / "encoded"


@pytest.fixture(autouse=True)
def accelerators_are_forgotten() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(True)


def choose(shards: Sequence[Path], wanted: bool = True, **options: Any) -> encodings.Reading:
    config = Config.tiny(**options)
    candidates = records.find([str(one) for one in shards], "train", ())
    chosen = records.choose(candidates, config, 0, 0)
    return encodings.choose(candidates, chosen, catvton.build(config), wanted)


def test_pictures_are_spared(encoded: Path) -> None:
    """The record without a mask isn't trained on, so that it needs no encodings."""
    reading = choose([encoded])
    assert reading.columns == ("agnostic_mask", *ENCODED) and reading.networks == ("vae",)
    assert reading.told == (f"{', '.join(ENCODED)} are read as they were encoded; the vae isn't run in training",)


def test_shards_without_any_are_read_in_silence(plain: Path, encoded: Path) -> None:
    for reading in (choose([plain]), choose([encoded], wanted=False)):
        assert reading.told == () and reading.columns == ("person_image", "agnostic_mask", "garment_image")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"height": 128, "width": 96}, "they are of height 64, which is 128 here"),
        ({"vae": catvton.Config.tiny().vae | {"block_out_channels": (8, 8, 24)}}, "they come from weights sha256:"),
    ],
)
def test_others_are_not_read_and_it_says_why(encoded: Path, options: dict[str, Any], reason: str) -> None:
    reading = choose([encoded], **options)
    assert reading.columns == ("person_image", "agnostic_mask", "garment_image") and reading.networks == ()
    (line,) = reading.told
    assert line.startswith(f"{', '.join(ENCODED)} aren't read, the vae encodes anew: {reason}")


def test_all_shards_must_have_them(plain: Path, encoded: Path) -> None:
    (line,) = choose([plain, encoded]).told
    assert line.endswith(f"some shards have no {ENCODED[0]}")


def changed(encoded: Path, target: Path, change: Any, rename: dict[str, Any]) -> Path:
    """The encoded shards with cells changed, and with other fields under the same names."""
    schema = pq.read_schema(next(encoded.glob("train-*.parquet")))
    extra = [rename.get(name, schema.field(name)) for name in ENCODED]
    extra += [field for name, field in rename.items() if name not in ENCODED]
    rows = stored_rows(encoded)
    for number, row in enumerate(rows):
        change(number, row)
    return finished.write(target, rows, extra=extra)


def test_records_without_any(encoded: Path, tmp_path: Path) -> None:
    folder = changed(encoded, tmp_path / "holes", lambda n, row: row.update({ENCODED[2]: None} if n == 2 else {}), {})
    (line,) = choose([folder]).told
    assert line.endswith("1 of 4 records has none, as small/train/00002")


def test_another_mask_than_the_one_that_is_read(encoded: Path, tmp_path: Path) -> None:
    """A mask of the system's own recipe that came later counts before the plain one."""
    own = "agnostic_mask_catvton"

    def add(number: int, row: dict[str, Any]) -> None:
        row[own] = row["agnostic_mask"]

    folder = changed(encoded, tmp_path / "later", add, {own: fields.mask(own)})
    (line,) = choose([folder]).told
    assert line.endswith(f"{ENCODED[1]} is made of person_image, agnostic_mask, and person_image, {own} is read")


def test_a_second_mask_that_only_stands_in_changes_nothing(encoded: Path, tmp_path: Path) -> None:
    both = fields.tensor(ENCODED[1], ("person_image", "agnostic_mask", "agnostic_mask_catvton"), "")
    schema = pq.read_schema(next(encoded.glob("train-*.parquet")))
    both = both.with_metadata({**both.metadata, b"maker": schema.field(ENCODED[1]).metadata[b"maker"]})
    folder = changed(encoded, tmp_path / "both", lambda *_: None, {ENCODED[1]: both})
    assert choose([folder]).networks == ("vae",)


def test_chance_in_the_pictures(encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Config.encodes

    def cropped(self: Config, kind: str) -> Any:
        return {name: replace(one, augmented="photos are cropped at random") for name, one in real(self, kind).items()}

    monkeypatch.setattr(Config, "encodes", cropped)
    (line,) = choose([encoded]).told
    assert line.endswith("photos are cropped at random")


def test_what_chance_leaves_alone_is_read(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """IMAGDressing crops photos and draws captions, but CLIP sees the whole garment each time."""
    encode = ["encode", "imagdressing", "--weights", "random", "--tiny", "--shards", str(plain)]
    assert main([*encode, "--output", str(tmp_path / "encoded")]) == 0
    train = ["train", "imagdressing", "--tiny", "--steps", "2", "--workers", "0", "--validation-pictures", "0"]
    losses = []
    for shards in (plain, tmp_path / "encoded"):
        words = [*train, "--shards", str(shards), "--output", str(tmp_path / f"{shards.name}-run")]
        capsys.readouterr()
        assert main(words) == 0
        captured = capsys.readouterr()
        losses.append(json.loads(captured.out.splitlines()[-1])["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=2**-11)
    assert "clip_tokens_garment_image are read as they were encoded" in captured.err
    assert "aren't read, the vae encodes anew: photos are cropped at random" in captured.err
    assert "aren't read, the text_encoder encodes anew: one of several captions" in captured.err
    noted = json.loads((tmp_path / "encoded-run/config.json").read_text())
    assert noted["counts"]["encoded"] == ["clip_tokens_garment_image"]


def test_the_command(plain: Path, encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same steps as on pictures, but for float16's rounding."""

    def train(shards: Path, name: str, *more: str) -> tuple[float, str]:
        words = ["train", "catvton", "--tiny", "--steps", "3", "--workers", "0", "--validation-pictures", "0", *more]
        assert main([*words, "--shards", str(shards), "--output", str(tmp_path / name)]) == 0
        captured = capsys.readouterr()
        return json.loads(captured.out.splitlines()[-1])["loss"], captured.err

    (on_pictures, silent), (on_latents, told) = train(plain, "pictures"), train(encoded, "latents")
    assert on_latents != on_pictures and on_latents == pytest.approx(on_pictures, rel=2**-11)
    assert "as they were encoded" in told and "encode" not in silent
    noted = json.loads((tmp_path / "latents/config.json").read_text())
    assert noted["counts"]["encoded"] == list(ENCODED)
    assert train(encoded, "not", "--no-encoded")[0] == on_pictures
    again, _ = train(encoded, "latents", "--steps", "4")
    assert again != on_latents, "it goes on"
