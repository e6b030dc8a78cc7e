"""What IDM-VTON's two U-Nets are told of a garment (yisol/IDM-VTON, `train_xl.py` and `inference.py`)."""

from annotators.functional import captions
from schemas.labels import Category
from vton_models.system import Record

UNKNOWN = "shirts"  # upstream's word for a garment without tags
_BARE: dict[str, str] = {Category.LOWER_BODY: "lower garment", Category.DRESSES: "dress"}


def sentences(record: Record, mode: str, article: bool) -> tuple[str, str]:
    """(for the garment network, for TryonNet): in training without an article, in sampling with "a" whatever follows.

    Upstream's V ends with a space, which its tokenizer drops.
    """
    if mode == "none":
        return "", ""
    garment = describe(record, mode)
    of_person = f"model is wearing {'a ' if article else ''}{garment}"
    return f"a photo of {garment}".rstrip(), of_person.rstrip()


def describe(record: Record, mode: str) -> str:
    """V of a record: its garment's caption or tags (detailed), or the bare word of its category."""
    if mode == "category":
        return _BARE.get(record.get("category") or "", "upper garment")
    tags = record.get("tags")
    if record.get("garment_caption") or not tags:
        return str(record.get("garment_caption") or UNKNOWN)
    return captions.tag_caption(tags) or ""
