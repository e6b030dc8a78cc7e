"""IDM-VTON's JSON of garment tags, `vitonhd_SPLIT_tagged.json`: an entry per garment, read by its file name."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from annotators.functional import boxes, garment_mask
from schemas import codecs
from schemas.labels import Category

CATEGORY_NAMES: dict[str, str] = {
    Category.UPPER_BODY: "TOPS",
    Category.LOWER_BODY: "BOTTOMS",
    Category.DRESSES: "DRESSES",
}


def entry(file_name: str, row: dict[str, Any], paired: bool) -> dict[str, Any] | None:
    """Category, tags and the boxes that are known; None for a garment of which its absence says as much.

    A garment without an entry is an upper body's to our reader and "shirts" to IDM-VTON's; one without tags gets an
    empty caption there. Raises codecs.CodecError.
    """
    category = row.get("category") or Category.UPPER_BODY
    if row.get("tags") is None and category == Category.UPPER_BODY:
        return None
    tags = [{"tag_name": tag["name"], "tag_category": tag["value"]} for tag in row.get("tags") or []]
    found = []
    if paired and (row.get("worn_garment_mask") is not None or row.get("parse") is not None):
        found.append(_boxed("image", worn(row)))
    if row.get("garment_mask") is not None:
        found.append(_boxed("cloth", codecs.decode_mask(row["garment_mask"]["bytes"])))
    names = {"file_name": file_name, "category_name": CATEGORY_NAMES.get(category, category)}
    return names | {"tag_info": tags, "image": [box for box in found if box]}


def merged(entries: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """One entry per garment, as the first record has it, with the boxes of all; and the garments that are at odds."""
    found: dict[str, dict[str, Any]] = {}
    differing = []
    for each in entries:
        known = found.setdefault(each["file_name"], each)
        if any(known[key] != each[key] for key in ("category_name", "tag_info")):
            differing.append(each["file_name"])
        have = {box["image_path"] for box in known["image"]}
        known["image"] = [*known["image"], *(box for box in each["image"] if box["image_path"] not in have)]
    return list(found.values()), list(dict.fromkeys(differing))


def worn(row: dict[str, Any]) -> np.ndarray:
    """The garment as the person wears it, uint8 [h w] 0/255: the record's mask, else by its parse.

    Raises codecs.CodecError.
    """
    if row.get("worn_garment_mask") is not None:
        return codecs.decode_mask(row["worn_garment_mask"]["bytes"])
    category = row.get("category")
    parse = codecs.decode_label_map(row["parse"]["bytes"], "cihp")
    return garment_mask.worn(parse, category if category in list(Category) else None)


def _boxed(picture: str, mask: np.ndarray) -> dict[str, Any] | None:
    """The mask's box as a share of the picture, six decimals; None for an empty mask."""
    box = boxes.of_mask(mask)
    if box is None:
        return None
    (height, width), (x0, y0, x1, y1) = mask.shape, box
    shares = {"left": x0 / width, "top": y0 / height, "width": (x1 - x0) / width, "height": (y1 - y0) / height}
    rounded = {name: round(share, 6) for name, share in shares.items()}
    return {"image_path": picture, "image_width": width, "image_height": height, "bbox": rounded}
