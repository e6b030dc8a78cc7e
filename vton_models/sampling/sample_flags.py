"""The flags that sampling has whatever the system: its own settings come beside them."""

from dataclasses import dataclass

from schemas.cli.flags import UsageError, flag
from vton_models.command_line.weights_flags import WeightsFlags
from vton_models.networks import threads


@dataclass(frozen=True)
class SamplingFlags(WeightsFlags):
    """Seed, batches and results. Raises UsageError naming the first value that is out of range."""

    seed: int = flag(0, help="of the noise, with each record's id, and of who gets which garment")
    batch_size: int = flag(4, help="pictures sampled at once")
    threads: int | None = flag(None, help=threads.HELP)
    max_reject_rate: float = flag(0.1, help="share of rejects above which the exit code is 3")
    overwrite: bool = flag(False, help="delete results of other settings in --output")

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size}; allowed is at least 1")
        if not 0 <= self.max_reject_rate <= 1:
            raise UsageError(f"--max-reject-rate {self.max_reject_rate}; allowed are 0 to 1")
        threads.check(self.threads)
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}; allowed is 0 or more")
