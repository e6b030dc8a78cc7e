"""The flags of `train`, and the settings that they, a preset and the defaults add up to."""

import importlib.util
from dataclasses import dataclass
from typing import Any

from schemas.cli.flags import UsageError, flag
from vton_models.networks import threads
from vton_models.networks.lora import Lora
from vton_models.system import Preset
from vton_models.training import optimisers
from vton_models.training.schedules import SCHEDULES
from vton_models.training.settings import MEMORY, PRECISIONS, TRACKERS, Settings, micro_batch

_TINY = {"steps": 20, "global_batch_size": 2, "learning_rate": 1e-3}


def _default(name: str) -> str:
    tiny = f", tiny {_TINY[name]}" if name in _TINY else ""
    return f"default {getattr(Settings, name)}{tiny}"


@dataclass(frozen=True)
class Flags:
    """Flags of this command; None: the preset's value, or a default."""

    shards: tuple[str, ...] = flag(
        help="folders of finished builds; with weights, an epoch is divided by them",
        metavar="DIR[:WEIGHT]",
        words=True,
    )
    output: str | None = flag(None, help="folder of the run (default output/train/MODEL)", metavar="RUN")
    preset: str = flag("", help="a published recipe; every flag overrides its value", metavar="NAME")
    tiny: bool = flag(False, help="random networks of a few hundred kB on small pictures, to try the command")
    init: tuple[str, ...] = flag(
        (),
        help="what to start from: base:PATH or base:owner/name of the hub (also base:PATH,NETWORK=PATH,…),"
        " official:PATH (beside a base), a RUN, or random; may be repeated",
        metavar="START",
        repeated=True,
    )
    overwrite: bool = flag(False, help="begin anew in a folder that holds a run")
    split: str = flag("train", help="split of the shards")
    where: tuple[str, ...] = flag(
        (), help="only records for which this is true, as for `pipelines.select`", metavar="COND", repeated=True
    )
    encoded: bool = flag(True, help="read what `encode` stored, where it is what the base's own networks would give")
    steps: int | None = flag(None, help=f"optimizer steps ({_default('steps')})")
    global_batch_size: int | None = flag(
        None, help=f"records per optimizer step, over all GPUs ({_default('global_batch_size')})"
    )
    batch_size: int | None = flag(None, help="records per micro-batch of a process (default up to 4)")
    learning_rate: float | None = flag(None, help=f"of the optimizer ({_default('learning_rate')})")
    lr_schedule: str | None = flag(None, help=f"its course ({_default('lr_schedule')})", choices=tuple(SCHEDULES))
    lr_warmup_steps: int | None = flag(None, help=f"steps until it is reached ({_default('lr_warmup_steps')})")
    weight_decay: float | None = flag(None, help=f"of the optimizer ({_default('weight_decay')})")
    optimizer: str | None = flag(
        None, help=f"how steps follow from gradients ({_default('optimizer')})", choices=tuple(optimisers.TABLE)
    )
    lora_rank: int | None = flag(
        None, help="train adapters of this rank on attention's linear layers instead of whole weights (LoRA)"
    )
    lora_alpha: float | None = flag(None, help="adapters count alpha/rank times (default the rank)")
    max_grad_norm: float = flag(1.0, help="gradients are clipped to this norm; 0: never")
    ema: float = flag(0.0, help="decay of averaged weights, which are then the result; 0: none", metavar="DECAY")
    seed: int = flag(0, help="of order, noise and held-out records")
    mixed_precision: str | None = flag(
        None, help="of the computation; weights stay float32 (default no, or accelerate's)", choices=PRECISIONS
    )
    gradient_checkpointing: bool = flag(False, help="compute activations again in the backward pass: less memory")
    checkpoint_blocks: tuple[str, ...] = flag(
        (), help="only in these blocks: down_blocks.0, mid_block, up_blocks.3 …", metavar="BLOCK,…"
    )
    compile: bool = flag(False, help="compile the networks first: a minute or more, which long runs get back")
    memory: str = flag("full", help="low and medium need less and are slower", choices=MEMORY)
    device: str = flag("auto", help="where to compute", choices=("auto", "cpu", "cuda"))
    threads: int | None = flag(None, help=threads.HELP)
    workers: int | None = flag(
        None,
        help="reading processes per GPU (default without --reading-threads: 2, or 2 threads if those are faster)",
    )
    reading_threads: int | None = flag(None, help="reading threads instead, in the process that trains")
    window: int = flag(1024, help="records per share that are shuffled together")
    checkpoint_every: int = flag(500, help="steps; 0: only at the end")
    keep: int = flag(2, help="newest checkpoints that are kept")
    log_every: int = flag(10, help="steps")
    tracker: str = flag("none", help="where else losses go", choices=TRACKERS)
    validate_every: int = flag(0, help="steps; 0: never, and nothing is held out")
    validation_records: int = flag(16, help="paired records that are held out of training for validation")
    validation_shards: tuple[str, ...] = flag((), help="take them from here instead", metavar="DIR,…")
    validation_pictures: int = flag(4, help="of them also sampled, in validation/ and at the end; 0: none")
    pictures_every: int | None = flag(
        None, help="steps; without validation, pictures of records that are trained on (default a fifth, from 100 on)"
    )
    validation_inference_steps: int = flag(20, help="denoising steps of these pictures")

    def __post_init__(self) -> None:
        for name, number in (("--workers", self.workers), ("--reading-threads", self.reading_threads)):
            if number is not None and number < 0:
                raise ValueError(f"{name} {number}; allowed are numbers from 0 on")


def resolve(
    flags: Flags, preset: Preset | None, held: dict[str, Any] | None, processes: int, launched_precision: str
) -> Settings:
    """Flags before tiny values before the preset before the defaults; `held` is the config.json of a run to go on with.

    Raises UsageError for batches that the processes can't share evenly.
    """
    global_batch = _value(flags, preset, "global_batch_size")
    asked = flags.batch_size
    if asked is None and held and held["training"]["global_batch_size"] == global_batch:
        asked = held["training"]["batch_size"]
    batch_size = micro_batch(global_batch, processes, asked)
    return Settings(
        steps=_value(flags, preset, "steps"),
        global_batch_size=global_batch,
        batch_size=batch_size,
        shares=global_batch // batch_size,
        learning_rate=_value(flags, preset, "learning_rate"),
        lr_schedule=_value(flags, preset, "lr_schedule"),
        lr_warmup_steps=_value(flags, preset, "lr_warmup_steps"),
        weight_decay=_value(flags, preset, "weight_decay"),
        optimizer=_value(flags, preset, "optimizer"),
        max_grad_norm=flags.max_grad_norm,
        ema=flags.ema,
        seed=flags.seed,
        window=flags.window,
        mixed_precision=flags.mixed_precision or launched_precision,
    )


def adapters(flags: Flags) -> Lora | None:
    """What `--lora-rank` asks for. Raises UsageError, also where its package isn't installed."""
    if flags.lora_rank is None:
        if flags.lora_alpha is not None:
            raise UsageError(f"--lora-alpha {flags.lora_alpha:g} stands beside --lora-rank only")
        return None
    lora = Lora(flags.lora_rank, float(flags.lora_rank if flags.lora_alpha is None else flags.lora_alpha))
    if importlib.util.find_spec("peft") is None:
        raise UsageError(f"--lora-rank {lora.rank} needs the package peft: `pip install peft`")
    return lora


def check_tools(flags: Flags, preset: Preset | None) -> None:
    """Raises UsageError for an optimizer or a tracker whose package isn't installed."""
    optimisers.check(_value(flags, preset, "optimizer"))
    threads.check(flags.threads)
    if flags.tracker != "none" and importlib.util.find_spec(flags.tracker) is None:
        raise UsageError(f"--tracker {flags.tracker} needs the package {flags.tracker}: `pip install {flags.tracker}`")


def hold_out(flags: Flags) -> int:
    """How many training records are kept for validation."""
    return flags.validation_records if flags.validate_every and not flags.validation_shards else 0


def _value(flags: Flags, preset: Preset | None, name: str) -> Any:
    flagged = getattr(flags, name)
    if flagged is not None:
        return flagged
    if flags.tiny and name in _TINY:
        return _TINY[name]
    published = getattr(preset, name) if preset else None
    return getattr(Settings, name) if published is None else published
