"""What the training loop is told, in plain values: no torch here, since flags are made from it."""

from dataclasses import dataclass
from typing import Any

from schemas.cli.flags import UsageError

PRECISIONS = ("no", "fp16", "bf16")
MEMORY = ("low", "medium", "full")
TRACKERS = ("none", "tensorboard", "wandb")


@dataclass(frozen=True)
class Settings:
    """The choices that change what is learnt, and `steps`. The defaults hold where neither flag nor preset speaks."""

    batch_size: int  # records of a micro-batch
    shares: int  # micro-batches of an optimizer step, over all processes
    steps: int = 1000
    global_batch_size: int = 8
    learning_rate: float = 1e-5
    lr_schedule: str = "constant"
    lr_warmup_steps: int = 0
    weight_decay: float = 0.01
    optimizer: str = "adamw"  # of `training.optimisers`
    max_grad_norm: float = 1.0  # 0: no clipping
    ema: float = 0.0  # decay; 0: no averages
    seed: int = 0
    window: int = 1024  # records per share that are shuffled together
    mixed_precision: str = "no"


@dataclass(frozen=True)
class Cadence:
    """How often the loop does what is not training; 0: never."""

    log_every: int = 10
    checkpoint_every: int = 500
    keep: int = 2
    validate_every: int = 0
    pictures_every: int = 0  # of records that are trained on, where validation makes none


def micro_batch(global_batch: int, processes: int, asked: int | None) -> int:
    """Records of a micro-batch: as asked, or the largest divisor of a process's part up to 4.

    Raises UsageError with the nearest legal global batch size.
    """
    if global_batch < 1 or (asked is not None and asked < 1):
        raise UsageError("--global-batch-size and --batch-size must be at least 1")
    unit = (asked or 1) * processes
    if global_batch % unit:
        low = global_batch // unit * unit
        nearest = " and ".join(str(size) for size in (low, low + unit) if size)
        raise UsageError(
            f"--global-batch-size {global_batch} is not a multiple of --batch-size {asked or 1} × {processes}"
            f" process{'es' if processes > 1 else ''}; nearest are {nearest}"
        )
    if asked is not None:
        return asked
    part = global_batch // processes
    return max(size for size in (1, 2, 3, 4) if part % size == 0)


def check(settings: Settings, cadence: Cadence) -> None:
    """Raises UsageError naming the first value that is out of range."""
    limits: list[tuple[str, Any, bool, str]] = [
        ("steps", settings.steps, settings.steps >= 1, "at least 1"),
        ("learning-rate", settings.learning_rate, settings.learning_rate >= 0, "at least 0"),
        ("lr-warmup-steps", settings.lr_warmup_steps, settings.lr_warmup_steps >= 0, "at least 0"),
        ("weight-decay", settings.weight_decay, settings.weight_decay >= 0, "at least 0"),
        ("max-grad-norm", settings.max_grad_norm, settings.max_grad_norm >= 0, "at least 0"),
        ("ema", settings.ema, 0 <= settings.ema < 1, "from 0 to below 1"),
        ("keep", cadence.keep, cadence.keep >= 1, "at least 1"),
        ("log-every", cadence.log_every, cadence.log_every >= 1, "at least 1"),
        ("checkpoint-every", cadence.checkpoint_every, cadence.checkpoint_every >= 0, "at least 0"),
        ("validate-every", cadence.validate_every, cadence.validate_every >= 0, "at least 0"),
    ]
    for name, value, legal, allowed in limits:
        if not legal:
            raise UsageError(f"--{name} {value}; allowed is {allowed}")
