"""Every command of the README and of the pages is understood, and those that need nothing but this package run."""

import ast
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import command_lines, commands
from support.fenced import PAGES, ROOT, SHELL, Block, blocks

from pipelines.sources import sample
from schemas.cli.flags import UsageError

BLOCKS = [block for page in PAGES for block in blocks(page)]
# Programs of others; their words are theirs to check.
PROGRAMS = (
    ".",
    "dask",
    "docker",
    "env/bin/pip",
    "env/bin/venv-pack",
    "export",
    "gcloud",
    "mv",
    "make",
    "pip",
    "printf",
    "sbatch",
    "spark-submit",
)


def _lines() -> Iterator[tuple[Block, list[str]]]:
    for block in BLOCKS:
        for words in block.commands():
            yield block, words


@pytest.mark.parametrize(
    ("block", "words"),
    [pytest.param(block, words, id=f"{block.name} {shlex.join(words)}"[:90]) for block, words in _lines()],
)
def test_every_command_is_understood(block: Block, words: list[str]) -> None:
    started = command_lines.module_of(words)
    if started is not None:
        command_lines.check(*started)
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file(), words[1]
    else:
        assert words[0] in PROGRAMS, f"{words[0]} is no known program; a block that isn't commands says what it is"
        assert words[0] != "make" or len(words) == 1 or f"\n{words[1]}: " in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("words", ["--tests", "--device", "stray"])
def test_a_flag_or_choice_that_nobody_knows_is_noticed(words: str) -> None:
    with pytest.raises(UsageError):
        command_lines.check("pipelines.build_vitonhd", words.split())
    with pytest.raises(UsageError):
        command_lines.check("vton_models", ["train", "catvton", "--shards=a", *words.split()])


@pytest.mark.parametrize(
    "words",
    [
        "pipelines.build_vitonhd --split tes",
        "pipelines.build_vitonhd --runner Direct",
        "pipelines.build_vitonhd --agnostic-recipe hrvton",
        "pipelines.export shards --layout vitonhd --output a --review-columns agnostic_mask",
        "vton_models train catvton --shards a --preset vitonhd-unets",
        "vton_models train cat --shards a",
        "annotators fetched parsing",
        "pipelines.bild",
    ],
)
def test_a_choice_that_isnt_there_is_noticed(words: str) -> None:
    module, *arguments = words.split()
    with pytest.raises(UsageError):
        command_lines.check(module, arguments)


def test_programs_are_python() -> None:
    for block in BLOCKS:
        if block.language == "python":
            ast.parse(block.text, block.name)


def _runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if not block.needs and block.language in (*SHELL, "python")]


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if _runnable(page)], ids=lambda page: page.stem)
def test_commands_run_as_printed(page: Path, tmp_path: Path, drawn_sample: Path) -> None:
    """A page's blocks one after the other, in a folder that holds some photos beside what its own commands make."""
    _put_photos(tmp_path, drawn_sample / f"cache/vton-pipelines/sample-{sample.VERSION}/test")
    cache = {"XDG_CACHE_HOME": str(drawn_sample / "cache")}
    for block in _runnable(page):
        if block.language == "python":
            _run_program(block, tmp_path)
        for words in block.commands():
            started = command_lines.module_of(words)
            if started is not None and started[0] != "schemas.cli.console":
                result = commands.call(tmp_path, started[0], *started[1], env=cache)
                assert result.code == 0, f"{block.name}: {shlex.join(words)}\n{result.stderr}"


def _put_photos(folder: Path, split: Path) -> None:
    """me.jpg, shirt.jpg and mask.png, where me.jpg is repainted; mug.png, cut out, and desk.jpg, where it goes.

    zalando-hd-resized is the embedded sample, which has VITON-HD's layout.
    """
    shutil.copytree(split.parent, folder / "zalando-hd-resized")
    person, garment, cut = (sorted((split / name).iterdir())[0] for name in ("image", "cloth", "cloth-mask"))
    shutil.copy(person, folder / "me.jpg")
    shutil.copy(person, folder / "desk.jpg")
    shutil.copy(garment, folder / "shirt.jpg")
    with Image.open(person) as photo:
        mask = np.zeros((photo.height, photo.width), np.uint8)
    mask[mask.shape[0] // 4 : -mask.shape[0] // 4, mask.shape[1] // 4 : -mask.shape[1] // 4] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    with Image.open(garment) as flat, Image.open(cut) as outline:
        cut_out = flat.convert("RGB")
        cut_out.putalpha(outline.convert("L"))
        cut_out.save(folder / "mug.png")


def _run_program(block: Block, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(block.text, block.name, "exec"), {"__name__": "__main__"})
