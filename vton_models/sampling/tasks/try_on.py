"""Try-on: garments onto the persons of shards' records or onto a photo, a whole outfit piece by piece."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.cli.flags import Parsed, Section, UsageError, flag
from schemas.folders import places
from schemas.kinds import TRYON
from vton_models.command_line.weights_flags import pick_device
from vton_models.sampling.tasks import Inputs, Setting
from vton_models.system import Config, Finishing, Purpose, Reads

if TYPE_CHECKING:
    from vton_models.sampling.finish import Finish
    from vton_models.sampling.loop import Sampler

IDS = ("person_id", "garment_id", "prompt")
FACTS = ("mask_type", "mask_recipe")
PAIRS = ("paired", "unpaired")
MASK = "agnostic_mask"
_OF_SHARDS = ("pairs", "split", "limit")
_OF_PHOTOS = (
    *("garment", "garment_person", "mask", "mask_type", "annotator_weights"),
    *("upper", "lower", "upper_mask", "lower_mask", "densepose", "garment_caption"),
)


@dataclass(frozen=True)
class Flags:
    """Records of shards, or photos given as files."""

    shards: str = flag("", help="folder of a finished build to sample from", metavar="DIR")
    pairs: str | None = flag(None, help="whose garment: the one worn, or another (default unpaired)", choices=PAIRS)
    split: str | None = flag(None, help="split of the shards (default all)")
    limit: int | None = flag(None, help="records, in the order of the shards (default all)")
    person: str = flag("", help="photo of a person, to sample without shards", metavar="FILE")
    garment: str = flag("", help="photo of a garment", metavar="FILE")
    garment_person: str = flag("", help="in its place, photo of somebody who wears the garment", metavar="FILE")
    upper: str = flag("", help="a whole outfit, one after the other: photo of the upper garment", metavar="FILE")
    lower: str = flag("", help="and of the lower one", metavar="FILE")
    mask: str = flag(
        "", help="what is repainted, white, at the photo's aspect; else annotators draw it", metavar="FILE"
    )
    upper_mask: str = flag("", help="the same for --upper", metavar="FILE")
    lower_mask: str = flag("", help="the same for --lower", metavar="FILE")
    mask_type: str | None = flag(
        None, help="what annotators draw: upper, lower, overall or what the system's recipe adds (default upper)"
    )
    densepose: str = flag(
        "", help="DensePose picture of the photo, for systems that read one; else an annotator draws it", metavar="FILE"
    )
    garment_caption: str = flag("", help='what the garment is, for systems that read captions: "Long Sleeve T-shirts"')
    annotator_weights: str = flag("", help="folder of the annotators' weights (default as annotators)", metavar="DIR")
    paste_back: bool = flag(False, help="return the photo at its own size, unchanged outside the mask")

    @property
    def how(self) -> str:
        """--pairs, with its default."""
        return self.pairs or "unpaired"


@dataclass(frozen=True)
class Piece:
    """A garment's file, and its mask: a file, or a type that annotators draw; neither where no mask is read."""

    flag: str
    file: str
    mask_flag: str
    mask: str
    mask_type: str
    region: str  # what the garment covers, by a mask type, whoever draws the mask


@dataclass(frozen=True)
class Finished:
    """How results leave: by name, and what makes them so."""

    paste_back: bool
    own: Finishing

    @property
    def name(self) -> str:
        return "paste_back" if self.paste_back else self.own.name

    def finish(self, sampler: "Sampler") -> "Finish":
        from vton_models.sampling.finish import Finish

        return Finish(sampler, self.paste_back, self.own)


def flags_of(config: type[Config]) -> tuple[type[Any], ...]:
    """This kind's own, and the system's ways to join a result with the person."""
    return Flags, config.finishing


def asked(parsed: Parsed) -> bool:
    """By records or by a person's photo."""
    flags = parsed.of(Section(Flags))
    return bool(flags.shards or flags.person)


def read(parsed: Parsed, setting: Setting) -> Inputs:
    """Lists the shards, or decodes the photos and draws their masks. Raises UsageError."""
    flags, reads = parsed.of(Section(Flags)), setting.config.reads(TRYON.name)
    finished = Finished(flags.paste_back, parsed.of(Section(setting.config.finishing)))
    check(flags, finished, reads)
    if flags.shards:
        from vton_models.sampling import shard_tasks

        return shard_tasks.load(flags, finished, setting)
    from vton_models.sampling import photo_columns, photo_masks, photo_tasks

    garments, device = pieces(flags), pick_device(setting.device)
    mask_flags = " and ".join(f"{piece.mask_flag} FILE" for piece in garments if piece.mask_type)
    if flags.annotator_weights:
        places.readable("--annotator-weights", flags.annotator_weights)
    masks = photo_masks.of(reads, flags.annotator_weights, device, mask_flags)
    prepare = setting.config.prepare(Purpose.PHOTOS)
    drawing = masks if MASK in reads.needed else None
    columns = photo_columns.of(reads, {"densepose_image": flags.densepose}, flags.annotator_weights, device)
    words, trained = flags.garment_caption, setting.trained_masks
    return photo_tasks.load(flags.person, garments, drawing, columns, finished, prepare, words, trained)


def check(flags: Flags, finished: Finished, reads: Reads) -> None:
    """Raises UsageError for flags that don't go together or are out of range."""
    if flags.paste_back and finished.own.name:
        raise UsageError(f"--paste-back beside --{_word(finished.own.name)}; allowed is one of them")
    if bool(flags.shards) == bool(flags.person):
        raise UsageError(
            "what to sample is missing or doubled; allowed are --shards DIR, or --person FILE with a garment"
        )
    for name in _OF_PHOTOS if flags.shards else _OF_SHARDS:
        if getattr(flags, name):
            beside = "--shards" if flags.shards else "--person"
            raise UsageError(f"--{_word(name)} beside {beside}, where it means nothing")
    if flags.limit is not None and flags.limit < 1:
        raise UsageError(f"--limit {flags.limit}; allowed is at least 1")
    if flags.person:
        _check_photos(flags, reads)
        _check_masks(flags, finished, reads)


def pieces(flags: Flags) -> tuple[Piece, ...]:
    """In the order in which they are put on: upper before lower."""
    if flags.garment or flags.garment_person:
        flag = "--garment" if flags.garment else "--garment-person"
        mask_type = "" if flags.mask else flags.mask_type or "upper"
        photo, region = flags.garment or flags.garment_person, flags.mask_type or "upper"
        return (Piece(flag, photo, "--mask", flags.mask, mask_type, region),)
    outfit = (
        Piece("--upper", flags.upper, "--upper-mask", flags.upper_mask, "" if flags.upper_mask else "upper", "upper"),
        Piece("--lower", flags.lower, "--lower-mask", flags.lower_mask, "" if flags.lower_mask else "lower", "lower"),
    )
    return tuple(piece for piece in outfit if piece.file)


def _check_photos(flags: Flags, reads: Reads) -> None:
    """With a mask's file, its type says what the garment is to systems that read that."""
    outfit = flags.upper or flags.lower
    if sum(map(bool, (flags.garment, flags.garment_person, outfit))) != 1:
        raise UsageError(
            "--person needs one garment; allowed are --garment FILE, --garment-person FILE, or --upper and --lower"
        )
    if outfit and (flags.mask or flags.mask_type):
        raise UsageError("--mask and --mask-type beside an outfit; allowed are --upper-mask and --lower-mask")
    for side in ("upper", "lower"):
        if getattr(flags, f"{side}_mask") and not getattr(flags, side):
            raise UsageError(f"--{side}-mask without --{side}")
    if flags.mask and flags.mask_type and "category" not in reads.needed:
        raise UsageError("--mask beside --mask-type; allowed is one of them")


def _check_masks(flags: Flags, finished: Finished, reads: Reads) -> None:
    """Against what the system reads: without a mask none is drawn, so a finish that needs one must get a file."""
    if MASK not in reads.needed:
        if flags.mask_type:
            raise UsageError(f"--mask-type {flags.mask_type} with a mask-free model, for which no mask is drawn")
        for piece in pieces(flags):
            if finished.name and not piece.mask:
                raise UsageError(
                    f"--{_word(finished.name)} needs {piece.mask_flag} FILE with a mask-free model,"
                    " for which no mask is drawn"
                )
        return
    from vton_models.sampling import photo_masks

    for piece in pieces(flags) if reads.mask_recipe else ():
        known = photo_masks.regions(reads.mask_recipe)
        if piece.region not in known and (piece.mask_type or flags.mask_type):
            raise UsageError(f"{_asking(piece)} {piece.region}; allowed are {', '.join(known)}")


def _asking(piece: Piece) -> str:
    return "--mask-type" if piece.mask_flag == "--mask" else f"{piece.flag} wants a mask of type"


def _word(name: str) -> str:
    return name.replace("_", "-")
