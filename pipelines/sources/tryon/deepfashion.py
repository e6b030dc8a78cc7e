"""DeepFashion's In-shop Clothes Retrieval (Liu et al., CVPR 2016): the same garment worn in several photos.

ROOT/img/{WOMEN,MEN}/<word>/id_XXXXXXXX/NN_1_front.jpg, where NN is the colour, or one folder of files that are called
WOMEN-<word>-id_XXXXXXXX-NN_1_front.jpg as in DeepFashion-MultiModal. Photos are paired as CatVTON (arXiv:2407.15886)
trains on them, worn → worn; its own list of 13,098 and 1,896 pairs is unpublished, so the choice here is ours. The
person is the front photo, else the full one; the garment is seen in another photo of the same item and colour: full,
else side. Back views, details and flat garments are never used, and an item with fewer than two such photos makes no
record. "all" takes every ordered pair of two of an item's front, full and side photos.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import PurePosixPath

from pipelines.sources import Listed, Listing, Refused
from pipelines.sources.paths import BadPath, Lookup, inside, is_unicode
from pipelines.sources.records import Records
from pipelines.sources.tryon._names import PICTURES
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder
from schemas.folders.inputs import contents
from schemas.labels import Category
from schemas.messages import printable

DATASET = "deepfashion"
EXPECTED = "img/ or img_highres/ with WOMEN/ or MEN/<word>/id_XXXXXXXX/NN_1_front.jpg, and Eval/list_eval_partition.txt"
PAIRS = ("one", "all")
SPLITS = {"train": "train", "query": "test", "gallery": "test"}  # evaluation_status → split; the two share no item

# The photos' folders, larger pictures first (img/ is 256x256).
_FOLDERS = ("img_highres", "Img/img_highres", "Img/img", "img", "Img", "images", "")
_GENDERS = ("MEN", "WOMEN")
_LIST, _LIST_FOLDERS = "list_eval_partition.txt", ("Eval", "")
_FLAT_START = re.compile(rf"({'|'.join(_GENDERS)})-.+-id_\d+-")
_NAME = re.compile(rf"({'|'.join(_GENDERS)})-(.+)-(id_\d+)-(\d+)_(\d+)_([a-z]+)")
_ITEM = re.compile(r"id_\d+")
_VIEWS = ("front", "full", "side")  # that show a garment, best first
_PERSON_VIEWS = ("front", "full")

# The item folders' words. Denim is jeans but for a few jackets, Suiting blazers but for a few trousers.
CATEGORIES: dict[str, Category] = {
    "Blouses_Shirts": Category.UPPER_BODY,
    "Cardigans": Category.UPPER_BODY,
    "Denim": Category.LOWER_BODY,
    "Dresses": Category.DRESSES,
    "Graphic_Tees": Category.UPPER_BODY,
    "Jackets_Coats": Category.UPPER_BODY,
    "Jackets_Vests": Category.UPPER_BODY,
    "Leggings": Category.LOWER_BODY,
    "Pants": Category.LOWER_BODY,
    "Rompers_Jumpsuits": Category.DRESSES,
    "Shirts_Polos": Category.UPPER_BODY,
    "Shorts": Category.LOWER_BODY,
    "Skirts": Category.LOWER_BODY,
    "Suiting": Category.UPPER_BODY,
    "Sweaters": Category.UPPER_BODY,
    "Sweatshirts_Hoodies": Category.UPPER_BODY,
    "Tees_Tanks": Category.UPPER_BODY,
}


@dataclass(frozen=True)
class _Photo:
    """One photo: `item` is gender, word and id, such as "WOMEN-Dresses-id_00000002"."""

    path: str
    item: str
    word: str
    colour: str
    number: int
    view: str

    @property
    def photo_id(self) -> str:
        return f"{self.item}-{self.colour}_{self.number}_{self.view}"


def listing(root: InputFolder, split: str, pairing: str, dataset: str = DATASET, pairs: str = "one") -> Listing:
    """A record per item and colour ("one"), or per ordered pair of its photos ("all"); `pairing` means nothing here.

    Without the partition list all is "train". Raises UsageError when the layout or the split isn't there.
    """
    files, listing = Lookup(root), Listing()
    scan = _Scan(files, dataset, listing)
    photos = list(scan.photos())
    if not photos and not listing.refused:
        raise UsageError(f"layout not found in {root}: expected {EXPECTED}; found {contents(root)}")
    listed = _Pairs(files, dataset, pairs, listing)
    for (own, _), group in _by_item(photos, _partition(root, listing, dataset)).items():
        listed.add(group, own)
    _keep(listing, split, root)
    listing.files = files.used
    if split == "all":  # else most files are left out on purpose
        listing.unused = scan.unused()
    return listing


def _keep(found: Listing, split: str, root: InputFolder) -> None:
    """Leaves only the wanted split. Raises UsageError when it isn't there."""
    present = sorted({item.split for item in found.records} | {item.split for item in found.refused})
    if split != "all" and split not in present:
        raise UsageError(f"split {split!r} not found in {root}; there is {', '.join(present) or 'no pair of photos'}")
    if not present:
        raise UsageError(f"no pair in {root}: no item has two photos of the views {', '.join(_VIEWS)}")
    found.records = Records(item for item in found.records if split in ("all", item.split))
    found.refused = [item for item in found.refused if split in ("all", item.split)]


class _Scan:
    """The photos of the first folder that holds any."""

    def __init__(self, files: Lookup, dataset: str, found: Listing) -> None:
        self.files, self.dataset, self.found = files, dataset, found
        self.base, self.folders = "", [""]  # where the photos lie, and every folder that holds some

    def unused(self) -> dict[str, list[str]]:
        """The files of all these folders that no record uses, together: there are thousands of folders."""
        left = self.files.unused(self.folders)
        names = [_join(folder, name).removeprefix(f"{self.base}/") for folder, files in left.items() for name in files]
        return {self.base or ".": names} if names else {}

    def photos(self) -> Iterator[_Photo]:
        for base in _FOLDERS:
            genders = [name for name in self.files.root.folders(base) if name in _GENDERS]
            if genders:
                self.base, self.folders = base, []
                yield from self._nested(base, genders)
                return
            flat = [name for name in self.files.folder(base).files if _FLAT_START.match(name)]
            if flat:
                self.base, self.folders = base, [base]
                yield from self._flat(base, flat)
                return

    def _nested(self, base: str, genders: list[str]) -> Iterator[_Photo]:
        for gender in genders:
            for word in self.files.root.folders(_join(base, gender)):
                folder = _join(base, gender, word)
                for item in filter(_ITEM.fullmatch, self.files.root.folders(folder)):
                    self.folders.append(_join(folder, item))
                    for name in self.files.folder(_join(folder, item)).files:
                        yield from self._photo(_join(folder, item, name), f"{gender}-{word}-{item}-{name}")

    def _flat(self, base: str, names: list[str]) -> Iterator[_Photo]:
        for name in names:
            yield from self._photo(_join(base, name), name)

    def _photo(self, path: str, name: str) -> Iterator[_Photo]:
        """The photo of a picture file by its flat name; one that doesn't say what it shows is refused."""
        if not path.lower().endswith(PICTURES) or PurePosixPath(path).name.startswith("."):
            return
        match = _NAME.fullmatch(PurePosixPath(name).stem)
        if match and is_unicode(path):
            gender, word, item, colour, number, view = match.groups()
            yield _Photo(path, f"{gender}-{word}-{item}", word, colour, int(number), view)
            return
        shown = printable(path)
        reason = f"{shown}: the name is not colour_number_view, such as 02_1_front"
        self.found.refused.append(Refused(f"{self.dataset}/train/{shown}", "train", "unusable_name", reason, shown))


def _partition(root: InputFolder, found: Listing, dataset: str) -> dict[str, str] | None:
    """Item → split by list_eval_partition.txt: a count, a line of headings, then "image item status"; None without."""
    place = next((folder for folder in _LIST_FOLDERS if _LIST in root.files(folder)), None)
    if place is None:
        return None
    lines = root.read(_join(place, _LIST)).decode("utf-8-sig", errors="replace").splitlines()
    splits: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or number <= 2:
            continue
        try:
            item, split = _assigned(line)
        except BadPath as fault:
            record_id, source = f"{dataset}/train/line-{number:06d}", f"{_LIST}:{number}: {printable(line.strip())}"
            found.refused.append(Refused(record_id, "train", fault.error, str(fault), source))
        else:
            splits[item] = split
    return splits


def _assigned(line: str) -> tuple[str, str]:
    """ "img/WOMEN/Dresses/id_00000002/02_1_front.jpg id_00000002 train" → item, split. Raises BadPath."""
    path, _, status, *_ = [*line.split(), "", "", ""]
    parts = inside(path).split("/")
    if status not in SPLITS or len(parts) < 4:
        raise BadPath("malformed_line", f"no image, item and one of {', '.join(SPLITS)} in this line")
    return "-".join(parts[-4:-1]), SPLITS[status]


def _by_item(photos: list[_Photo], splits: dict[str, str] | None) -> dict[tuple[str, str], list[_Photo]]:
    """(split, item and colour) → photos; the split is empty for an item that the partition doesn't list."""
    groups: defaultdict[tuple[str, str], list[_Photo]] = defaultdict(list)
    for photo in photos:
        split = "train" if splits is None else splits.get(photo.item, "")
        groups[split, f"{photo.item}-{photo.colour}"].append(photo)
    return groups


class _Pairs:
    """The records being listed."""

    def __init__(self, files: Lookup, dataset: str, pairs: str, found: Listing) -> None:
        if pairs not in PAIRS:
            raise ValueError(f"pairs {pairs!r}; allowed are {', '.join(PAIRS)}")
        self.files, self.dataset, self.pairs, self.found = files, dataset, pairs, found
        self.ids: set[str] = set()

    def add(self, photos: list[_Photo], split: str) -> None:
        """The pairs of one item in one colour."""
        usable = sorted(
            (photo for photo in photos if photo.view in _VIEWS),
            key=lambda photo: (_VIEWS.index(photo.view), photo.number, photo.path),
        )
        if self.pairs == "all":
            chosen = list(permutations(usable, 2))
        else:
            chosen = [(usable[0], usable[1])] if len(usable) > 1 and usable[0].view in _PERSON_VIEWS else []
        for person, garment in chosen:
            self._add(person, garment, split)

    def _add(self, person: _Photo, garment: _Photo, split: str) -> None:
        record_id = f"{self.dataset}/{split or 'train'}/{person.photo_id}+{garment.photo_id}"
        source = f"{person.path} {garment.path}"
        try:
            if not split:
                raise BadPath("unlisted", f"{person.item} is not in {_LIST}")
            if record_id in self.ids:
                raise BadPath("repeated_id", "another file has the same name but for its ending")
            references = {
                "person_image": self.files.take(person.path),
                "garment_image": self.files.take(garment.path),
            }
        except BadPath as fault:
            refused = Refused(record_id, split or "train", fault.error, str(fault), source)
            self.found.refused.append(refused)
            return
        self.ids.add(record_id)
        self.found.records.append(Listed(record_id, split, _values(person, garment), references, source))


def _values(person: _Photo, garment: _Photo) -> dict[str, str | bool | None]:
    category = CATEGORIES.get(person.word)
    return {
        "person_id": person.photo_id,
        "garment_id": garment.photo_id,
        "paired": True,
        "garment_view": "worn",
        "category": str(category) if category else None,
        "garment_type": person.word,
    }


def _join(*parts: str) -> str:
    return "/".join(filter(None, parts))
