"""MVImgNet (arXiv:2303.06042): one object from many sides, `<category>/<id>/images`, cut-outs beside the photos."""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import entries, records, views
from pipelines.sources.clips.pairs.objects import ObjectMask, ObjectMasks
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.pairing import Pairing
from pipelines.sources.clips.pairs.stills import Entries, folders_below
from pipelines.sources.outcomes import Outcome, Planned, ReadSettings
from schemas.folders import InputFolder
from schemas.messages import printable

DATASET = "mvimgnet"
EXPECTED = "<category>/<id>/images/001.jpg and 001_….png with transparency beside it; a list of such folders, if there"
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=True)
PARTS, PAIRS = 8, 2
LISTED = "MVDir/"  # what upstream's list calls the root


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """All belong to the training split. A list in the root names the folders that count, else all do."""
    found = Entries(root, dataset, split)
    below = [f"{own}/images" for category in folders_below(root) for own in folders_below(root, category)]
    there = [folder for folder in below if root.is_folder(folder)]
    listed = _list(root)
    for folder in (listed if listed is not None else there) if found.wants("train") else ():
        _add(found, folder)
    if listed is not None:
        found.listing.unused |= {printable(folder): ["in no list"] for folder in there if folder not in listed}
    return found.closed([], EXPECTED)


def _add(found: Entries, folder: str) -> None:
    video_id = folder.removesuffix("/images")
    pictures = found.pictures(folder)
    photos = [path for path in pictures if not path.lower().endswith(".png")]
    positions = {PurePosixPath(path).stem: position for position, path in enumerate(photos)}
    cut_outs = {positions.get(_frame(path)): path for path in pictures if path.lower().endswith(".png")}
    alone = [path for position, path in cut_outs.items() if position is None]
    masks = {position: path for position, path in cut_outs.items() if position is not None}
    if not masks:
        record_id = f"{found.dataset}/train/{printable(video_id)}"
        what = "cut-out" if photos else "picture"
        found.refuse("train", record_id, "missing_file", f"no {what} in {printable(folder)}", folder)
        return
    roles = entries.listed(found.dataset, "train", video_id, photos, masks, folder).references
    found.add("train", video_id, {role: [path] for role, path in roles.items()})
    if alone:
        found.listing.unused[printable(folder)] = [PurePosixPath(path).name for path in alone]


def _frame(path: str) -> str:
    return PurePosixPath(path).stem.split("_")[0]


def _list(root: InputFolder) -> list[str] | None:
    """The folders that the root's lists name, in their order; None without a list."""
    names = [name for name in root.files() if name.endswith(".txt")]
    lines = [line.strip() for name in names for line in root.read(name).decode(errors="replace").splitlines()]
    named = [line.removeprefix(LISTED).strip("/") for line in lines if line.rstrip("/").endswith("/images")]
    return list(dict.fromkeys(named)) if named else None


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, "high_quality", PARTS, PAIRS)
    cut_outs = entries.files_of(item, entries.MASK)
    tracked = ObjectMasks("object", tuple(cut_outs), partial(_mask, root, cut_outs))
    yield from Pairing(item, entries.clip_of(item, root), terms, settings).of(tracked)


def _mask(root: InputFolder, cut_outs: dict[int, str], position: int) -> ObjectMask:
    return views.alpha_mask(root, cut_outs[position])
