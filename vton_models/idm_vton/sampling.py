"""What a user sets of IDM-VTON's sampling."""

from dataclasses import dataclass

from schemas.cli.options import option
from vton_models.system import check_between

EVERY_STEP = -1
NEGATIVE = "monochrome, lowres, bad anatomy, worst quality, low quality"


@dataclass(frozen=True)
class Sampling:
    """DDPM with classifier-free guidance, with the defaults of IDM-VTON's repository."""

    num_inference_steps: int = option(30, "denoising steps")
    guidance_scale: float = option(2.0, "of classifier-free guidance; 1: none")
    negative_prompt: str = option(NEGATIVE, "what guidance leads away from")
    garment_timestep: int = option(
        EVERY_STEP,
        "read the garment once, as at this timestep, in place of once per step (-1): faster, and an approximation whose"
        " error is told",
    )

    def __post_init__(self) -> None:
        """From 500 steps on the first one would be at a signal of zero, of which ε tells nothing."""
        check_between("num_inference_steps", self.num_inference_steps, 1, 499)
        check_between("guidance_scale", self.guidance_scale, 0, 100)
        check_between("garment_timestep", self.garment_timestep, EVERY_STEP, 999)
