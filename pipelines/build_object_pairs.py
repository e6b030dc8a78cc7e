"""Clips, views and stills → object pairs, as AnyDoor trains on them. Without --input, a drawn sample with its masks."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from pipelines.building import command
from pipelines.building.configuration import Flags
from schemas.cli.flags import UsageError, flag, run

if TYPE_CHECKING:
    from pipelines.sources.clips.pairs.options import ClipOptions

COMMAND = "build_object_pairs"
_NOTES = """\
An entry of the list is a clip; an object in two of its frames makes a pair, the reference being the earlier frame.
What AnyDoor's rules turn down (too small, in pieces, …) is declined and counted by rule in the manifest; rejects are
files that can't be read. Objects with one mask, and those of raw clips, are followed by a tracker. Photos are entries
too: an object of a still is its own target, and of two views, such as a garment alone and worn, one is the other's."""
EXAMPLES = """\
  python -m pipelines.build_object_pairs
  python -m pipelines.build_object_pairs --layout davis --input DAVIS --output pairs
  python -m pipelines.build_object_pairs --layout vitonhd_pairs --input VITON-HD --split train --output pairs
  python -m pipelines.build_object_pairs --layout raw --input my_videos --tracker auto --weights models
  python -m pipelines.build_object_pairs --layout raw --input my_videos --pairs-per-object 8 --max-overlap 0.9"""


def _layouts() -> list[str]:
    from pipelines import sources

    return list(sources.of_kind("object_pair"))


@dataclass(frozen=True)
class PairFlags(Flags):
    """The shared flags, and how clips become pairs."""

    shard_size: int = flag(16, help="clips, or photos, per shard")
    layout: str = flag("davis", help="how the clips lie in the folder", choices=_layouts)
    pairs_per_object: int = flag(0, help="of each object, at most; 0: the data set's own number")
    max_overlap: float = flag(1.0, help="leave out pairs whose outlines, laid on each other, overlap more (0-1)")
    min_sharpness: float = flag(0.0, help="leave out pairs with a blurrier object (variance of the Laplacian)")
    min_similarity: float = flag(0.0, help="leave out pairs whose object's colours differ more (0-1, 1 the same)")
    tracker: str = flag("auto", help="who follows objects", choices=("auto", "classical", "sam2"))
    seeding: str = flag(
        "auto", help="how objects are found in raw clips", choices=("auto", "motion", "person", "model")
    )
    seeding_model: str = flag("sam2_hiera_tiny", help="for `model`: SAM or SAM 2; name of the weights, or a folder")
    objects: int = flag(3, help="objects of a piece of a raw clip, at most")
    frames: int = flag(100, help="frames of a track, at most")
    segments: int = flag(12, help="pieces of a raw clip that are looked at, at most")
    seconds_between: float = flag(0.2, help="of a raw clip, between two frames that are looked at")


def main(arguments: Sequence[str]) -> int:
    line = command.parse(COMMAND, f"{__doc__}\n\n{_NOTES}", EXAMPLES, PairFlags, arguments)
    flags = line.flags
    _check(flags)
    from pipelines.building.build import Request

    location, layout, dataset = flags.input, flags.layout, flags.layout
    if location is None:
        from pipelines.sources import sample_clips

        location, layout, dataset = str(sample_clips.cached_root()), "davis", "sample"
        print(f"no --input: building the embedded sample of clips, {location}", file=sys.stderr)
    options = _options(flags, line.engine.engine.REMOTE)
    if layout == "raw":
        print(f"objects are found by {options.seeding}, followed by {options.tracker}", file=sys.stderr)
    return command.run(replace(Request(line, layout, dataset, location), listing=asdict(options)))


def _check(flags: PairFlags) -> None:
    for name, low in (("pairs_per_object", 0), ("objects", 1), ("frames", 2), ("segments", 1)):
        if getattr(flags, name) < low:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(flags, name)}; allowed is {low} or more")
    for name in ("max_overlap", "min_similarity"):
        if not 0 <= getattr(flags, name) <= 1:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(flags, name)}; allowed is 0 to 1")
    for name in ("min_sharpness", "seconds_between"):
        if not getattr(flags, name) >= 0:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(flags, name)}; allowed is 0 or more")


def _options(flags: PairFlags, remote: bool) -> "ClipOptions":
    """With the seeding of raw clips, the tracker and the decoders that this machine has."""
    from annotators.tracking import choosing
    from pipelines.sources.clips.pairs import video
    from pipelines.sources.clips.pairs.options import ClipOptions

    try:
        tracker = choosing.choose(flags.tracker, flags.weights or "", remote)
    except ValueError as error:
        raise UsageError(f"--tracker {flags.tracker}: {error}") from None
    try:
        seeding = flags.seeding if flags.layout == "raw" else "motion"
        seeder = choosing.choose_seeder(seeding, flags.seeding_model, flags.weights or "")
    except (ValueError, OSError) as error:
        raise UsageError(f"--seeding {flags.seeding}: {error}") from None
    return ClipOptions(
        pairs_per_object=flags.pairs_per_object,
        largest_overlap=flags.max_overlap,
        smallest_sharpness=flags.min_sharpness,
        smallest_similarity=flags.min_similarity,
        frames=flags.frames,
        segments=flags.segments,
        seconds_between=flags.seconds_between,
        seeding=seeder.name,
        seeding_model=seeder.model,
        seeding_digest=seeder.digest,
        objects=flags.objects,
        tracker=tracker.name,
        tracker_digest=tracker.digest,
        decoders="+".join(video.available()),
    )


if __name__ == "__main__":
    run(main, f"python -m pipelines.{COMMAND}")
