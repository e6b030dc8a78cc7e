"""Garments of finished shards, each in every prompt or as its record's caption says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vton_models.sampling import outputs, prompted_photos, shard_tasks
from vton_models.sampling.finish import Finish
from vton_models.sampling.loop import Sampler, Task
from vton_models.sampling.shard_tasks import Records
from vton_models.sampling.tasks import try_on
from vton_models.system import INIT_IMAGE, PROMPT, NoFinishing, Record

if TYPE_CHECKING:
    from vton_models.sampling.tasks import Setting
    from vton_models.sampling.tasks.garment_to_person import Flags, Wishes


@dataclass(frozen=True, eq=False)
class Garments:
    """They are `Inputs` of `sample`."""

    records: Records
    wishes: "Wishes"
    init_image: np.ndarray | None
    one_by_one: bool = False

    @property
    def left_out(self) -> tuple[dict[str, str], ...]:
        return self.records.left_out

    @property
    def told(self) -> str:
        return self.records.told

    def described(self) -> dict[str, Any]:
        """The shards by their fingerprint, and what is asked for of each record."""
        return {**self.records.described(), **prompted_photos.asked(self.wishes, self.init_image)}

    def finish(self, sampler: Sampler) -> Finish:
        return Finish(sampler)

    def tasks(self, folder: Path) -> list[Task]:
        """Record by record, prompt by prompt."""
        return [
            self._task(task, (number, prompt), image)
            for task in self.records.tasks(folder)
            for number, prompt in enumerate(self.wishes.prompts)
            for image in range(self.wishes.num_images)
        ]

    def _task(self, task: Task, prompt: tuple[int, str], image: int) -> Task:
        """In place of a prompt that only its record knows stands null."""
        number, asked = prompt
        record_id = prompted_photos.place_of(task.record_id, number, image)
        said = self.wishes.prompt(asked) if asked else None
        return replace(
            task,
            record_id=record_id,
            file=outputs.file_name(record_id),
            read=_Reader(task.read, self.wishes, asked, self.init_image),
            row={"garment_id": task.row["garment_id"], PROMPT: said},
            notes={**task.notes, "Prompt": said or ""},
        )


@dataclass(frozen=True, eq=False)
class _Reader:
    read: Callable[[], Record]
    wishes: "Wishes"
    asked: str
    init_image: np.ndarray | None

    def __call__(self) -> Mapping[str, Any]:
        record = self.read()
        prompt = self.wishes.prompt(self.asked, record.get("caption") or "")
        return {**record, PROMPT: prompt, INIT_IMAGE: self.init_image}


def load(flags: "Flags", wishes: "Wishes", setting: "Setting") -> Garments:
    """Lists the shards. Raises UsageError for a column that they lack, and when no record can be sampled."""
    chosen = try_on.Flags(shards=flags.shards, pairs=flags.pairs or "paired", split=flags.split, limit=flags.limit)
    begins = prompted_photos.init_image(wishes)
    return Garments(shard_tasks.load(chosen, try_on.Finished(False, NoFinishing()), setting), wishes, begins)
