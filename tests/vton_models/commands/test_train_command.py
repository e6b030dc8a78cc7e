"""`train`, `preview` and `list` with the stand-in model: what they refuse, write and go on with."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from support import object_pairs, small_shards, stand_in
from support.killing import killed_midway

import vton_models
from schemas import codecs
from schemas.cli.flags import UsageError
from vton_models.__main__ import main
from vton_models.reading import pairing
from vton_models.system import Reads
from vton_models.training import checkpoints, loading
from vton_models.training.run_folder import Run
from vton_models.training.settings import Settings

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).resolve().parents[3]
FEW = ("--steps", "6", "--log-every", "1", "--workers", "0", "--checkpoint-every", "2", "--learning-rate", "0.01")
Train = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_shards.write(tmp_path_factory.mktemp("data") / "shards", 12)


@pytest.fixture(autouse=True)
def stand_in_is_a_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = vton_models.names
    stand_in.register()
    yield
    vton_models.names = known
    stand_in.POISON.clear()
    AcceleratorState._reset_state(True)


@pytest.fixture
def train(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Train:
    """Runs the command in this process; the JSON of its last line, or what it raised."""

    def run(*words: object, output: str = "run", code: int = 0) -> dict[str, Any]:
        given = ["train", "stand_in", "--shards", shards, "--output", tmp_path / output, "--tiny", *FEW, *words]
        assert main([str(word) for word in given]) == code
        lines = capsys.readouterr().out.strip().splitlines()
        return json.loads(lines[-1]) if lines else {}

    return run


def log(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "memory_gib")} for line in lines]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("log.jsonl", "run.html"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_two_runs_are_the_same_files(train: Train, tmp_path: Path) -> None:
    result = train("--validate-every", 3, "--validation-records", 2, "--validation-inference-steps", 1, output="a")
    assert {k: result[k] for k in ("model", "steps", "records_seen")} == {
        "model": "stand_in",
        "steps": 6,
        "records_seen": 12,
    }
    train(
        "--validate-every", 3, "--validation-records", 2, "--validation-inference-steps", 1, "--workers", 2, output="b"
    )
    assert contents(tmp_path / "a") == contents(tmp_path / "b") and log(tmp_path / "a") == log(tmp_path / "b")
    names = set(contents(tmp_path / "a"))
    assert {
        "loss.png",
        "samples.png",
        "config.json",
        "README.md",
        "model/w.safetensors",
        "model/README.md",
        "base/b.safetensors",
    } <= names
    assert {"validation/step-00000003.png", "validation/step-00000006.png"} <= names
    assert not any(str(tmp_path).encode() in content for content in contents(tmp_path / "a").values())


def test_a_run_is_foretold_and_shown(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*FEW, "--pictures-every", 2, "--validation-inference-steps", 1]
    train(*words, output="a")
    train("--validation-pictures", 0, output="b")
    sheets = sorted(path.name for path in (tmp_path / "a/validation").iterdir())
    assert sheets == ["step-00000002.png", "step-00000004.png"], "the last one is samples.png"
    page = (tmp_path / "a/run.html").read_text()
    assert "6 of 6" in page and "step 4" in page and "the trained model" in page
    assert not (tmp_path / "b/validation").exists() and (tmp_path / "b/run.html").is_file()
    weights = [(tmp_path / name / "model/w.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1], "looking changes nothing"


def test_time_and_memory_are_told_before_the_first_step(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "stand_in", "--shards", shards, "--output", tmp_path / "run", "--tiny", *FEW]
    assert main([str(word) for word in words]) == 0
    assert re.search(r"6 steps of 2 records: about .* a step\), .* GiB at most", capsys.readouterr().err)


def test_lineage_is_told(train: Train, tmp_path: Path, shards: Path) -> None:
    train("--preset", "paper", "--where", 'category == "dresses"')
    described = json.loads((tmp_path / "run/config.json").read_text())
    manifest = __import__("hashlib").sha256((shards / "manifest.json").read_bytes()).hexdigest()
    assert described["data"][0] | {"weight": None} == {
        "dataset": "small",
        "licence": "CC0-1.0",
        "manifest_sha256": manifest,
        "weight": None,
    }
    assert described["counts"]["records"] == 4 and described["config"]["gain"] == 2.0
    assert described["training"]["lr_schedule"] == "cosine" and described["config"]["height"] == 8
    card = (tmp_path / "run/README.md").read_text()
    assert manifest in card and "CC0-1.0" in card and described["base"]["digest"] in card
    saved = json.loads((tmp_path / "run/model/config.json").read_text())
    assert saved["package"] == described["package"] and saved["data"] == described["data"]


def test_going_on_finished_and_another_configuration(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(output="whole")
    train("--steps", "3")
    before = contents(tmp_path / "run")
    assert train("--steps", "3")["steps"] == 3 and contents(tmp_path / "run") == before
    assert train()["steps"] == 6
    assert (tmp_path / "run/model/w.safetensors").read_bytes() == (tmp_path / "whole/model/w.safetensors").read_bytes()
    assert log(tmp_path / "run") == log(tmp_path / "whole")
    with pytest.raises(
        UsageError, match=r"another training run \(training.learning_rate was 0.01, is 0.5\); .*--overwrite"
    ):
        train("--learning-rate", "0.5")
    with pytest.raises(UsageError, match=r"config.gain was 1.0, is 3.0"):
        train("--gain", "3")
    assert train("--learning-rate", "0.5", "--overwrite")["steps"] == 6
    assert json.loads((tmp_path / "run/config.json").read_text())["training"]["learning_rate"] == 0.5
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    for extra in ((), ("--overwrite",)):
        with pytest.raises(UsageError, match="not empty and no training run"):
            train(*extra, output="mine")


def flip(path: Path, place: int = -1) -> None:
    """Turns one bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut weights": lambda step: os.truncate(step / "weights.safetensors", 100),
    "flipped weights": lambda step: flip(step / "weights.safetensors"),
    "flipped optimizer": lambda step: flip(step / "optimizer.safetensors"),
    "no optimizer": lambda step: (step / "optimizer.safetensors").unlink(),
    "garbled state": lambda step: (step / "state.json").write_text("{garbage"),
    "another type": lambda step: (step / "state.json").write_text("[1]"),
    "deep": lambda step: (step / "state.json").write_text("[" * 100_000),
    "wrong types": lambda step: (step / "state.json").write_text(
        '{"progress": {"step": "4"}, "files": [], "sha256": 1}'
    ),
    "another step": lambda step: (step / "state.json").write_text(
        (step / "state.json").read_text().replace('"step": 4', '"step": 5')
    ),
    "no state": lambda step: (step / "state.json").unlink(),
    "nothing": lambda step: [file.unlink() for file in step.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(train: Train, tmp_path: Path, damage: str) -> None:
    told: list[str] = []
    train("--steps", "4")
    (tmp_path / "run/log.jsonl").open("a").write('{"step": "x"}\n[]\n{garbage\n')
    DAMAGE[damage](tmp_path / "run/checkpoints/step-00000004")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "_tell", told.append)
        assert train("--steps", "5", "--keep", "1")["steps"] == 5
    assert told and all("step-00000004 is damaged" in line and "going on from step-00000002" in line for line in told)
    assert [line["step"] for line in log(tmp_path / "run")] == [1, 2, 3, 4, 5]
    train("--steps", "5", "--checkpoint-every", "5", output="whole")
    weights = "model/w.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step-00000005"]


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(train: Train, tmp_path: Path) -> None:
    train("--steps", "4")
    for path in (tmp_path / "run/checkpoints").iterdir():
        flip(path / "weights.safetensors")
    before = contents(tmp_path / "run")
    with pytest.raises(UsageError, match="00004 is damaged, weights.safetensors has another digest.*step-00000002"):
        train("--steps", "5")
    assert contents(tmp_path / "run") == before


HOLDER = """
import sys, time
from vton_models.training.run_folder import Run
with Run(sys.argv[1]).owned.locked("training"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_trains_in_a_folder(train: Train, tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=here_first(), text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another process is training there"):
            train("--steps", "2")
        process.kill()
    assert (tmp_path / "run/_train.lock").exists(), "left by the killed one, which holds nothing"
    assert train("--steps", "2")["steps"] == 2 and not (tmp_path / "run/_train.lock").exists()


def test_a_refusal_leaves_no_folder_behind(train: Train, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keep 0"):
        train("--keep", "0", output="deep/run")
    assert list(tmp_path.iterdir()) == []


def test_overwriting_deletes_nothing_that_a_run_did_not_write(train: Train, tmp_path: Path) -> None:
    train("--steps", "2")
    (tmp_path / "run/notes.txt").write_text("mine")
    (tmp_path / "run/validation").mkdir()
    (tmp_path / "run/validation/mine.png").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite would delete --init"):
        train("--overwrite", "--init", tmp_path / "run")
    assert train("--steps", "3", "--learning-rate", "0.5", "--overwrite")["steps"] == 3
    assert {"notes.txt", "validation/mine.png", "model/w.safetensors"} <= set(contents(tmp_path / "run"))
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir()) == ["step-00000002", "step-00000003"]
    (tmp_path / "run/model/mine.txt").write_text("mine")
    for words in (("--steps", "4"), ("--overwrite",)):
        with pytest.raises(UsageError, match=r"model/mine.txt was not made by this command"):
            train(*words)


@pytest.mark.parametrize("config", ['{"model_type": "clip"}', '{"model": "stand_in", "config": {}}', "[]", "{"])
def test_a_folder_with_somebodys_config_is_no_run(train: Train, tmp_path: Path, config: str) -> None:
    for name in ("config.json", "model/weights.bin", "log.jsonl"):
        (tmp_path / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "theirs" / name).write_text(config)
    before = contents(tmp_path / "theirs")
    for extra in ((), ("--overwrite",)):
        with pytest.raises(UsageError, match="not empty and no training run; allowed is another folder"):
            train(*extra, output="theirs")
    assert contents(tmp_path / "theirs") == before


def here_first() -> dict[str, str]:
    """A script in tests/ would take the folder tests/vton_models for the package, where that is installed editable."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}


def test_processes_can_be_exchanged_for_accumulation(train: Train, tmp_path: Path, shards: Path) -> None:
    """Two processes do three steps, one goes on with the rest; the curve is that of one process alone.

    One record has no finite loss: with two processes it is in the micro-batch of one of them, and both skip the step.
    """
    poisoned = "small/train/00004"
    stand_in.POISON.add(poisoned)
    words = ["--global-batch-size", "4", "--batch-size", "2", "--ema", "0.5", "--mode", "poison"]
    train(*words, output="alone")
    # `accelerate launch --cpu` starts one process, whatever number it is told.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    launch += ["tests/support/stand_in_main.py", "train", "stand_in", "--shards", str(shards), "--device", "cpu"]
    launch += ["--output", str(tmp_path / "two"), "--tiny", *FEW, *words, "--steps", "3"]
    environment = here_first() | {"STAND_IN_POISON": poisoned}
    done = subprocess.run(launch, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert {f"trained by process {rank} of 2" in done.stderr for rank in range(2)} == {True}, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1 and json.loads(done.stdout)["records_seen"] == 12
    assert train(*words, output="two")["steps"] == 6
    alone, two = log(tmp_path / "alone"), log(tmp_path / "two")
    assert [line["step"] for line in two] == list(range(1, 7))
    for one, other in zip(alone, two, strict=True):
        assert one == {key: None if value is None else pytest.approx(value, rel=1e-5) for key, value in other.items()}
    assert [line["loss"] for line in two[:3]].count(None) == 1
    with pytest.raises(UsageError, match="3 is not a multiple of --batch-size 2 × 1 process; nearest are 2 and 4"):
        train("--global-batch-size", "3", "--batch-size", "2", output="three")


@pytest.mark.parametrize(
    ("device", "has_gpu", "cpu"), [("auto", False, True), ("auto", True, False), ("cpu", True, True)]
)
def test_processes_without_a_gpu_are_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, has_gpu: bool, cpu: bool
) -> None:
    """Otherwise accelerate takes each for the only one, and all write the same run."""
    import accelerate

    from vton_models.commands.train import make_accelerator
    from vton_models.training.train_flags import Flags

    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(accelerate, "Accelerator", lambda **options: options)
    model = stand_in.build(stand_in.Config.tiny())
    settings = Settings(batch_size=1, shares=1)
    options = make_accelerator(Flags(("shards",), device=device), settings, model, Run(tmp_path))
    assert options["cpu"] == cpu


def test_killed_with_sigkill(train: Train, tmp_path: Path, shards: Path) -> None:
    long = ("--steps", "40", "--checkpoint-every", "5")
    train(*long, output="whole")
    command = [sys.executable, "tests/support/stand_in_main.py", "train", "stand_in", "--shards", str(shards)]
    command += ["--output", str(tmp_path / "run"), "--tiny", *FEW, *long]
    run = tmp_path / "run"

    def begun() -> bool:
        return bool(checkpoints.existing(run / "checkpoints"))

    def complete() -> bool:
        return checkpoints.step_of(checkpoints.existing(run / "checkpoints")[-1]) == 40

    killed_midway(command, run, begun, complete, env=here_first(), cwd=ROOT)
    assert not (run / "model").exists()
    (tmp_path / "run/checkpoints/.tmp-step-00000010-1-1").mkdir(exist_ok=True)
    assert train(*long)["steps"] == 40
    assert contents(tmp_path / "run") == contents(tmp_path / "whole") and log(tmp_path / "run") == log(
        tmp_path / "whole"
    )


def test_ten_bad_steps_end_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.POISON.update(small_shards.row(number)["record_id"] for number in range(12))
    given = ["train", "stand_in", "--tiny", "--mode", "poison", *FEW, "--steps", "30", "--checkpoint-every", "0"]
    folder = small_shards.write(tmp_path / "shards", 4)
    assert main([*given, "--shards", str(folder), "--output", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "not finite in steps 1 to 10; records" in error
    assert all(f"small/train/{number:05d}" in error for number in range(4))
    assert not (tmp_path / "run/model").exists() and not checkpoints.existing(tmp_path / "run/checkpoints")


def test_a_run_and_its_checkpoints_load_without_further_flags(train: Train, tmp_path: Path) -> None:
    train("--ema", "0.9", "--keep", "3")
    _, model, description = loading.load(tmp_path / "run")
    assert description["training"]["ema"] == 0.9 and model.base["path"] == "random"
    _, last, _ = loading.load(tmp_path / "run/checkpoints/step-00000006")
    _, earlier, _ = loading.load(tmp_path / "run/checkpoints/step-00000002")
    for name, value in model.trainable().items():
        assert torch.equal(value, last.trainable()[name])
    assert not torch.equal(model.head.weight, earlier.head.weight)
    # Starting another run from it takes the averaged weights, on the same base.
    result = train("--init", tmp_path / "run", "--learning-rate", "0", output="next")
    _, following, _ = loading.load(tmp_path / "next")
    assert result["steps"] == 6 and torch.equal(following.head.weight, model.head.weight)
    assert following.base["digest"] == model.base["digest"]
    with pytest.raises(UsageError, match="is no training run"):
        loading.load(tmp_path)


def test_another_base_is_another_run(train: Train, tmp_path: Path) -> None:
    train(output="first")
    base = tmp_path / "first/base"
    described = train("--init", f"base:{base}", output="second")
    assert described["steps"] == 6 and not (tmp_path / "second/base").exists()
    _, model, description = loading.load(tmp_path / "second")
    assert description["base"]["path"] == str(base) == model.base["path"]
    changed = stand_in.build(stand_in.Config.tiny())
    changed.frozen.weight.data += 1
    changed.save_base(base)
    with pytest.raises(UsageError, match="was started from base .*; allowed are the same base"):
        train("--init", f"base:{base}", "--steps", "8", output="second")
    base.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=r"was trained from base .* which isn't there \(digest"):
        loading.load(tmp_path / "second")
    assert loading.load(tmp_path / "second", base=str(tmp_path / "moved"))[2]["model"] == "stand_in"


def test_records_without_the_mask_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vton_models.training import records

    def change(number: int, row: dict[str, Any]) -> None:
        if number in (2, 5):
            row["agnostic_mask"] = None
        row["paired"] = number != 7

    folder = small_shards.write(tmp_path / "shards", 10, change)
    found = records.find([str(folder)], "train", ["person_id != '00000'"])

    def reading(*needed: str) -> Any:
        return SimpleNamespace(reads=lambda kind: Reads(needed, ("caption", "densepose")))

    config = reading("person_image", "agnostic_mask")
    chosen = records.choose(found, config, 2, seed=0)
    assert found.count == 8 and chosen.count == 4
    assert chosen.incomplete == ("small/train/00002", "small/train/00005")
    assert len(chosen.held_out) == 2 and not set(chosen.held_out) & {"small/train/00000", "small/train/00007"}
    assert records.choose(found, config, 2, seed=1).held_out != chosen.held_out
    assert chosen.view.columns == ("person_image", "agnostic_mask")
    with pytest.raises(UsageError, match="lacks densepose, which the model reads"):
        records.choose(found, reading("densepose"), 0, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "papre"], "--preset 'papre'; allowed are paper"),
        (["--height", "12"], "size 12x8; the nearest is 8x8"),
        (["--mode", "fast"], "invalid choice: 'fast'"),
        (["--nonsense", "1"], "unrecognized arguments: --nonsense"),
        (["--steps", "0"], "--steps 0; allowed is at least 1"),
        (["--ema", "1"], "--ema 1.0; allowed is from 0 to below 1"),
        (["--keep", "0"], "--keep 0; allowed is at least 1"),
        (["--global-batch-size", "0"], "must be at least 1"),
        (
            ["--global-batch-size", "16"],
            "--global-batch-size 16 is more than the usable paired records; allowed is at most 12",
        ),
        (["--mixed-precision", "fp16"], "--mixed-precision fp16 needs a GPU; allowed here are no, bf16"),
        (["--device", "cuda"], "--device cuda, but there is no GPU here; allowed are auto, cpu"),
        (["--tracker", "wandb"], "--tracker wandb needs the package wandb"),
        (
            ["--init", "base:nowhere"],
            "--init 'base:nowhere': nowhere doesn't exist, and is no hub id",
        ),
        (["--init", "random", "--init", "random"], "after 'random'; allowed is one base"),
        (["--where", "category is nice"], "ask for absence"),
        (["--where", "color == 'red'"], "unknown column 'color'"),
        (["--where", "category == 'hats'"], "has paired = true and category == 'hats'"),
        (["--output", "s3://bucket/run"], "--output s3://bucket/run; allowed is a local folder"),
        (["--split", "test"], "has no split 'test'; it has train"),
        (["--validate-every", "2", "--validation-records", "12"], "allowed are at least 13"),
    ],
)
def test_wrong_usage_is_one_line(train: Train, tmp_path: Path, words: list[str], message: str) -> None:
    if torch.cuda.is_available() and ("fp16" in words or "cuda" in words):
        pytest.skip("there is a GPU here")
    with pytest.raises(UsageError) as caught:
        train(*words)
    assert message in str(caught.value) and not (tmp_path / "run").exists()


def test_validation_on_other_shards_holds_nothing_out(train: Train, tmp_path: Path) -> None:
    other = small_shards.write(tmp_path / "other", 5, lambda n, row: row.update(record_id=f"other/{n}", paired=n != 0))
    words = ("--validate-every", "6", "--validation-shards", other, "--validation-pictures", "0")
    train(*words, "--where", 'category in ("dresses", "lower_body")')
    counts = json.loads((tmp_path / "run/config.json").read_text())["counts"]
    assert counts == {"records": 4, "held_out": [], "incomplete": []}
    assert [line["step"] for line in log(tmp_path / "run") if "validation_loss" in line] == [6]
    assert not (tmp_path / "run/validation").exists()
    unpaired = small_shards.write(tmp_path / "unpaired", 2, lambda _, row: row.update(paired=False))
    with pytest.raises(UsageError, match="no record of --validation-shards .* has paired = true"):
        train("--validate-every", "6", "--validation-shards", unpaired, output="next")


def test_losses_go_to_a_tracker(train: Train, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train("--tracker", "tensorboard")
    assert list((tmp_path / "run/trackers").rglob("events.out.tfevents.*"))


def test_object_pairs_are_trained_on_but_stills_are_left_out(tmp_path: Path) -> None:
    pairs = object_pairs.write(tmp_path / "pairs", [object_pairs.row(n, ("video", "still")[n == 3]) for n in range(8)])
    words = ["train", "stand_in", "--tiny", *FEW, "--shards", str(pairs), "--output", str(tmp_path / "run")]
    assert main([*words, "--where", "object_id == '1'", "--global-batch-size", "2"]) == 0
    counts = json.loads((tmp_path / "run/config.json").read_text())["counts"]
    assert counts == {"records": 7, "held_out": [], "incomplete": ["clips/train/003"]}


def test_a_system_that_reads_two_kinds_trains_on_both_at_once(shards: Path, tmp_path: Path) -> None:
    pairs = object_pairs.write(tmp_path / "pairs", [object_pairs.row(number) for number in range(4)])
    words = ["train", "stand_in", "--tiny", *FEW, "--output", str(tmp_path / "run"), "--global-batch-size", "2"]
    assert main([*words, "--shards", f"{pairs}:1", f"{shards}:1"]) == 0
    counts = json.loads((tmp_path / "run/config.json").read_text())["counts"]
    assert counts["records"] > 4 and counts["incomplete"] == []


def test_kinds_of_records_that_are_not_read_are_one_line(shards: Path, tmp_path: Path) -> None:
    pairs = object_pairs.write(tmp_path / "pairs", [object_pairs.row(number) for number in range(4)])
    train = ("train", "--tiny", "--output", str(tmp_path / "run"), "--shards", str(pairs))
    with pytest.raises(UsageError, match="CatVTON can't read records of kind 'object_pair'; allowed is 'tryon'"):
        main([train[0], "catvton", *train[1:]])
    with pytest.raises(UsageError, match="CatVTON can't read records of kind 'object_pair'; allowed is 'tryon'"):
        main([train[0], "catvton", *train[1:], str(shards)])
    with pytest.raises(UsageError, match="pairs holds object pairs; allowed are try-on records"):
        pairing.index(str(pairs), None)


def test_shards_without_paired_records_are_refused(train: Train, tmp_path: Path) -> None:
    folder = small_shards.write(tmp_path / "unpaired", 3, lambda _, row: row.update(paired=False))
    with pytest.raises(UsageError, match="no record of split 'train' of .* has paired = true; allowed are"):
        main(["train", "stand_in", "--tiny", "--shards", str(folder), "--output", str(tmp_path / "run")])
    with pytest.raises(UsageError, match="unknown model 'standing'; there are .*stand_in"):
        main(["train", "standing"])
    with pytest.raises(UsageError, match="--init is missing; allowed are .* or --tiny"):
        main(["train", "stand_in", "--shards", str(folder), "--output", str(tmp_path / "run")])
    known = "app, convert, customize, encode, list, preview, push, sample, synthesize, train"
    with pytest.raises(UsageError, match=f"unknown command 'trian'; there are {known}"):
        main(["trian"])


def test_preview_and_list(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "preview",
        "stand_in",
        "--shards",
        str(shards),
        "--output",
        str(tmp_path / "seen"),
        "--limit",
        "3",
        "--tiny",
    ]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["records"] == 3
    made = sorted((tmp_path / "seen").iterdir())
    assert [path.name for path in made] == [f"0000{n}-small_train_0000{n}.png" for n in range(3)]
    width, height = Image.open(made[0]).size
    assert (width - 2 * 4) % 8 == (height - 16 - 4) % 8 == 0 and width >= 2 * 32, "enlarged to the names' width"
    assert main(["list", "--table"]) == 0
    table = capsys.readouterr().out
    assert table.startswith("| model |") and "| stand_in | Stand-in | arXiv:0000.00000 |" in table
    assert main(["list", "--presets"]) == 0
    assert "paper" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["train", "catvton", "--help"], ["list"]])
def test_help_is_quick(words: list[str]) -> None:
    code = "import sys, vton_models.__main__ as m\ntry: m.main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('torch', 'diffusers', 'accelerate', 'fsspec') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]" and len(done.stdout.splitlines()) > 2


@pytest.mark.parametrize("flat_pictures", ["pad", "filter"])
def test_pictures_without_room_for_the_crop_are_counted_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flat_pictures: str
) -> None:
    """They stay, padded, or are left out; either way their records are named."""

    def change(number: int, row: dict[str, Any]) -> None:
        if number in (1, 4):
            row["garment_image"] = {"bytes": codecs.encode_png(np.zeros((40, 60, 3), np.uint8)), "path": "x.png"}

    shards = small_shards.write(tmp_path / "shards", 6, change)
    words = ["--shards", str(shards), "--tiny", "--steps", "1", "--workers", "0", "--validation-pictures", "0"]
    main(["train", "imagdressing", *words, "--flat-pictures", flat_pictures, "--output", str(tmp_path / "run")])
    told, done = capsys.readouterr().err, "padded" if flat_pictures == "pad" else "left out"
    assert f"2 of 6 records have a picture without room for the crop: {done}, see config.json" in told
    counts = json.loads((tmp_path / "run/config.json").read_text())["counts"]
    flat = ["small/train/00001", "small/train/00004"]
    if flat_pictures == "pad":
        assert counts["padded"] == flat and counts["records"] == 6
    else:
        assert counts["without_room"] == flat and counts["records"] == 4
    main(["preview", "imagdressing", "--tiny", "--shards", str(shards), "--flat-pictures", flat_pictures,
          "--output", str(tmp_path / "seen")])  # fmt: skip
    assert len(list((tmp_path / "seen").iterdir())) == counts["records"]
