"""What a user sets of IMAGDressing's sampling."""

from dataclasses import dataclass

from schemas.cli.options import option
from vton_models.system import check_between


@dataclass(frozen=True)
class Sampling:
    """DDIM with classifier-free guidance, with the defaults of the repository's scripts."""

    num_inference_steps: int = option(50, "denoising steps")
    guidance_scale: float = option(7.5, "of classifier-free guidance by text and garment together; 1: none")
    image_scale: float = option(1.0, "λ, how much the garment counts in hybrid attention; 0: not at all")
    eta: float = option(0.0, "share of DDIM's noise")

    def __post_init__(self) -> None:
        check_between("num_inference_steps", self.num_inference_steps, 1, 1000)
        check_between("guidance_scale", self.guidance_scale, 0, 100)
        check_between("image_scale", self.image_scale, 0, 10)
        check_between("eta", self.eta, 0, 1)
