"""What a user sets of Magic Clothing's sampling."""

from dataclasses import dataclass

from schemas.cli.flags import UsageError
from schemas.cli.options import option
from vton_models.networks import image_to_image
from vton_models.system import check_between

GUIDANCE = ("joint", "independent", "single")
PROMPT = "a photography of a model"
QUALITY = "best quality, high quality"
NEGATIVE = "monochrome, lowres, bad anatomy, worst quality, low quality"
_SCALES = {"joint": 7.5, "independent": 7.5, "single": 2.5}


@dataclass(frozen=True)
class Sampling:
    """UniPC with guidance by text and garment, with the defaults of Magic Clothing's paper and repository.

    `guidance_scale` is that of the text and, where guidance is single, of both at once; `single` is how the weights of
    512 pixels were made.
    """

    num_inference_steps: int = option(20, "denoising steps")
    guidance: str = option("joint", "how text and garment guide; single: both at once, by --guidance-scale", GUIDANCE)
    guidance_scale: float | None = option(None, "of the text; at most 1: no guidance (default 7.5, single 2.5)")
    garment_guidance_scale: float = option(2.5, "of the garment; on an inpainting base the only one")
    strength: float = option(1.0, image_to_image.HELP)
    quality_prompt: str = option(QUALITY, "words that follow every prompt")
    negative_prompt: str = option(NEGATIVE, "what isn't to be seen")

    def __post_init__(self) -> None:
        if self.guidance not in GUIDANCE:
            raise UsageError(f"--guidance {self.guidance}; allowed are {', '.join(GUIDANCE)}")
        if self.guidance_scale is None:
            object.__setattr__(self, "guidance_scale", _SCALES[self.guidance])
        check_between("num_inference_steps", self.num_inference_steps, 1, 1000)
        check_between("guidance_scale", self.scale, 0, 100)
        check_between("garment_guidance_scale", self.garment_guidance_scale, 0, 100)
        image_to_image.first_step(self.num_inference_steps, self.strength)

    @property
    def scale(self) -> float:
        """The guidance scale, with its default."""
        return _SCALES[self.guidance] if self.guidance_scale is None else self.guidance_scale

    @property
    def first_step(self) -> int:
        """How many steps are left out of a run that begins with a picture."""
        return image_to_image.first_step(self.num_inference_steps, self.strength)

    def prompt(self, text: str) -> str:
        """A user's text as the network gets it; without one a model is asked for."""
        return ", ".join(filter(None, (text or PROMPT, self.quality_prompt)))
