"""Whether `--size` has its sides the wrong way round: told from a few photos before any work."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from pipelines.sources.records import Row
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.folders import Entry, InputFolder

LOOKED_AT = 16  # records
LARGEST = 32 << 20  # bytes of a file: larger ones aren't read for this


def check(size: tuple[int, int], rows: Iterable[Row], files: Mapping[str, Entry], root: InputFolder) -> None:
    """Raises UsageError for a landscape size where most of the first photos are portrait, or the other way round."""
    height, width = size
    if height == width:
        return
    shapes = list(_shapes(islice(rows, LOOKED_AT), files, root))
    across = sum((h - w) * (height - width) < 0 for h, w in shapes)
    if across * 2 <= len(shapes):
        return
    mine, theirs = ("landscape", "portrait") if width > height else ("portrait", "landscape")
    raise UsageError(
        f"--size {height}x{width} is {mine}, height first, and {across} of the first {len(shapes)} photos are {theirs};"
        f" allowed is {width}x{height}, or to say by --fit how they are to meet it"
    )


def _shapes(rows: Iterable[Row], files: Mapping[str, Entry], root: InputFolder) -> Iterator[tuple[int, int]]:
    """(height, width) of the persons' photos, each file once; what can't be read is the build's to reject."""
    paths = {
        path
        for row in rows
        for column, path in zip(row.signature.references, row.paths, strict=True)
        if column == "person_image"
    }
    for path in sorted(paths):
        if path not in files or files[path].size > LARGEST:
            continue
        try:
            yield codecs.upright_size(root.read(path))
        except (OSError, codecs.CodecError):
            continue
