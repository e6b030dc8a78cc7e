"""The sampling loop with a stand-in for the network, who gets whose garment, and what results say of themselves."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.finished import tables
from schemas.folders import atomic
from vton_models.catvton import sampling as catvton
from vton_models.catvton.sampling import Finishing
from vton_models.networks import pictures
from vton_models.reading import pairing
from vton_models.reading.pairing import Row
from vton_models.sampling import loop, outputs
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Rejection, Sampler, Settings, Task
from vton_models.system import Purpose

SIZE = (64, 48)


@dataclass(frozen=True)
class Sampling:
    num_inference_steps: int = 7


class Prepare:
    def __call__(self, record: Any, generator: Any = None) -> dict[str, torch.Tensor]:
        return {"person": pictures.to_tensor(pictures.stretch(record["person_image"], SIZE))}

    def visible(self, record: Any) -> tuple[int, int, int, int]:
        height, width = record["person_image"].shape[:2]
        return 0, 0, width, height


class StandIn:
    """Returns the person's picture with noise of the record's generator; remembers its batches."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(height=SIZE[0], width=SIZE[1])
        self.batches: list[int] = []

    def prepare(self, purpose: Purpose) -> "Prepare":
        return Prepare()

    def sample(self, batch: Any, settings: Any, generator: Any) -> Any:
        self.batches.append(len(generator))
        drawn = torch.stack([torch.rand((3, *SIZE), generator=one) for one in generator])
        return batch["person"] / 255 * 0.5 + drawn * 0.5


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (128, 96, 3), dtype=np.uint8)


def task(number: int, error: Exception | None = None) -> Task:
    def read() -> dict[str, Any]:
        if error:
            raise error
        return {"person_image": picture(number)}

    return Task(f"r/{number}", f"{number}.png", read, source="shard")


def run(tasks: list[Task], folder: Path, batch_size: int = 2) -> tuple[loop.Results, StandIn]:
    folder.mkdir(exist_ok=True)
    model = StandIn()
    sampler = Sampler(model, Settings(5, Sampling()))
    work = loop.Work(sampler, Finish(sampler), lambda task, pixels: codecs.encode_png(pixels))
    return loop.run(tasks, folder, batch_size, work), model


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_batches_and_order_change_no_result(tmp_path: Path, batch_size: int) -> None:
    tasks = [task(number) for number in range(5)]
    run(tasks, tmp_path / "two")
    run(tasks[::-1], tmp_path / "other", batch_size)
    assert len(contents(tmp_path / "two")) == 5 and contents(tmp_path / "two") == contents(tmp_path / "other")


def test_another_seed_or_record_has_other_noise() -> None:
    drawn = {torch.rand(1, generator=loop.generator(*key)).item() for key in ((0, "a"), (1, "a"), (0, "b"))}
    assert len(drawn) == 3
    assert loop.generator(0, "a").initial_seed() == loop.generator(0, "a").initial_seed()


def test_a_killed_run_goes_on_in_the_same_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [task(number) for number in range(5)]
    whole, _ = run(tasks, tmp_path / "whole")
    assert whole.skipped == 0
    real, written = atomic.write, []

    def dying(path: Path, data: bytes) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        real(path, data)

    monkeypatch.setattr(atomic, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        run(tasks, tmp_path / "killed")
    monkeypatch.undo()
    made, model = run(tasks, tmp_path / "killed")
    assert (made.skipped, model.batches) == (3, [2, 1]), (
        "the batch that was cut is sampled whole, but for its first file"
    )
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert run(tasks, tmp_path / "killed")[1].batches == [], "nothing is left to do"


def test_bad_records_are_set_aside_and_stop_nothing(tmp_path: Path) -> None:
    bad = [task(1, codecs.CodecError("truncated")), task(3, Rejection("read", "empty_mask", "nothing"))]
    made, model = run([task(0), bad[0], task(2), bad[1], task(4)], tmp_path / "out")
    assert [one.record_id for one in made.done] == ["r/0", "r/2", "r/4"] and model.batches == [1, 1, 1]
    assert [(row["record_id"], row["error"], row["source"]) for row in made.rejects] == [
        ("r/1", "undecodable", "shard"),
        ("r/3", "empty_mask", "shard"),
    ]
    again, model = run([task(0), bad[0], task(2), bad[1], task(4)], tmp_path / "out")
    assert model.batches == [] and again.rejects == made.rejects


def test_a_result_that_is_no_number_is_set_aside_and_memory_that_ends_is_named(tmp_path: Path) -> None:
    class Broken(StandIn):
        def sample(self, batch: Any, settings: Any, generator: Any) -> Any:
            made = super().sample(batch, settings, generator)
            made[1] = float("nan")
            return made

    sampler = Sampler(Broken(), Settings(5, Sampling()))
    work = loop.Work(sampler, Finish(sampler), lambda task, pixels: codecs.encode_png(pixels))
    made = loop.run([task(0), task(1)], tmp_path, 2, work)
    assert [one.file for one in made.done] == ["0.png"]
    assert [(row["record_id"], row["stage"], row["error"]) for row in made.rejects] == [("r/1", "sample", "not_finite")]

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    sampler.model.sample = full
    with pytest.raises(loop.SamplingError, match="a batch of 1 at 64x48 is out of memory"):
        sampler([task(0)], [task(0).read()])


@pytest.mark.parametrize(("rows", "share"), [(10, "10%"), (50, "50%"), (90, "90%")])
def test_a_mask_that_is_not_all_in_view_is_refused(rows: int, share: str) -> None:
    mask = np.zeros((200, 100), np.uint8)
    mask[50:150, 30:70] = 255
    loop.check_mask(mask, (30, 50, 70, 150), None)
    with pytest.raises(Rejection, match=f"{share} of the mask lies outside the part of the photo") as caught:
        loop.check_mask(mask, (30, 50 + rows, 70, 150), None)
    assert caught.value.error == "mask_outside"
    with pytest.raises(Rejection):
        loop.check_mask(mask, (31, 50, 70, 150), None)


@pytest.mark.parametrize(("dots", "is_refused"), [(200, False), (300, True)])
def test_a_mask_of_which_less_than_half_is_left_is_too_fine(dots: int, is_refused: bool) -> None:
    """A block of 8 x 32 pixels stays at a quarter of the size, single pixels don't: 256 of 456, and of 556."""
    mask = np.zeros((128, 128), np.uint8)
    mask[:8, :32] = 255
    places = np.stack(np.meshgrid(range(17, 128, 5), range(1, 128, 8), indexing="ij"), -1).reshape(-1, 2)[:dots]
    mask[places[:, 0], places[:, 1]] = 255
    assert np.count_nonzero(mask) == 256 + dots
    loop.check_mask(mask, (0, 0, 128, 128), None)
    if not is_refused:
        return loop.check_mask(mask, (0, 0, 128, 128), (32, 32))
    with pytest.raises(Rejection, match="46% of the mask is left at 32x32: it is too fine for that size"):
        loop.check_mask(mask, (0, 0, 128, 128), (32, 32))


def test_settings_are_told_in_words_and_by_name() -> None:
    settings = Settings(3, catvton.Sampling(num_inference_steps=9, guidance_scale=1.5))
    assert settings.told == "steps 9, guidance 1.5, eta 1"
    assert settings.described() == {"seed": 3, "num_inference_steps": 9, "guidance_scale": 1.5, "eta": 1.0}
    assert Settings(3, Sampling()).told == "steps 7"


def test_finishes() -> None:
    person, result = picture(1), np.zeros((*SIZE, 3), np.uint8)
    mask = np.zeros((128, 96), np.uint8)
    mask[40:90, 20:70] = 255
    found, sampler = {"person_image": person, "agnostic_mask": mask}, Sampler(StandIn(), Settings(0, Sampling(1)))
    assert np.array_equal(Finish(sampler)(task(0), found, result), result)
    repainted = Finish(sampler, own=Finishing(repaint=True))(task(0), found, result)
    assert repainted.shape == result.shape and (repainted[30:35, 20:25] == 0).all()
    assert np.array_equal(repainted[0], pictures.stretch(person, SIZE)[0]), "far from the mask the person is left"
    pasted = Finish(sampler, paste_back=True)(task(0), found, result)
    assert np.array_equal(pasted[mask == 0], person[mask == 0]) and (pasted[60, 45] == 0).all()


def row(number: int, garment: int, category: str = "upper_body", paired: bool = True, split: str = "test") -> Row:
    return Row(f"r{number}", split, category, f"p{number}", f"g{garment}", paired, "shards/s", 0, number)


ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["upper_body", "dresses"]), st.sampled_from(["train", "test"])),
    min_size=1,
    max_size=12,
)


@given(ROWS, st.integers(0, 5))
def test_everybody_gets_another_garment_of_the_category(drawn: list[tuple[int, str, str]], seed: int) -> None:
    # A garment has one category: its number is part of it.
    rows = [row(n, g * 10 + len(c), c, split=s) for n, (g, c, s) in enumerate(drawn)]
    for choose in (pairing.exchange, pairing.at_random):
        pairs = choose(rows, seed)
        assert [pair.person for pair in pairs] == rows and pairs == choose(rows, seed)
        for pair in pairs:
            kind = pair.person.split, pair.person.category
            others = {r.garment_id for r in rows if (r.split, r.category) == kind} - {pair.person.garment_id}
            found = pair.garment
            assert (found is None) == (not others)
            assert found is None or (found.garment_id in others and (found.split, found.category) == kind)


def test_an_exchange_gives_every_garment_once_and_another_seed_other_pairs() -> None:
    rows = [row(number, number) for number in range(8)]
    first, second = pairing.exchange(rows, 0), pairing.exchange(rows, 1)
    assert Counter(pair.garment.garment_id for pair in first) == Counter(one.garment_id for one in rows)
    assert [pair.garment for pair in first] != [pair.garment for pair in second]


def test_shipped_pairs_come_before_made_up_ones() -> None:
    mixed = [row(0, 0), row(1, 2, paired=False), row(2, 2)]
    assert [pair.person.record_id for pair in pairing.choose(mixed, "paired", 0)] == ["r0", "r2"]
    (only,) = pairing.choose(mixed, "unpaired", 0)
    assert (only.person, only.garment) == (mixed[1], mixed[1])
    assert all(pair.garment != pair.person for pair in pairing.choose([row(0, 0), row(1, 1)], "unpaired", 0))
    with pytest.raises(UsageError, match="--pairs paired.*allowed is --pairs unpaired"):
        pairing.choose([row(1, 2, paired=False)], "paired", 0)


def test_a_result_says_that_a_model_made_it(tmp_path: Path) -> None:
    data = outputs.marked_png(picture(1), {"Comment": "generated by a model", "Record": "mädchen/1"})
    (tmp_path / "a.png").write_bytes(data)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["DigitalSourceType"] == outputs.BY_A_MODEL and image.text["Record"] == "mädchen/1"
        assert "trainedAlgorithmicMedia" in image.text["XML:com.adobe.xmp"]
        assert np.array_equal(np.asarray(image), picture(1))
    assert outputs.size_of(tmp_path / "a.png") == (96, 128)
    assert data == outputs.marked_png(picture(1), {"Comment": "generated by a model", "Record": "mädchen/1"})


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", ".hidden", "", "a/b c\n", "ü" * 300, "a" * 500])
def test_file_names_lead_nowhere(name: str) -> None:
    made = outputs.file_name(name)
    assert "/" not in made and not made.startswith(".") and made.endswith(".png") and 4 < len(made) < 130
    assert outputs.file_name("v/t/00_00+01_00", 3) == "00003-v_t_00_00+01_00.png"


def test_tables_are_sorted_and_the_same_for_the_same_rows(tmp_path: Path) -> None:
    rows = [dict.fromkeys(tables.REJECTS.names, name) for name in "bca"]
    outputs.write_table(tmp_path / "one", rows, tables.REJECTS)
    outputs.write_table(tmp_path / "two", rows[::-1], tables.REJECTS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert pq.read_table(tmp_path / "one")["record_id"].to_pylist() == ["a", "b", "c"]


OURS = {"Software": "vton-pipelines 1", "Record": "r/x"}


def test_an_output_folder_holds_results_of_one_kind(tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder, result = outputs.samples_folder(out), outputs.marked_png(picture(1), OURS)
    folder.begin({"seed": 1}, False)
    ours, theirs = (
        ("r_x.png", "00003-r_x.png", "samples.parquet"),
        ("mine.png", "00003-mine.png", "mine.txt", "r_x.txt"),
    )
    for name in ours:
        (out / name).write_bytes(result)
    for name in theirs:
        (out / name).write_bytes(result if name == "mine.png" else b"kept")
    folder.begin({"seed": 1}, False)
    assert all((out / name).exists() for name in ours), "the same settings go on"
    with pytest.raises(UsageError, match="seed was 1, is 2"):
        folder.begin({"seed": 2}, False)
    folder.begin({"seed": 2}, True)
    assert sorted(path.name for path in out.iterdir()) == sorted((*theirs, "config.json"))
