"""Your own photos, a folder of persons and one of garments → validated shards, every annotation computed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.building import command
from pipelines.building.configuration import Flags
from pipelines.sources.tryon import photos
from pipelines.sources.tryon._text import decode
from schemas.cli.flags import UsageError, flag, run
from schemas.folders import Folder, JoinedFolder, open_folder
from schemas.labels import Category

COMMAND = "build_photos"
CANVASES = ("vitonhd", "none")
_NOTES = """\
A person and a garment whose files have the same name are a true pair: the person wears this garment.
Flat garments are cut out by their mask, worn ones by a parse of the photo; where that fails, the photo stays whole."""
EXAMPLES = """\
  python -m pipelines.build_photos --persons people --garments clothes --weights models
  python -m pipelines.build_photos --persons people --garments clothes --pairs all --category dresses
  python -m pipelines.build_photos --persons people --garments clothes --pairs pairs.txt --size 512x384 --fit crop \\
      --skip parse,densepose,caption"""


@dataclass(frozen=True)
class PhotoFlags(Flags):
    """The shared flags, and what only loose photos need."""

    input: str | None = flag(None, help="folder with persons/ and garments/ in it, instead of the two flags")
    size: str | None = flag("1024x768", help="store pictures at this height x width", metavar="HxW")
    persons: str | None = flag(None, help="folder of person photos, or its URL")
    garments: str | None = flag(None, help="folder of garment photos, or its URL")
    pairs: str = flag(
        "auto",
        help="name: of equal names; zip: in natural order of names; auto: name where names match, else zip; all: each"
        " with each; or a list",
        metavar="auto|name|zip|all|FILE",
    )
    category: str | None = flag(
        None, help="what the garments cover (default: by tags or parse, else assumed)", choices=tuple(Category)
    )
    garment_canvas: str = flag("vitonhd", help="place garments as in VITON-HD, on grey 246, or not", choices=CANVASES)
    garment_view: str = flag("flat", help="garments lying flat, or worn by somebody", choices=photos.VIEWS)


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, f"{__doc__}\n\n{_NOTES}", EXAMPLES, PhotoFlags, arguments)
    flags = line.flags
    from pipelines.building.build import Request

    location = _location(flags)
    listing = {"pairs": _pairs(flags.pairs), "category": flags.category, "garment_view": flags.garment_view}
    request = Request(line, "photos", photos.DATASET, location)
    return command.run(replace(request, listing=listing, garment_canvas=flags.garment_canvas))


def _location(flags: PhotoFlags) -> str:
    """The input root. Raises UsageError for a folder that isn't there."""
    folders = {"persons": flags.persons, "garments": flags.garments}
    if flags.input is not None and not any(folders.values()):
        return flags.input
    if flags.input is not None or None in folders.values():
        raise UsageError("allowed are --persons DIR with --garments DIR, or --input DIR with both in it")
    return str(JoinedFolder({name: _folder(f"--{name}", str(place)) for name, place in folders.items()}))


def _folder(name: str, location: str) -> Folder:
    try:
        folder = open_folder(location)
        there = folder.is_folder()
    except (ValueError, ImportError, OSError) as error:
        raise UsageError(f"{name} {location!r}: {error}") from None
    if not there:
        raise UsageError(f"{name} {location!r} is no folder; allowed is a folder of photos or its URL")
    return folder


def _pairs(text: str) -> str | photos.PairList:
    """ "all", "zip", or the list that a file holds. Raises UsageError for a file that can't be read."""
    if text in photos.PAIRINGS:
        return text
    place, _, name = text.rpartition("/")
    try:
        data = open_folder(place or ("/" if text.startswith("/") else ".")).read(name)
    except (OSError, ValueError, ImportError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--pairs {text!r}: {reason}; allowed are auto, name, zip, all, or a file of pairs") from None
    return photos.PairList(name, decode(data, errors="replace"))


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
