"""What a user wants to know of a system before training it, and its published recipes."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class About:
    """Paper, repository, licences; `parameters` and `trainable` count the full-size networks."""

    title: str
    paper: str
    repository: str
    licence: str  # of the published code and weights
    base: str  # the weights that training starts from
    parameters: int
    trainable: int


@dataclass(frozen=True)
class Preset:
    """What a paper trained with; every value can be overridden by its flag. `source` says where it is published.

    None stands for the trainer's default (`training.settings.Settings`).
    """

    data: str
    height: int
    width: int
    steps: int
    global_batch_size: int
    learning_rate: float
    source: str
    lr_schedule: str | None = None
    lr_warmup_steps: int | None = None
    weight_decay: float | None = None
    optimizer: str | None = None
    model: dict[str, Any] = field(default_factory=dict)  # fields of the model's Config that differ from its defaults
