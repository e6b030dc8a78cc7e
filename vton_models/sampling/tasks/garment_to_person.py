"""A garment and a text become a person: garments of photos or shards, each in every prompt, several pictures each."""

from dataclasses import dataclass
from pathlib import Path

from schemas.cli.flags import Parsed, Section, UsageError, flag
from vton_models.sampling.tasks import Inputs, Setting
from vton_models.system import Config, TextSampling

IDS = ("garment_id", "prompt")
FACTS: tuple[str, ...] = ()
PAIRS = ("paired", "unpaired")
_OF_SHARDS = ("pairs", "split", "limit")
_OF_PHOTOS = ("garment", "garment_mask")
_MOST = 1000  # pictures of one garment and prompt


@dataclass(frozen=True)
class Flags:
    """Garments given as files, or those of shards; what is to be seen; and what sampling begins with."""

    garment: tuple[str, ...] = flag((), help="photos of garments", metavar="FILE", words=True)
    garment_mask: tuple[str, ...] = flag(
        (), help="where each garment is, white, for systems that read it; else its plain background tells",
        metavar="FILE", words=True,
    )  # fmt: skip
    shards: str = flag("", help="folder of a finished build whose garments are taken", metavar="DIR")
    pairs: str | None = flag(None, help="whose garment: that of the record's caption, or another", choices=PAIRS)
    split: str | None = flag(None, help="split of the shards (default all)")
    limit: int | None = flag(None, help="records, in the order of the shards (default all)")
    prompt: str = flag("", help="what is to be seen (default the system's own; of shards each record's caption)")
    prompts_file: str = flag("", help="in its place, a text file with a prompt per line", metavar="FILE")
    num_images: int = flag(1, help="pictures of each garment and prompt, each of its own noise")
    init_image: str = flag("", help="picture that sampling begins with, by --strength", metavar="FILE")


@dataclass(frozen=True)
class Wishes:
    """What is asked for of every garment; no prompt: the caption of its record."""

    sampling: TextSampling
    prompts: tuple[str, ...]
    num_images: int
    init_image: str

    def prompt(self, asked: str, caption: str = "") -> str:
        """As the network gets it."""
        return self.sampling.prompt(asked or caption)


def flags_of(config: type[Config]) -> tuple[type[Flags], ...]:
    """This kind's own."""
    return (Flags,)


def asked(parsed: Parsed) -> bool:
    """By a garment alone, or by shards."""
    flags = parsed.of(Section(Flags))
    return bool(flags.garment or flags.shards)


def read(parsed: Parsed, setting: Setting) -> Inputs:
    """Lists the shards, or decodes the photos and tells garments from their background. Raises UsageError."""
    flags, sampling = parsed.of(Section(Flags)), parsed.of(Section(setting.config.sampling))
    assert isinstance(sampling, TextSampling)
    check(flags, sampling)
    wishes = Wishes(sampling, prompts(flags), flags.num_images, flags.init_image)
    from vton_models.sampling import prompted_photos, prompted_shards

    if flags.shards:
        return prompted_shards.load(flags, wishes, setting)
    return prompted_photos.load(flags.garment, flags.garment_mask, wishes, setting)


def check(flags: Flags, sampling: TextSampling) -> None:
    """Raises UsageError for flags that don't go together or are out of range."""
    if bool(flags.shards) == bool(flags.garment):
        raise UsageError("what to sample is missing or doubled; allowed are --garment FILE or --shards DIR")
    for name in _OF_PHOTOS if flags.shards else _OF_SHARDS:
        if getattr(flags, name):
            beside = "--shards" if flags.shards else "--garment"
            raise UsageError(f"--{name.replace('_', '-')} beside {beside}, where it means nothing")
    if flags.garment_mask and len(flags.garment_mask) != len(flags.garment):
        raise UsageError(
            f"--garment-mask tells {len(flags.garment_mask)} of {len(flags.garment)} garments; allowed is one for each"
        )
    if flags.prompt and flags.prompts_file:
        raise UsageError("--prompt beside --prompts-file; allowed is one of them")
    if flags.limit is not None and flags.limit < 1:
        raise UsageError(f"--limit {flags.limit}; allowed is at least 1")
    if not 1 <= flags.num_images <= _MOST:
        raise UsageError(f"--num-images {flags.num_images}; allowed are 1 to {_MOST}")
    if sampling.first_step and not flags.init_image:
        raise UsageError("--strength without --init-image, where it means nothing")


def prompts(flags: Flags) -> tuple[str, ...]:
    """Those that are asked for, in order; "" where none is. Raises UsageError for a file without any."""
    if not flags.prompts_file:
        return (flags.prompt.strip(),)
    try:
        lines = Path(flags.prompts_file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8"
        raise UsageError(
            f"--prompts-file {flags.prompts_file}: {reason.lower()}; allowed is a text file with a prompt per line"
        ) from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise UsageError(f"--prompts-file {flags.prompts_file} holds no prompt; allowed is one per line")
    return found
