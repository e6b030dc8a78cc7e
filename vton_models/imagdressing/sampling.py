"""What a user sets of IMAGDressing's sampling."""

from dataclasses import dataclass

from schemas.cli.options import option
from vton_models.networks import image_to_image
from vton_models.system import check_between

PROMPT = "A beautiful woman"
QUALITY = "best quality, high quality"
NEGATIVE = "bare, naked, nude, undressed, monochrome, lowres, bad anatomy, worst quality, low quality"


@dataclass(frozen=True)
class Sampling:
    """DDIM with classifier-free guidance, with the defaults of the repository's scripts."""

    num_inference_steps: int = option(50, "denoising steps")
    guidance_scale: float = option(7.5, "of classifier-free guidance by text and garment together; 1: none")
    image_scale: float = option(1.0, "λ, how much the garment counts in hybrid attention; 0: not at all")
    eta: float = option(0.0, "share of DDIM's noise")
    strength: float = option(1.0, image_to_image.HELP)
    quality_prompt: str = option(QUALITY, "words that follow every prompt")
    negative_prompt: str = option(NEGATIVE, "what isn't to be seen")

    def __post_init__(self) -> None:
        check_between("num_inference_steps", self.num_inference_steps, 1, 1000)
        check_between("guidance_scale", self.guidance_scale, 0, 100)
        check_between("image_scale", self.image_scale, 0, 10)
        check_between("eta", self.eta, 0, 1)
        image_to_image.first_step(self.num_inference_steps, self.strength)

    @property
    def first_step(self) -> int:
        """How many steps are left out of a run that begins with a picture."""
        return image_to_image.first_step(self.num_inference_steps, self.strength)

    def prompt(self, text: str) -> str:
        """A user's text as the network gets it; without one a woman is asked for."""
        return ", ".join(filter(None, (text or PROMPT, self.quality_prompt)))
