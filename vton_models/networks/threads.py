"""How many threads the processor's part of a network's work takes."""

import os

from schemas.cli.flags import UsageError

HELP = "threads of the CPU (default OMP_NUM_THREADS, else 1 for tiny networks, else torch's)"
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def check(asked: int | None) -> None:
    """Raises UsageError for a number below one."""
    if asked is not None and asked < 1:
        raise UsageError(f"--threads {asked}; allowed is at least 1")


def settle(asked: int | None, tiny: bool) -> None:
    """As asked or as the environment says; else one where networks are tiny.

    Several threads then wait for each other: on a busy machine of two cores a step took 20 s in place of 0.5.
    """
    import torch

    if asked is not None:
        torch.set_num_threads(asked)
    elif tiny and not any(map(os.environ.get, _VARIABLES)):
        torch.set_num_threads(1)
