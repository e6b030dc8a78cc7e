"""AnyDoor's benchmark (arXiv:2307.09481): each of DreamBooth's things into each of some COCO scenes, at a box.

Things are cut-outs with transparency, scenes photos with a mask of the box, or with the box in `boxes.json`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from annotators.functional import boxes, masks
from annotators.functional.boxes import Box
from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import records, views
from pipelines.sources.clips.pairs.frames import Frame, Unreadable, read_bytes
from pipelines.sources.clips.pairs.objects import ObjectMask
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.records import Half
from pipelines.sources.clips.pairs.stills import Entries, beside, first_folder, folders_below, stem
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from pipelines.sources.paths import BadPath
from schemas import codecs, json_text
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.messages import printable

DATASET = "dreambooth"
EXPECTED = (
    "FG/<thing>/….png or FG/<thing>.png with transparency, BG/x_GT.png and x_mask.png, or BG/x.jpg and BG/boxes.json"
    ' {"x": [x0, y0, x1, y1]}'
)
KIND = "object_pair"
GIVES = (*records.GIVES, "target_box")
RULE = Rule(both_sides=True)
THINGS, SCENES = ("FG", "AnyDoor_DreamBooth"), ("BG", "v1_800")
SCENE, MASK = "_GT", "_mask"
BOXES = "boxes.json"
MARGIN = 1.4  # of a cut-out's sides: cut-outs end where their thing ends


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """All belong to the test split. Raises UsageError where things or scenes aren't there."""
    found = Entries(root, dataset, split)
    things_folder, scenes_folder = first_folder(root, *THINGS), first_folder(root, *SCENES)
    if things_folder is None or scenes_folder is None:
        missing = (SCENES if things_folder else THINGS)[0]
        raise UsageError(f"no {missing}/ in {root}: expected {EXPECTED}; found {contents(root)}")
    things = _things(found, things_folder) if found.wants("test") else {}
    placed = _boxes(found, scenes_folder)
    for path in found.pictures(scenes_folder) if things else ():
        if not stem(path).endswith(MASK):
            _add(found, scenes_folder, path, things, placed)
    folders = [things_folder, *folders_below(root, things_folder), scenes_folder] if things else []
    return found.closed(folders, EXPECTED)


def _things(found: Entries, folder: str) -> dict[str, str]:
    """Thing → its cut-out: of a folder the first, as upstream takes it."""
    things = {stem(path): path for path in found.pictures(folder) if path.lower().endswith(".png")}
    for own in folders_below(found.root, folder):
        cut_outs = [path for path in found.pictures(own) if path.lower().endswith(".png")]
        things |= {stem(f"{own}.png"): path for path in cut_outs[:1]}
    return things


def _boxes(found: Entries, folder: str) -> dict[str, Box]:
    """Scene → its box. Raises UsageError for a file that says none."""
    path = found.lookup.find(f"{folder}/{BOXES}")
    if path is None:
        return {}
    try:
        document = json_text.parse(found.root.read(found.lookup.take(path)))
        return {name: _box(numbers) for name, numbers in document.items()}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        reason = str(error) if isinstance(error, BadPath) else f"{path} has no boxes"
        raise UsageError(f"--input {found.root}: {reason}; expected {EXPECTED}") from None


def _box(numbers: Any) -> Box:
    x0, y0, x1, y1 = (round(number) for number in numbers)
    return x0, y0, x1, y1


def _add(found: Entries, folder: str, path: str, things: Mapping[str, str], placed: Mapping[str, Box]) -> None:
    """A scene with every thing; one refusal where nothing says where they go."""
    scene = stem(path).removesuffix(SCENE)
    mask_paths = beside(folder, f"{scene}{MASK}")
    masked = any(map(found.lookup.find, mask_paths))
    if not masked and scene not in placed:
        record_id = f"{found.dataset}/test/{printable(scene)}"
        found.refuse("test", record_id, "missing_file", f"{mask_paths[0]} is missing, and no box says where", path)
        return
    for thing, cut_out in things.items():
        roles = {"scene": [path], "thing": [cut_out]} | ({"mask": mask_paths} if masked else {})
        values = {"object_id": printable(thing)} | ({} if masked else {"box": list(placed[scene])})
        found.add("test", scene, roles, values, thing)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _pair(item, root, settings))


def _pair(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, "video", 1, 1)
    thing, scene = _thing(root, item.references["thing"][0]), _scene(item, root)
    yield views.pair(item, settings, terms, str(item.values["object_id"]), thing, scene)


def _thing(root: InputFolder, path: str) -> Half:
    """A cut-out on white, with the margin that upstream's loader gives it. Raises Unreadable."""
    data = read_bytes(root, path)
    try:
        cut_out = views.rgba(data)
    except codecs.CodecError as error:
        raise Unreadable(path, str(error)) from None
    opaque = cut_out[..., 3] > views.THRESHOLD
    pixels = np.where(opaque[..., None], cut_out[..., :3], np.uint8(255))
    around = [_around(side) for side in opaque.shape]
    padded = np.pad(pixels, (*around, (0, 0)), constant_values=255)
    digest = hashlib.sha256(data).hexdigest()
    note = f"on white, with a margin to {MARGIN} times its size"
    frame = Frame(padded, path, digest, path.rpartition("/")[2], lossy=False, notes=(note,))
    return Half(frame, ObjectMask(masks.as_mask(np.pad(opaque, around)), path, digest, notes=(note,)), stem(path), 0)


def _around(side: int) -> tuple[int, int]:
    missing = int(side * MARGIN) - side
    return missing // 2, missing - missing // 2


def _scene(item: Planned, root: InputFolder) -> Half:
    """A scene and its box; with a mask, the box around what that sets. Raises Unreadable."""
    photo = views.frame(item, root, "scene")
    height, width = photo.pixels.shape[:2]
    name = stem(photo.path).removesuffix(SCENE)
    if "mask" in item.references:
        mask = views.grey_mask(item, root, "mask").for_picture(height, width)
        return Half(photo, mask, name, 1, boxes.of_mask(mask.pixels))
    box = _box(item.values["box"])
    if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        raise Unreadable(photo.path, f"a box {list(box)} that isn't inside its picture of {height}x{width}")
    filled = np.zeros((height, width), np.uint8)
    boxes.crop(filled, box)[...] = 255
    return Half(photo, ObjectMask(filled), name, 1, box, outlined=False)
