"""The flags of `sample`, and what of them goes together."""

from dataclasses import dataclass

from schemas.cli.flags import UsageError, flag
from vton_models.command_line.weights_flags import WeightsFlags

PAIRS = ("paired", "unpaired")
MASK_TYPES = ("upper", "lower", "overall", "inner", "outer")
_OF_SHARDS = ("pairs", "split", "limit")
_OF_PHOTOS = (
    *("garment", "garment_person", "mask", "mask_type", "annotator_weights"),
    *("upper", "lower", "upper_mask", "lower_mask"),
)


@dataclass(frozen=True)
class SettingsFlags:
    """What changes a result; None: the model's own default."""

    num_inference_steps: int | None = flag(None, help="denoising steps (CatVTON 50)")
    guidance_scale: float | None = flag(None, help="of classifier-free guidance; 1: none (CatVTON 2.5)")
    eta: float | None = flag(None, help="share of DDIM's noise (CatVTON 1.0)")
    seed: int = flag(0, help="of the noise, with each record's id, and of --pairs unpaired")
    batch_size: int = flag(4, help="pictures sampled at once")
    max_reject_rate: float = flag(0.1, help="share of rejects above which the exit code is 3")
    overwrite: bool = flag(False, help="delete results of other settings in --output")


@dataclass(frozen=True)
class Flags(SettingsFlags, WeightsFlags):
    """Flags of this command."""

    output: str | None = flag(None, help="folder of the results (default output/sample/MODEL)", metavar="DIR")
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
    mask_type: str | None = flag(None, help="what annotators draw (default upper)", choices=MASK_TYPES)
    annotator_weights: str = flag("", help="folder of the annotators' weights (default as annotators)", metavar="DIR")
    paste_back: bool = flag(False, help="return the photo at its own size, unchanged outside the mask")
    repaint: bool = flag(False, help="return CatVTON's composite, the person outside the mask; at the network's size")

    @property
    def finish(self) -> str:
        """Of `sampling.Finish`."""
        return "paste_back" if self.paste_back else "repaint" if self.repaint else ""

    @property
    def how(self) -> str:
        """--pairs, with its default."""
        return self.pairs or "unpaired"


def check(given: Flags, mask_free: bool) -> None:
    """Raises UsageError for flags that don't go together or are out of range."""
    check_settings(given)
    if given.paste_back and given.repaint:
        raise UsageError("--paste-back beside --repaint; allowed is one of them")
    if bool(given.shards) == bool(given.person):
        raise UsageError(
            "what to sample is missing or doubled; allowed are --shards DIR, or --person FILE with a garment"
        )
    for name in _OF_PHOTOS if given.shards else _OF_SHARDS:
        if getattr(given, name):
            beside = "--shards" if given.shards else "--person"
            raise UsageError(f"--{name.replace('_', '-')} beside {beside}, where it means nothing")
    if given.limit is not None and given.limit < 1:
        raise UsageError(f"--limit {given.limit}; allowed is at least 1")
    if given.person:
        _check_photos(given, mask_free)


def check_settings(given: SettingsFlags) -> None:
    """Raises UsageError naming the first value that is out of range."""
    if given.num_inference_steps is not None and not 1 <= given.num_inference_steps <= 1000:
        raise UsageError(f"--num-inference-steps {given.num_inference_steps}; allowed are 1 to 1000")
    if given.guidance_scale is not None and not 0 <= given.guidance_scale <= 100:
        raise UsageError(f"--guidance-scale {given.guidance_scale}; allowed are 0 to 100")
    if given.eta is not None and not 0 <= given.eta <= 1:
        raise UsageError(f"--eta {given.eta}; allowed are 0 to 1")
    if given.batch_size < 1:
        raise UsageError(f"--batch-size {given.batch_size}; allowed is at least 1")
    if not 0 <= given.max_reject_rate <= 1:
        raise UsageError(f"--max-reject-rate {given.max_reject_rate}; allowed are 0 to 1")
    if given.seed < 0:
        raise UsageError(f"--seed {given.seed}; allowed is 0 or more")


def _check_photos(given: Flags, mask_free: bool) -> None:
    outfit = given.upper or given.lower
    if sum(map(bool, (given.garment, given.garment_person, outfit))) != 1:
        raise UsageError(
            "--person needs one garment; allowed are --garment FILE, --garment-person FILE, or --upper and --lower"
        )
    if outfit and (given.mask or given.mask_type):
        raise UsageError("--mask and --mask-type beside an outfit; allowed are --upper-mask and --lower-mask")
    for side in ("upper", "lower"):
        if getattr(given, f"{side}_mask") and not getattr(given, side):
            raise UsageError(f"--{side}-mask without --{side}")
    if given.mask and given.mask_type:
        raise UsageError("--mask beside --mask-type; allowed is one of them")
    if mask_free:
        _check_mask_free(given)


def _check_mask_free(given: Flags) -> None:
    if given.mask_type:
        raise UsageError(f"--mask-type {given.mask_type} with a mask-free model, for which no mask is drawn")
    pieces = ((given.upper, "upper_mask"), (given.lower, "lower_mask"), (given.garment or given.garment_person, "mask"))
    for piece, mask in pieces:
        if given.finish and piece and not getattr(given, mask):
            finish, wanted = given.finish.replace("_", "-"), mask.replace("_", "-")
            raise UsageError(f"--{finish} needs --{wanted} FILE with a mask-free model, for which no mask is drawn")
