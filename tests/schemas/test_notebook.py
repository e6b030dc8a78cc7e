"""What a notebook shows of records: their pictures, and words that are nothing but words."""

import base64
import copy
import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from support.helpers import WEIGHTLESS, Dataset, Result

import annotators
from schemas.pages import notebook

PICTURE = re.compile(r'<img src="data:image/jpeg;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"')


def pictures(html: str) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data, _, _, name in PICTURE.findall(html)
    }


def test_pictures_are_drawn_as_people_see_them() -> None:
    mask = np.zeros((64, 48), np.uint8)
    mask[:, 24:] = 255
    record = notebook.Shown(
        person_image=np.full((880, 480, 3), (200, 10, 10), np.uint8),
        garment_mask=mask,
        parse=np.full((64, 48), 5, np.uint8),  # upper clothes
        agnostic_mask_leffa=mask,
        keypoints=np.zeros((25, 3), np.float32),
    )
    shown = pictures(record._repr_html_())
    assert list(shown) == ["person_image", "garment_mask", "parse", "agnostic_mask_leffa"]
    assert shown["person_image"].shape == (220, 120, 3) and abs(int(shown["person_image"][5, 5, 0]) - 200) < 6
    assert shown["garment_mask"][30, 40].min() > 240 and shown["garment_mask"][30, 4].max() < 15
    assert shown["parse"][30, 30].max() > 100  # its colour, not the id
    assert np.array_equal(shown["agnostic_mask_leffa"], shown["garment_mask"])
    assert "float32 [25 3]" in record._repr_html_()


def test_words_of_a_record_are_inert() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    html = notebook.html({evil: evil, "caption": evil, "tags": [{"name": evil, "value": evil}], "quality": {evil: 1.0}})
    assert "<script" not in html and "<img" not in html and html.count("&lt;script") >= 4
    assert len(notebook.html({"caption": "a" * 10_000})) < 1_000


def test_a_shown_record_is_a_dict_in_everything_else() -> None:
    record = notebook.Shown(caption="a shirt", paired=True)
    for copied in (copy.copy(record), pickle.loads(pickle.dumps(record))):
        assert copied == {"caption": "a shirt", "paired": True} and copied._repr_html_() == record._repr_html_()


def test_annotate_gives_records_that_show() -> None:
    garment = np.full((96, 72, 3), 246, np.uint8)
    garment[20:80, 15:60] = (30, 60, 120)
    (record,) = annotators.annotate([{"garment_image": garment}], want=["garment_mask"])
    assert set(pictures(record._repr_html_())) == {"garment_image", "garment_mask"}


def test_a_dataset_shows_its_first_record_and_stays_where_it_is(
    dataset: Dataset, command: Callable[..., Result], tmp_path: Path
) -> None:
    from vton_models import ShardDataset

    words = ("--input", dataset.root, "--skip", WEIGHTLESS, "--output", tmp_path / "shards")
    assert command("pipelines.build_vitonhd", *words).code == 0
    for batch_size in (None, 2):
        data = ShardDataset(str(tmp_path / "shards"), ["person_image", "caption", "split"], batch_size=batch_size)
        before = data.state_dict()
        html = data._repr_html_()
        assert set(pictures(html)) == {"person_image"} and "person_image, caption, split" in html and ">6<" in html
        assert data.state_dict() == before
    first = next(iter(ShardDataset(str(tmp_path / "shards"), ["person_image"])))
    assert set(pictures(first._repr_html_())) == {"person_image"}
