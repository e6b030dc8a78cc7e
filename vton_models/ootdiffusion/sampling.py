"""What a user sets of OOTDiffusion's sampling."""

from dataclasses import dataclass

from schemas.cli.options import option
from vton_models.system import check_between


@dataclass(frozen=True)
class Sampling:
    """UniPC with guidance over the garment, with the defaults of the repository's command line."""

    num_inference_steps: int = option(20, "denoising steps")
    guidance_scale: float = option(2.0, "of classifier-free guidance over the garment, 1 to 5; below 1: none")

    def __post_init__(self) -> None:
        check_between("num_inference_steps", self.num_inference_steps, 1, 1000)
        check_between("guidance_scale", self.guidance_scale, 0, 100)
