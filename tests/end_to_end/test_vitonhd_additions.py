"""What other projects add to VITON-HD's folders, through the real command."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from support.helpers import HEIGHT, WIDTH, Dataset, Result, rows

from schemas import codecs, kinds, labels, record

Command = Callable[..., Result]
BUILD = "pipelines.build_vitonhd"


def test_added_folders_fill_their_columns(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:80, 20:60] = 255
    parts = np.where(mask > 0, np.uint8(2), np.uint8(0))
    shutil.rmtree(dataset.root / "test/image-densepose")
    for number in range(6):
        name = f"0000{number}_00"
        dataset.put(f"test/gt_cloth_warped_mask/{name}.jpg", codecs.encode_jpeg(np.dstack([mask] * 3)))
        dataset.put(f"test/unpaired-cloth-warp/{name}.jpg", codecs.encode_jpeg(np.dstack([mask // 2] * 3)))
        dataset.put(f"test/unpaired-cloth-warp-mask/{name}.png", codecs.encode_png(mask[::-1]))
        dataset.put(f"test/cloth-warp-mask/{name}.png", codecs.encode_png(mask))
        dataset.put(f"test/densepose/{name}.png", codecs.encode_png(parts))
    lines = (dataset.root / "test_pairs.txt").read_text().splitlines()
    dataset.put("test_pairs_unpaired_1018.txt", "\n".join(lines[:2]).encode())
    for pairing, warped_mask in (("unpaired", mask[::-1]), ("paired", mask)):
        out = tmp_path / pairing
        result = command(BUILD, "--input", dataset.root, "--output", out, "--pair-list", 1018, "--pairing", pairing)
        assert (result.code, result.json["records"]) == (0, 2), result.stderr
        for row in rows(out):
            values = {
                name: record.decode(field, row[name]) for name, field in kinds.TRYON.fields.items() if row.get(name)
            }
            assert (values["worn_garment_mask"] == mask).all()
            assert (values["warped_garment_mask"] == warped_mask).all()
            assert ("warped_garment_image" in values) == (pairing == "unpaired")
            assert (values["densepose_image"] == labels.DENSEPOSE_COLOURS[parts]).all() and "densepose" not in values
    assert '"pair_list": "1018"' in json.dumps(json.loads((tmp_path / "paired/manifest.json").read_text()))


def test_a_pair_list_that_is_not_there(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    result = command(BUILD, "--input", dataset.root, "--output", tmp_path / "out", "--pair-list", "1018")
    assert result.code == 2 and len(result.stderr.strip().splitlines()) == 1
    assert "--pair-list '1018': no such list" in result.error and "pair lists there: test_pairs.txt" in result.error
