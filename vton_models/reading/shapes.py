"""Which records have pictures without room for a system's crop, before training and without decoding.

The person's photo has its sides in columns of their own; those of another picture stand in its first bytes, which costs
reading the column once.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from schemas import codecs
from vton_models.reading import shard_files
from vton_models.reading.catalogue import Catalogue
from vton_models.system import Shape

_SIDES = ("height", "width")  # of `person_image`
_PERSON = "person_image"
_THREADS = 8


def without_room(catalogue: Catalogue, shape: Shape) -> set[str]:
    """Ids of the records of whose pictures at least one has no room; a picture that can't be read isn't judged here."""
    by_sides = _PERSON in shape.columns and all(side in catalogue.fields for side in _SIDES)
    pictures = [name for name in shape.columns if not (by_sides and name == _PERSON)]

    def of_shard(url: str) -> list[str]:
        return [
            name for name, sizes in _sizes(url, pictures, by_sides) if not all(shape.holds(*size) for size in sizes)
        ]

    with ThreadPoolExecutor(_THREADS) as pool:
        return {name for names in pool.map(of_shard, catalogue.urls) for name in names}


def _sizes(url: str, pictures: Sequence[str], by_sides: bool) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Every record's id, and the height and width of those of its pictures for which they are known."""
    for batch in shard_files.read_all(url, ["record_id", *(_SIDES if by_sides else ()), *pictures]):
        for row in batch.to_pylist():
            sides = [(row.get(_SIDES[0]), row.get(_SIDES[1]))] if by_sides else []
            sizes = [*sides, *(_size(row.get(name)) for name in pictures)]
            yield str(row["record_id"]), [(height, width) for height, width in sizes if height and width]


def _size(cell: Mapping[str, bytes | None] | None) -> tuple[int | None, int | None]:
    data = (cell or {}).get("bytes")
    try:
        return codecs.image_size(data) if data else (None, None)
    except codecs.CodecError:
        return None, None
