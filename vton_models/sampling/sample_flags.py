"""The flags that sampling has whatever the system, and the model as they ask for it.

A system's own settings come beside them.
"""

from dataclasses import dataclass
from typing import cast

from schemas.cli.flags import UsageError, flag
from vton_models.command_line import weights_flags
from vton_models.command_line.weights_flags import ChosenWeights, WeightsFlags
from vton_models.networks import threads
from vton_models.system import Model


@dataclass(frozen=True)
class SamplingFlags(WeightsFlags):
    """Seed, batches and results. Raises UsageError naming the first value that is out of range."""

    seed: int = flag(0, help="of the noise, with each record's id, and of who gets which garment")
    batch_size: int = flag(4, help="pictures sampled at once")
    threads: int | None = flag(None, help=threads.HELP)
    compile: bool = flag(False, help="compile the networks first: a minute or more, which long runs get back")
    vae_channels_last: bool = flag(False, help="another layout of the VAE's values, which may be faster; measure it")
    max_reject_rate: float = flag(0.1, help="share of rejects above which the exit code is 3")
    overwrite: bool = flag(False, help="delete results of other settings in --output")

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size}; allowed is at least 1")
        if not 0 <= self.max_reject_rate <= 1:
            raise UsageError(f"--max-reject-rate {self.max_reject_rate}; allowed are 0 to 1")
        if self.compile and self.memory != "full":
            raise UsageError(f"--compile beside --memory {self.memory}, which moves networks; allowed is full")
        threads.check(self.threads)
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}; allowed is 0 or more")


def build(chosen: ChosenWeights) -> tuple[Model, str]:
    """(model, digest of its weights), ready to sample as the flags ask for. Raises UsageError."""
    from vton_models.networks import compiling

    flags = cast(SamplingFlags, chosen.flags)
    threads.settle(flags.threads, weights_flags.is_tiny(chosen))
    model, digest = weights_flags.build(chosen)
    if flags.vae_channels_last:
        compiling.channels_last(model)
    if flags.compile:
        compiling.compile_networks(model, model.device.type)
    return model, digest
