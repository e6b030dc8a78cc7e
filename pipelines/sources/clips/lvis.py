"""LVIS (arXiv:1908.03195): COCO's photos, and a JSON for all of them with outlines of objects."""

from collections.abc import Iterator, Mapping
from typing import Any

from annotators.functional.placement.acceptance import Rule
from pipelines.sources import Listing
from pipelines.sources.clips.pairs import coco, listed, records, views
from pipelines.sources.clips.pairs.options import ClipOptions
from pipelines.sources.clips.pairs.stills import Entries, stem
from pipelines.sources.outcomes import Declined, Outcome, Planned, ReadSettings
from schemas.folders import InputFolder
from schemas.kinds.object_pair import STILL

DATASET = "lvis"
EXPECTED = "train2017/000000000009.jpg and lvis_v1_train.json (val alike), the latter also in annotations/ or lvis_v1/"
KIND = "object_pair"
GIVES = records.GIVES
RULE = Rule(both_sides=False)
SMALLEST = 3_600  # pixels; an object has more
LISTS = {"train": "lvis_v1_train.json", "test": "lvis_v1_val.json"}
LIST_FOLDERS = ("", "annotations/", "lvis_v1/")
PHOTO_FOLDERS = ("", "images/", "COCO/", "coco/")
YEARS = ("train2017", "val2017")


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, **options: Any) -> Listing:
    """An entry for each photo with objects; their outlines stand in the plan, so that nobody reads the list again."""
    found = Entries(root, dataset, split)
    places = {f"{before}{year}" for before in PHOTO_FOLDERS for year in YEARS}
    folders = [place for place in sorted(places) if root.is_folder(place)]
    for name, file in LISTS.items():
        path = next((f"{before}{file}" for before in LIST_FOLDERS if found.lookup.find(f"{before}{file}")), None)
        if path is not None and found.wants(name):
            _add(found, name, path, folders)
    return found.closed([], EXPECTED)


def _add(found: Entries, split: str, path: str, folders: list[str]) -> None:
    document = listed.document(found.root, path, ("images", "annotations"), EXPECTED)
    objects: dict[str, list[dict[str, Any]]] = {}
    small: dict[str, int] = {}
    for annotation in document["annotations"]:
        image_id, area = str(annotation.get("image_id")), annotation.get("area")
        if isinstance(area, int | float) and area <= SMALLEST:
            small[image_id] = small.get(image_id, 0) + 1
            continue
        own = {name: annotation.get(name) for name in ("id", "area", "segmentation")}
        objects.setdefault(image_id, []).append(own)
    for photo in document["images"]:
        image_id = str(photo.get("id"))
        if image_id in objects or image_id in small:
            values = {"objects": objects.get(image_id, []), "small": small.get(image_id, 0), "list": path}
            _add_photo(found, split, photo, folders, values)


def _add_photo(
    found: Entries, split: str, photo: Mapping[str, Any], folders: list[str], values: Mapping[str, Any]
) -> None:
    words = str(photo.get("coco_url") or photo.get("file_name") or photo.get("id")).split("/")
    year = words[-2] if len(words) > 1 else ""
    first = [folder for folder in folders if folder.endswith(year)]  # the validation list names photos of both years
    paths = [f"{folder}/{words[-1]}" for folder in (*first, *folders)] or [words[-1]]
    found.add(split, stem(words[-1]), {"image": paths}, values)


def read(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    yield from views.rejecting(item, _stills(item, root, settings))


def _stills(item: Planned, root: InputFolder, settings: ReadSettings) -> Iterator[Outcome]:
    terms = ClipOptions.of(settings).terms(RULE, STILL, 1, 1)
    yield from [Declined("small_object")] * int(item.values["small"])
    annotations = coco.Annotations(item.values["objects"], str(item.values["list"]))
    yield from coco.stills(item, settings, terms, views.frame(item, root, "image"), annotations, SMALLEST)
