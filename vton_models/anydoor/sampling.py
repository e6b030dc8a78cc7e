"""What a user sets of AnyDoor's sampling."""

from dataclasses import dataclass

from schemas.cli.options import option
from vton_models.system import check_between


@dataclass(frozen=True)
class Sampling:
    """DDIM without noise, with classifier-free guidance against a black reference; defaults of `run_inference.py`."""

    num_inference_steps: int = option(50, "denoising steps, or one more where they don't divide 1000, as upstream's")
    guidance_scale: float = option(5.0, "of classifier-free guidance; 1: none")
    control_strength: float = option(1.0, "how much the details in the collage count")

    def __post_init__(self) -> None:
        check_between("num_inference_steps", self.num_inference_steps, 1, 1000)
        check_between("guidance_scale", self.guidance_scale, 0, 100)
        check_between("control_strength", self.control_strength, 0, 2)
