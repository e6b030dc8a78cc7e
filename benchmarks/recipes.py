"""How fast the agnostic recipes are against plain versions written from their descriptions, at equal output.

    python -m benchmarks.recipes [--repeats 10] [--only NAME …]

The plain versions (`benchmarks.plain_recipes`) draw every shape on the full frame and test label by label. Both run on
the people of the drawn sample and of VITON_DATA (default ../shared/data, folder vitonhd_mini) that the recipe is for,
on one core. Runs are interleaved, and the plain version runs twice per round: the ratio between these two shows what
the machine's noise is worth.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from annotators.functional import agnostic, densepose
from annotators.functional.agnostic import inputs
from benchmarks.plain_recipes import body, catvton, fitdit, loaders, ootdiffusion
from pipelines.sources import sample
from schemas import codecs
from schemas.foreign import keypoints as keypoint_files

Record = dict[str, Any]
Made = np.ndarray | tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Contest:
    """Two functions of the same arguments, which `takes` finds in a record; for the records of `categories`."""

    name: str
    ours: Callable[..., Made]
    plain: Callable[..., Made]
    takes: Callable[[Record], tuple[Any, ...]]
    categories: tuple[str, ...] = ("upper_body", "lower_body", "dresses")


def photo(record: Record) -> tuple[Any, ...]:
    return record["person_image"], record["parse"], record["keypoints"]


def dresscode(height: int, width: int) -> Callable[[Record], tuple[Any, ...]]:
    def takes(record: Record) -> tuple[Any, ...]:
        parse = inputs.dresscode(record, height, width, record["category"])
        return parse, inputs.coco18(record, height, width), record["category"]

    return takes


def small(record: Record) -> tuple[Any, ...]:
    return inputs.atr_with_neck(record, 512, 384), inputs.coco18(record, 512, 384), record["category"]


def automasker(record: Record) -> tuple[Any, ...]:
    kind = {"upper_body": "upper", "lower_body": "lower", "dresses": "overall"}[record["category"]]
    return inputs.densepose_parts(record), inputs.lip(record), inputs.atr(record), kind


UPPER = ("upper_body",)
CONTESTS = [
    Contest("hrviton", agnostic.hrviton, body.hrviton, photo, UPPER),
    Contest("vitonhd", agnostic.vitonhd, body.vitonhd, photo, UPPER),
    Contest("ootdiffusion hd", lambda *a: agnostic.ootdiffusion_mask(*a, "hd"), ootdiffusion.ootdiffusion, small),
    Contest("ootdiffusion dc", lambda *a: agnostic.ootdiffusion_mask(*a, "dc"), ootdiffusion.dc, small),
    Contest("leffa hd", lambda *a: agnostic.leffa_mask(*a, "hd"), ootdiffusion.leffa, small),
    Contest("leffa dc", lambda *a: agnostic.leffa_mask(*a, "dc"), loaders.leffa_dresscode, small),
    Contest("dresscode, idm_vton", agnostic.dresscode_mask, loaders.dresscode, dresscode(1024, 768)),
    Contest("ladi dc", lambda *a: agnostic.ladi_mask(*a, "dc"), loaders.ladi_dresscode, dresscode(512, 384)),
    Contest(
        "ladi hd",
        lambda *a: agnostic.ladi_mask(*a, "hd"),
        loaders.ladi_vitonhd,
        lambda record: (record["parse"], inputs.coco18(record, 1024, 768), record["category"]),
        UPPER,
    ),
    Contest(
        "fitdit",
        lambda parse, joints: agnostic.fitdit_mask(parse, joints, "upper_body"),
        fitdit.upper,
        lambda record: (inputs.atr_with_neck(record, 1024, 768), inputs.coco18(record, 1024, 768)),
        UPPER,
    ),
    Contest("catvton", agnostic.catvton_mask, catvton.automasker, automasker),
]


def drawn_people() -> Iterator[Record]:
    for drawn in sample.truth().values():
        maps = np.repeat(drawn.densepose[..., None], 3, axis=2)
        yield {
            "person_image": drawn.person_image, "parse": drawn.parse, "keypoints": drawn.keypoints,
            "densepose": maps, "densepose_image": densepose.render(drawn.densepose), "category": str(drawn.category),
        }  # fmt: skip


def photographed_people(folder: Path) -> Iterator[Record]:
    """Every person under a VITON-HD folder that has photo, parse and keypoints."""
    for path in sorted(folder.glob("*/openpose_json/*_keypoints.json")):
        name, split = path.name.removesuffix("_keypoints.json"), path.parent.parent
        image, parse = split / "image" / f"{name}.jpg", split / "image-parse-v3" / f"{name}.png"
        if image.exists() and parse.exists():
            yield {
                "person_image": codecs.decode_image(image.read_bytes()),
                "parse": codecs.decode_label_map(parse.read_bytes(), "cihp"),
                "keypoints": keypoint_files.read(path.read_bytes()).columns["keypoints"],
                "category": "upper_body",
            }


def cases(contest: Contest, people: list[Record]) -> list[tuple[Any, ...]]:
    """What the contest takes of every person that it is for and that has it."""
    needed = {"densepose"} if contest.takes is automasker else set()
    return [contest.takes(one) for one in people if one["category"] in contest.categories and needed <= set(one)]


def check_equal(contest: Contest, found: list[tuple[Any, ...]]) -> None:
    for case in found:
        for made, expected in zip(_arrays(contest.ours(*case)), _arrays(contest.plain(*case)), strict=True):
            np.testing.assert_array_equal(made, expected, err_msg=contest.name)


def _arrays(made: Made) -> tuple[np.ndarray, ...]:
    return made if isinstance(made, tuple) else (made,)


def milliseconds(functions: list[Callable[..., Made]], found: list[tuple[Any, ...]], repeats: int) -> list[float]:
    """Median CPU ms per person of each function; within a round they run one after another on the same person."""
    spent: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for case in found:
            for times, function in zip(spent, functions, strict=True):
                start = time.thread_time()
                function(*case)
                times.append(1000 * (time.thread_time() - start))
    return [statistics.median(times) for times in spent]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10, help="rounds over all people")
    parser.add_argument("--only", nargs="*", default=[], help="contests whose names begin so")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VTON_DATA", "../shared/data")))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    people = [*photographed_people(arguments.data / "vitonhd_mini"), *drawn_people()]
    print("| recipe | people | ours, ms | plain, ms | times as fast | control |\n|---|---|---|---|---|---|")
    for contest in CONTESTS:
        if arguments.only and not contest.name.startswith(tuple(arguments.only)):
            continue
        found = cases(contest, people)
        check_equal(contest, found)
        ours, plain, control = milliseconds([contest.ours, contest.plain, contest.plain], found, arguments.repeats)
        ratio = min(plain, control) / ours
        print(f"| {contest.name} | {len(found)} | {ours:.2f} | {plain:.2f} | {ratio:.1f} | {plain / control:.2f} |")


if __name__ == "__main__":
    main()
