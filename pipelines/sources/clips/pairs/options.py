"""What a user may set about pairs of clips; goes through a build as the source's options, as text."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from annotators.functional.placement import acceptance
from annotators.tracking import Tracker, choosing
from annotators.tracking.choosing import Chosen, Seeder
from pipelines.sources.clips.pairs.pairing import Terms
from pipelines.sources.clips.pairs.variety import Variety
from pipelines.sources.outcomes import ReadSettings, Unusable

if TYPE_CHECKING:
    from annotators.tracking.segmenting import Segmenter


@dataclass(frozen=True)
class ClipOptions:
    """What is stored with a build; seeding, tracker, their digests and decoders as they were settled while planning.

    pairs_per_object: 0 stands for the data set's own number. frames: of a track, at most. segments: pieces of a raw
    clip that are looked at, at most, each of up to `frames` frames `seconds_between` apart, with up to `objects`.
    """

    pairs_per_object: int = 0
    largest_overlap: float = 1.0
    smallest_sharpness: float = 0.0
    smallest_similarity: float = 0.0
    frames: int = 100
    segments: int = 12
    seconds_between: float = 0.2
    seeding: str = "motion"
    seeding_model: str = ""
    seeding_digest: str = ""
    objects: int = 3
    tracker: str = "classical"
    tracker_digest: str = ""
    decoders: str = ""

    @classmethod
    def of(cls, settings: ReadSettings) -> "ClipOptions":
        """The options that a build's settings carry."""
        texts: Mapping[str, str] = dict(settings.source_options)
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name in texts:
                convert: Any = type(item.default)
                values[item.name] = convert(texts[item.name])
        return cls(**values)

    def terms(self, rule: acceptance.Rule, dynamics: str, parts: int, pairs_per_object: int) -> Terms:
        """A data set's terms with what the user set about them."""
        variety = Variety(self.largest_overlap, self.smallest_sharpness, self.smallest_similarity)
        return Terms(rule, dynamics, parts, self.pairs_per_object or pairs_per_object, variety)

    def loaded_tracker(self, settings: ReadSettings) -> Tracker:
        """Raises Unusable where it isn't the one that the build was planned with, or has no device."""
        folder = settings.weights_dir if self.tracker_digest else ""
        chosen = Chosen(self.tracker, self.tracker_digest, folder)
        with _usable(f"tracker {self.tracker}"):
            return choosing.shared(chosen, settings.device)

    def loaded_segmenter(self, settings: ReadSettings) -> "Segmenter":
        """Raises Unusable as `loaded_tracker` does."""
        seeder = Seeder(self.seeding, self.seeding_model, self.seeding_digest, settings.weights_dir)
        with _usable(f"seeding by {self.seeding_model}"):
            return choosing.segmenter(seeder, settings.device)


@contextlib.contextmanager
def _usable(what: str) -> Iterator[None]:
    """torch raises these of a device that isn't there."""
    try:
        yield
    except (ValueError, RuntimeError, AssertionError, ImportError) as error:
        raise Unusable(f"{what}: {error}") from error
