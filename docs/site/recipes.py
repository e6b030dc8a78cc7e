"""Draws docs/pictures/recipes.jpg, nine agnostic masks of a record of each category: `python docs/site/recipes.py`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from pipelines import build_vitonhd
from schemas import codecs
from schemas.labels import Category

RECIPES = ("hrviton", "vitonhd", "ootdiffusion", "idm_vton", "catvton", "ladi", "dresscode", "fitdit", "leffa")
PICTURE = Path(__file__).parents[1] / "pictures/recipes.jpg"
WIDTH, HEIGHT, GAP, HEAD = 165, 220, 6, 24
GREY, OPACITY = 128, 0.9


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        words = ["--split", "train", "--skip", "densepose", "--agnostic-recipe", ",".join(RECIPES)]
        if build_vitonhd.main([*words, "--output", f"{folder}/shards"]):
            return 1
        rows = [row for path in sorted(Path(folder).glob("shards/*.parquet")) for row in _rows(path)]
    PICTURE.parent.mkdir(exist_ok=True)
    sheet(rows).save(PICTURE, quality=82, optimize=True)
    print(PICTURE)
    return 0


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.name.startswith("train"):
        return []  # plan, rejects and findings lie beside the shards
    return pq.read_table(path).to_pylist()


def sheet(rows: list[dict[str, Any]]) -> Image.Image:
    """A row for each category, a column for each recipe, the photo before them."""
    titles = ("photo", *RECIPES)
    size = (len(titles) * (WIDTH + GAP) - GAP, HEAD + len(Category) * (HEIGHT + GAP) - GAP)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    for column, title in enumerate(titles):
        draw.text((column * (WIDTH + GAP) + WIDTH / 2, HEAD / 2), title, "black", font, anchor="mm")
    for line, category in enumerate(Category):
        row = next(row for row in rows if row["category"] == category)
        top = HEAD + line * (HEIGHT + GAP)
        for column, tile in enumerate(_tiles(row)):
            if tile is not None:
                picture.paste(tile.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), (column * (WIDTH + GAP), top))
    return picture


def _tiles(row: dict[str, Any]) -> list[Image.Image | None]:
    """The photo, then the same with what each recipe repaints in grey; None where a recipe draws no such garment."""
    photo = codecs.decode_image(row["person_image"]["bytes"])
    columns = ("agnostic_mask", *(f"agnostic_mask_{recipe}" for recipe in RECIPES[1:]))
    cells = [row[column] for column in columns]
    masked = [cell and _masked(photo, codecs.decode_mask(cell["bytes"])) for cell in cells]
    return [Image.fromarray(photo), *masked]


def _masked(photo: np.ndarray, mask: np.ndarray) -> Image.Image:
    share = (mask >= 128)[..., None] * OPACITY
    return Image.fromarray((photo * (1 - share) + GREY * share).astype(np.uint8))


if __name__ == "__main__":
    sys.exit(main())
