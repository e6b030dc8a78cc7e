"""What becomes of a network's picture: itself, the system's own composite, or the photo with the picture inside."""

from dataclasses import dataclass

import numpy as np

from vton_models.networks import crops
from vton_models.sampling import paste
from vton_models.sampling.loop import Sampler, Task
from vton_models.system import Finishing, Record


@dataclass(frozen=True)
class Finish:
    """Of a try-on result; a photo keeps its own size only where the result is pasted back."""

    sampler: Sampler
    paste_back: bool = False
    own: Finishing | None = None

    def __call__(self, task: Task, record: Record, result: np.ndarray) -> np.ndarray:
        own = self.own if self.own and self.own.name else None
        if not self.paste_back and own is None:
            return result
        person, mask = record["person_image"], record["agnostic_mask"]
        visible = self.sampler.prepare(task).visible(record)
        if own is None:
            return paste.into_photo(person, mask, result, visible)
        person, mask = (crops.cut(one, visible) for one in (person, mask))
        return own.join(person, mask, result)
