"""Published training recipes as flag values."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """What a paper trained with; every value can be overridden by its flag. `source` says where it is published."""

    data: str
    height: int
    width: int
    steps: int
    global_batch_size: int
    learning_rate: float
    source: str
    lr_schedule: str = "constant"
    lr_warmup_steps: int = 0
    weight_decay: float = 0.01
    model: dict[str, Any] = field(default_factory=dict)  # fields of the model's Config that differ from its defaults
