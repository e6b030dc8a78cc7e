"""Sampling that begins with a picture instead of noise (SDEdit, arXiv:2108.01073)."""

from schemas.cli.flags import UsageError
from vton_models.system import check_between

HELP = "with --init-image: share of the steps that are done; 1: all, from pure noise"


def first_step(num_inference_steps: int, strength: float) -> int:
    """How many steps are left out: none at strength 1. Raises UsageError out of 0 to 1, and where no step is left."""
    check_between("strength", strength, 0, 1)
    done = int(num_inference_steps * strength + 1e-6)  # 0.29 of 100 are 29, not 28
    if not done:
        least = 1 / num_inference_steps
        raise UsageError(f"--strength {strength} does none of {num_inference_steps} steps; allowed are {least:g} to 1")
    return num_inference_steps - done
