"""Paths that lead nowhere, for every flag of every command that takes one: one line, exit code 1 or 2, no traceback."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from support import small_shards
from support.helpers import Dataset, Result, draw

from schemas.cli.modules import commands_of, modules_of

Command = Callable[..., Result]
# Command → words that make a line whole, and flags that take a place ("" stands for the positional, `=` for a
# COLUMN=DIR). FILE and SHARDS lie there, OUT may be written.
LINES: dict[str, tuple[str, list[str]]] = {
    "pipelines.build_dresscode": ("", ["--input"]),
    "pipelines.build_deepfashion": ("", ["--input"]),
    "pipelines.build_igpair": ("", ["--input"]),
    "pipelines.build_object_pairs": ("--layout raw", ["--input"]),
    "pipelines.build_photos": ("", ["--input", "--persons", "--garments"]),
    "pipelines.build_table": ("--category upper_body --input PAIRS", ["--input", "--root"]),
    "pipelines.build_vitonhd": ("--input DATASET --annotators quality", ["--input", "--output", "--weights"]),
    "pipelines.annotate": ("SHARDS --annotators quality", ["", "--output", "--from-folder=agnostic_mask"]),
    "pipelines.select": ("SHARDS --where height>0", ["", "--output"]),
    "pipelines.export": ("SHARDS --layout review --output OUT", ["", "--output"]),
    "pipelines.finish": ("SHARDS", [""]),
    "pipelines.gallery": ("--shards SHARDS --output OUT", ["--shards", "--output"]),
    "pipelines.push": ("SHARDS hf://datasets/me/x", [""]),
    "pipelines.report": ("SHARDS", ["", "--output"]),
    "pipelines.stats": ("SHARDS", ["", "--output"]),
    "pipelines.validate": ("SHARDS", [""]),
    "annotators fetch": ("quality", ["--weights"]),
    "annotators list": ("", ["--weights"]),
    "vton_models list": ("", []),
    "vton_models push": ("OUT hf://me/x", [""]),
    "vton_models convert catvton": ("--from FILE --to OUT", ["--from", "--to"]),
    "vton_models preview catvton": ("--tiny --shards SHARDS --output OUT", ["--shards", "--output"]),
    "vton_models sample catvton": (
        "--weights random --tiny --shards SHARDS --output OUT",
        ["--weights", "--shards", "--output"],
    ),
    "vton_models synthesize catvton": (
        "--weights random --tiny --shards SHARDS --output OUT",
        ["--weights", "--shards", "--output"],
    ),
    "vton_models encode catvton": (
        "--weights random --tiny --shards SHARDS --output OUT",
        ["--weights", "--shards", "--output"],
    ),
    "vton_models train catvton": (
        "--tiny --steps 1 --validate-every 1 --shards SHARDS --output OUT",
        ["--shards", "--output", "--init", "--validation-shards"],
    ),
    "vton_models app catvton": (
        "--tiny --port 0 --shards SHARDS",
        ["--weights", "--shards", "--annotator-weights", "--safety-checker"],
    ),
    "vton_models customize idm_vton": (
        "--person PICTURE --garment PICTURE --mask MASK --densepose PICTURE --garment-caption shirt --weights random"
        " --tiny --steps 1 --output OUT",
        ["--person", "--garment", "--mask", "--densepose", "--weights", "--output", "--annotator-weights"],
    ),
    "vton_models sample magic_clothing": (
        "--weights random --tiny --garment PICTURE --prompt x --output OUT",
        ["--garment", "--garment-mask", "--init-image", "--prompts-file", "--output"],
    ),
    "vton_models sample anydoor": (
        "--weights random --tiny --reference PICTURE --reference-mask MASK --scene PICTURE --mask MASK --output OUT",
        ["--reference", "--reference-mask", "--scene", "--mask", "--refine-masks", "--annotator-weights", "--output"],
    ),
}
NEED_TORCH = ("sample", "synthesize", "encode", "train", "preview", "convert", "customize", "app")
WRITES = ("--output", "--to")
BAD = ["foo://x", "oss://bucket/x", "://x", "a\0b", "a\udcff", "FILE/below", "LONG", "LOOP/x", "OTHER"]


TAKES_A_FILE = {("pipelines.report", "--output"), ("pipelines.stats", "--output"), ("pipelines.build_table", "--input")}
FILES = {"--person", "--garment", "--mask", "--densepose", "--garment-mask", "--init-image", "--prompts-file"}
FILES |= {"--reference", "--reference-mask", "--scene", "--refine-masks"}


def cases() -> Iterator[tuple[str, str, str]]:
    """A file stands where a folder should, or a folder where a file should."""
    for line, (_, flags) in LINES.items():
        for flag in flags:
            other = "SHARDS" if (line, flag) in TAKES_A_FILE or flag in FILES else "FILE"
            yield from ((line, flag, other if bad == "OTHER" else bad) for bad in BAD)


def test_every_command_is_walked() -> None:
    walked = {" ".join(line.split()[:2]) for line in LINES}
    there = {f"pipelines.{name}" for name in commands_of("pipelines")}
    there |= {f"vton_models {name}" for name in modules_of("vton_models.commands")}
    assert there <= walked


@pytest.fixture
def places(dataset: Dataset, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("nothing that anybody reads")
    (tmp_path / "pairs.csv").write_text("person_image,garment_image\na.png,b.png\n")
    (tmp_path / "loop").symlink_to("loop")
    shards = small_shards.write(tmp_path / "shards", 4)
    places = {"FILE": tmp_path / "file", "LOOP": tmp_path / "loop", "SHARDS": shards, "OUT": tmp_path / "out"}
    places |= {"DATASET": dataset.root, "PAIRS": tmp_path / "pairs.csv"}
    places |= {"PICTURE": tmp_path / "photo.png", "MASK": tmp_path / "region.png"}
    drawn = draw(0)
    Image.fromarray(drawn["person"]).save(places["PICTURE"])
    Image.fromarray(drawn["mask"]).save(places["MASK"])
    return {name: str(path) for name, path in places.items()} | {"LONG": str(tmp_path / ("x" * 300))}


def filled(words: str, places: dict[str, str]) -> list[str]:
    return [re.sub("|".join(places), lambda name: places[name[0]], word) for word in words.split(" ")]


@pytest.mark.parametrize(("line", "flag", "bad"), cases(), ids=lambda word: ascii(word)[1:-1])
def test_one_line_and_no_traceback(line: str, flag: str, bad: str, places: dict[str, str], command: Command) -> None:
    if line.split()[1:2] and line.split()[1] in NEED_TORCH:
        pytest.importorskip("diffusers")
    module, *first = line.split()
    words = filled(LINES[line][0], places) if LINES[line][0] else []
    name, _, column = flag.partition("=")
    (value,) = filled(bad, places)
    value = f"{column}={value}" if column else value
    if not flag:
        words[0] = value
    elif name in words:
        words[words.index(name) + 1] = value
    else:
        words += [name, value]
    before = (Path(places["FILE"]).read_text(), sorted(Path(places["SHARDS"]).iterdir()))
    done = command(module, *first, *words)
    lines = done.stderr.strip().splitlines()
    assert done.code in (1, 2), (done.code, done.stdout, lines)
    assert [line.startswith(f"python -m {module}") for line in lines] == [False] * (len(lines) - 1) + [True], lines
    assert (Path(places["FILE"]).read_text(), sorted(Path(places["SHARDS"]).iterdir())) == before
