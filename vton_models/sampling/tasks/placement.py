"""Placement: objects cut out of reference pictures into a scene, at boxes or masks; or the pairs of shards."""

from dataclasses import dataclass

from annotators.functional.boxes import Box
from schemas.cli.flags import Parsed, Section, UsageError, flag
from schemas.folders import places
from vton_models.command_line.weights_flags import pick_device
from vton_models.sampling.tasks import Inputs, Setting
from vton_models.system import Config

IDS = ("reference_id", "scene_id")
FACTS = ("box",)
STITCHES = ("box", "feathered", "crop")
_OF_SHARDS = ("split", "limit")
_OF_PHOTOS = (
    *("reference", "reference_mask", "reference_box", "refine_masks"),
    *("scene", "move", "box", "mask", "annotator_weights"),
)


@dataclass(frozen=True)
class Flags:
    """Object pairs or try-on records of shards, or photos given as files."""

    shards: str = flag("", help="folder of a finished build to sample from", metavar="DIR")
    split: str | None = flag(None, help="split of the shards (default all)")
    limit: int | None = flag(None, help="records, in the order of the shards (default all)")
    reference: tuple[str, ...] = flag(
        (), help="photos of objects, which are placed one after the other", metavar="FILE", words=True
    )
    reference_mask: tuple[str, ...] = flag(
        (),
        help="where each object is, white; else its box tells, or its photo's transparency",
        metavar="FILE",
        words=True,
    )
    reference_box: tuple[str, ...] = flag(
        (),
        help="the box of each object in its photo, pixels; its mask is found in it",
        metavar="X0,Y0,X1,Y1",
        words=True,
    )
    scene: str = flag("", help="photo into which they go", metavar="FILE")
    move: tuple[str, ...] = flag(
        (), help="in place of references: boxes of the scene's own objects", metavar="X0,Y0,X1,Y1", words=True
    )
    box: tuple[str, ...] = flag(
        (), help="where each object goes, pixels of the scene", metavar="X0,Y0,X1,Y1", words=True
    )
    mask: tuple[str, ...] = flag(
        (), help="in place of boxes: masks of where they go, white", metavar="FILE", words=True
    )
    refine_masks: str = flag(
        "", help="a coarse_mask_refine.pth, which makes outlines of coarse --reference-mask", metavar="FILE"
    )
    shape_control: bool = flag(False, help="an object takes the shape of its mask, not any within the mask's box")
    stitch: str = flag(
        "box",
        help="what of a result is laid into the scene: the box, the same with a soft edge, or the crop around it",
        choices=STITCHES,
    )
    annotator_weights: str = flag("", help="folder of the annotators' weights (default as annotators)", metavar="DIR")


@dataclass(frozen=True)
class Piece:
    """One object: files of its photo and mask, its box there, and where it goes, a box or the file of a mask."""

    reference: str
    reference_mask: str
    reference_box: Box | None
    box: Box | None
    mask: str


def flags_of(config: type[Config]) -> tuple[type[Flags], ...]:
    """This kind's own."""
    return (Flags,)


def asked(parsed: Parsed) -> bool:
    """By a reference or a scene; shards may be another kind's."""
    flags = parsed.of(Section(Flags))
    return bool(flags.reference or flags.scene or flags.shards)


def read(parsed: Parsed, setting: Setting) -> Inputs:
    """Lists the shards, or decodes the photos and finds the objects in them. Raises UsageError."""
    flags = parsed.of(Section(Flags))
    check(flags)
    if flags.shards:
        from vton_models.sampling import placement_shards

        return placement_shards.load(flags, setting)
    from vton_models.sampling import placement_photos

    if flags.annotator_weights:
        places.readable("--annotator-weights", flags.annotator_weights)
    return placement_photos.load(flags, pieces(flags), setting, pick_device(setting.device))


def check(flags: Flags) -> None:
    """Raises UsageError for flags that don't go together or are out of range."""
    if bool(flags.shards) == bool(flags.reference or flags.scene):
        raise UsageError(
            "what to sample is missing or doubled; allowed are --shards DIR, or --reference FILE --scene FILE with"
            " --box X0,Y0,X1,Y1 or --mask FILE"
        )
    for name in _OF_PHOTOS if flags.shards else _OF_SHARDS:
        if getattr(flags, name):
            beside = "--shards" if flags.shards else "--reference"
            raise UsageError(f"--{name.replace('_', '-')} beside {beside}, where it means nothing")
    if flags.limit is not None and flags.limit < 1:
        raise UsageError(f"--limit {flags.limit}; allowed is at least 1")
    if not flags.shards:
        _check_photos(flags)


def _check_photos(flags: Flags) -> None:
    if not flags.scene:
        raise UsageError("--scene is missing; allowed is a photo")
    if bool(flags.reference) == bool(flags.move):
        raise UsageError("--reference is missing or beside --move; allowed is --reference FILE or --move X0,Y0,X1,Y1")
    if flags.move and (flags.reference_mask or flags.reference_box):
        raise UsageError("--reference-mask or --reference-box beside --move, whose boxes tell where objects are")
    if bool(flags.box) == bool(flags.mask):
        raise UsageError("where the objects go is missing or doubled; allowed is --box X0,Y0,X1,Y1 or --mask FILE")
    if flags.reference_mask and flags.reference_box:
        raise UsageError("--reference-mask beside --reference-box; allowed is one of them")
    if flags.refine_masks and not flags.reference_mask:
        raise UsageError("--refine-masks without --reference-mask; masks that are found here are no coarse ones")
    if flags.shape_control and not flags.mask:
        raise UsageError("--shape-control without --mask; a box has no shape but its own")
    pieces(flags)


def pieces(flags: Flags) -> tuple[Piece, ...]:
    """One for each object. Raises UsageError for boxes that are none, and where their numbers differ."""
    moved = boxes_of("--move", flags.move)
    references = flags.reference or (flags.scene,) * len(moved)
    count = len(references)
    reference_boxes = moved or boxes_of("--reference-box", flags.reference_box)
    target_boxes = boxes_of("--box", flags.box)
    told = {
        "reference-mask": len(flags.reference_mask),
        "reference-box": len(reference_boxes),
        "box": len(target_boxes),
        "mask": len(flags.mask),
    }
    for name, number in told.items():
        if number not in (0, count):
            raise UsageError(f"--{name} tells {number} of {count} objects; allowed is one for each of them")
    return tuple(
        Piece(
            reference=reference,
            reference_mask=flags.reference_mask[place] if flags.reference_mask else "",
            reference_box=reference_boxes[place] if reference_boxes else None,
            box=target_boxes[place] if target_boxes else None,
            mask=flags.mask[place] if flags.mask else "",
        )
        for place, reference in enumerate(references)
    )


def boxes_of(name: str, words: tuple[str, ...]) -> list[Box]:
    """Boxes of four whole numbers each, with commas or spaces between. Raises UsageError."""
    numbers = [number for word in words for number in word.split(",") if number]
    try:
        sides = [int(number) for number in numbers]
    except ValueError:
        raise UsageError(f"{name} {' '.join(words)}; allowed are whole numbers X0,Y0,X1,Y1") from None
    corners = list(zip(*[iter(sides)] * 4, strict=False))
    if len(sides) % 4 or any(x0 >= x1 or y0 >= y1 for x0, y0, x1, y1 in corners):
        raise UsageError(f"{name} {' '.join(words)}; allowed are four numbers X0,Y0,X1,Y1, X0 below X1 and Y0 below Y1")
    return corners
