"""`preview` shows what the network sees, of the records that have all it reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import small_shards
from support.helpers import draw

from schemas.cli.flags import UsageError
from vton_models.catvton import Config
from vton_models.commands import preview
from vton_models.system import Purpose

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shards.write(tmp_path_factory.mktemp("small") / "shards", 5, without_mask)


def without_mask(number: int, row: dict[str, Any]) -> None:
    if number in (0, 3):
        row["agnostic_mask"] = None


def run(shards: Path, output: Path) -> int:
    return preview.main(["catvton", "--tiny", "--shards", str(shards), "--output", str(output)])


def test_records_without_a_mask_are_named_and_the_others_shown(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shards, tmp_path / "seen") == 0 and run(shards, tmp_path / "seen") == 0, "the same folder again"
    assert "2 of 5 records lack one of person_image, agnostic_mask, garment_image: left out" in capsys.readouterr().err
    names = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert names == [f"{place:05d}-small_train_{number:05d}.png" for place, number in enumerate((1, 2, 4))]
    assert np.asarray(Image.open(tmp_path / "seen" / names[0])).std() > 10


def test_the_masked_person_is_what_the_network_sees() -> None:
    drawn = draw(1)
    record = {f"{name}_image": drawn[name] for name in ("person", "garment")} | {"agnostic_mask": drawn["mask"]}
    prepare = Config.tiny().prepare(Purpose.TRAINING)
    seen = prepare.seen(prepare(record))
    assert list(seen) == ["person", "masked_person", "garment", "mask"]
    hidden = (seen["mask"] >= 128).expand(3, -1, -1)
    assert (seen["masked_person"][hidden] == 128).all() and hidden.any()
    assert (seen["masked_person"][~hidden] == seen["person"][~hidden]).all()


@pytest.mark.parametrize("name", ["config.json", "00001.png", "mine.png"])
def test_a_folder_of_something_else_is_refused(shards: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=f"holds {name}, which is no preview"):
        run(shards, tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        run(shards, tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
