"""`SPLIT_captions.json`, which `pipelines.export --layout vitonhd` writes: captions of the pairs of a split.

{"data": [{"person": "a.jpg", "garment": "b.jpg", "caption": …, "garment_caption": …, "captions": [{"text", "model"}]}]}
"""

from typing import Any

from pipelines.sources.paths import is_unicode
from schemas import json_text
from schemas.folders import InputFolder
from schemas.messages import normal

TEXTS = ("caption", "garment_caption")


def read(root: InputFolder, split: str) -> tuple[dict[tuple[str, str], dict[str, Any]], str]:
    """File names of person and garment → column → value; the second value says why the file was unreadable."""
    name = f"{split}_captions.json"
    for folder in (f"{split}/", ""):
        if name in root.files(folder.rstrip("/")) and not root.escapes(f"{folder}{name}"):
            try:
                return _entries(json_text.parse(root.read(f"{folder}{name}"))), ""
            except (OSError, ValueError, TypeError, AttributeError) as error:
                return {}, f"{name} is unreadable ({type(error).__name__})"
    return {}, ""


def _entries(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [row for row in document["data"] if isinstance(row, dict)] if "data" in document else []
    named = [row for row in rows if isinstance(row.get("person"), str) and isinstance(row.get("garment"), str)]
    return {(normal(row["person"]), normal(row["garment"])): _values(row) for row in named}


def _values(row: dict[str, Any]) -> dict[str, Any]:
    """The columns that the row has; values that are no text are left out."""
    values: dict[str, Any] = {name: row[name] for name in TEXTS if _is_text(row.get(name))}
    listed = row["captions"] if isinstance(row.get("captions"), list) else []
    captions = [each for each in listed if isinstance(each, dict) and _is_text(each.get("text"))]
    if captions:
        models = [each.get("model") if _is_text(each.get("model")) else None for each in captions]
        values["captions"] = [{"text": e["text"], "model": m} for e, m in zip(captions, models, strict=True)]
    return values


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_unicode(value)
