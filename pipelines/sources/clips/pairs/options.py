"""What a user may set about pairs of clips; goes through a build as the source's options, as text."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from annotators.functional.placement import acceptance
from annotators.tracking.choosing import Chosen, Seeder
from pipelines.sources.clips.pairs.pairing import Terms
from pipelines.sources.clips.pairs.variety import Variety
from pipelines.sources.outcomes import ReadSettings


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

    def chosen_tracker(self, weights_dir: str) -> Chosen:
        return Chosen(self.tracker, self.tracker_digest, weights_dir if self.tracker_digest else "")

    def chosen_seeder(self, weights_dir: str) -> Seeder:
        return Seeder(self.seeding, self.seeding_model, self.seeding_digest, weights_dir)
