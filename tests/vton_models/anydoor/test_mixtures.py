"""Object pairs and try-on records in one run: each seen by its kind, and as often as its weight says."""

from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support import object_pairs, small_shards  # noqa: E402

import vton_models  # noqa: E402
from schemas import codecs  # noqa: E402
from schemas.cli.flags import UsageError  # noqa: E402
from schemas.kinds.object_pair import DYNAMICS  # noqa: E402
from vton_models.__main__ import main  # noqa: E402
from vton_models.anydoor import Config  # noqa: E402
from vton_models.reading.dataset import ShardDataset  # noqa: E402
from vton_models.reading.view import Viewed  # noqa: E402
from vton_models.system import Purpose  # noqa: E402
from vton_models.training import records  # noqa: E402


def dress(number, row):
    """Garment and worn garment are rectangles; the first record has no garment mask, the second isn't paired."""
    mask = np.zeros((128, 96), np.uint8)
    mask[30:100, 20:76] = 255
    cell = {"bytes": codecs.encode_mask(mask), "path": "mask.png"}
    row["garment_mask"] = None if number == 0 else cell
    row["parse"] = {"bytes": codecs.encode_label_map(mask // 255 * np.uint8(5), "cihp"), "path": "parse.png"}
    row["category"], row["paired"] = "upper_body", number != 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Eight pairs, of which a still, and eight try-on records, of which six can be trained on."""
    folder = tmp_path_factory.mktemp("mixture")
    rows = [object_pairs.row(number, "still" if number == 3 else "video") for number in range(8)]
    pairs = object_pairs.write(folder / "pairs", rows)
    worn = small_shards.write(folder / "worn", 8, dress, columns=("garment_mask", "parse"))
    return str(pairs), str(worn)


def dataset(shards, chosen, **changed):
    prepare = Viewed(chosen.view, Config.tiny().prepare(Purpose.VALIDATION))
    settings = {"batch_size": 1, "rank": 0, "world_size": 1, "prepare": prepare} | changed
    return ShardDataset(shards, chosen.view.columns, "train", records.flat(chosen.filters), **settings)


def kinds(items):
    return Counter(DYNAMICS[int(item["dynamics"][0])] for item in items)


def test_every_record_is_seen_by_its_own_kind(folders, capsys):
    candidates = records.find(folders, "train", ())
    chosen = records.choose(candidates, Config.tiny(), 0, 0)
    assert (candidates.count, chosen.count, chosen.incomplete) == (15, 14, ("small/train/00000",))
    seen = kinds(dataset(list(folders), chosen, shuffle=False))
    assert seen == {"video": 7, "still": 1, "high_quality": 6}
    assert "lacks" not in capsys.readouterr().err, "another kind has other columns"


@pytest.mark.parametrize("weights", [(2, 1), (1, 3), (1, 0)])
def test_weights_say_how_often(folders, weights):
    shards = [f"{folder}:{weight}" for folder, weight in zip(folders, weights, strict=True)]
    chosen = records.choose(records.find(shards, "train", ()), Config.tiny(), 0, 0)
    data = dataset(shards, chosen)
    seen = sum((kinds(data) for _ in range(6)), Counter())
    share = seen["high_quality"] / seen.total()
    assert share == pytest.approx(weights[1] / sum(weights), abs=0.05)


def test_held_out_records_are_of_all_kinds(folders):
    candidates = records.find(folders, "train", ())
    model = vton_models.load("anydoor").build(Config.tiny())
    chosen = records.choose(candidates, model.config, 6, 0)
    batches = records.held_out_batches(candidates, chosen, model, 4)
    assert sorted(name for batch in batches for name in batch["record_id"]) == sorted(chosen.held_out)
    assert len({name.partition("/")[0] for name in chosen.held_out}) == 2


def test_a_condition_counts_for_the_kinds_that_have_its_column(folders):
    assert records.find(folders, "train", ["dynamics == 'still'"]).count == 1
    with pytest.raises(UsageError, match="no record of split 'train'.*or.*allowed are shards with such"):
        records.find(folders, "train", ["dynamics == 'high_quality'"])


def test_a_system_of_one_kind_says_so(folders):
    with pytest.raises(UsageError, match="can't read records of kind 'object_pair'"):
        main(["train", "catvton", "--tiny", "--shards", *folders, "--output", f"{folders[0]}-run"])


def test_a_run_takes_both(folders, tmp_path):
    words = ["train", "anydoor", "--tiny", "--steps", "2", "--shards", f"{folders[0]}:2", f"{folders[1]}:1"]
    assert main([*words, "--output", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run/model/model.safetensors").is_file() and (tmp_path / "run/samples.png").is_file()
