"""What a user sets of CatVTON's sampling, and its way to join a result with the person."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.cli.flags import flag
from schemas.cli.options import option
from vton_models.system import check_between

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Sampling:
    """DDIM with classifier-free guidance, with the defaults of CatVTON's repository."""

    num_inference_steps: int = option(50, "denoising steps")
    guidance_scale: float = option(2.5, "of classifier-free guidance; 1: none")
    eta: float = option(1.0, "share of DDIM's noise")

    def __post_init__(self) -> None:
        check_between("num_inference_steps", self.num_inference_steps, 1, 1000)
        check_between("guidance_scale", self.guidance_scale, 0, 100)
        check_between("eta", self.eta, 0, 1)


@dataclass(frozen=True)
class Finishing:
    """The repository's composite, where it is asked for."""

    repaint: bool = flag(False, help="return CatVTON's composite, the person outside the mask; at the network's size")

    @property
    def name(self) -> str:
        return "repaint" if self.repaint else ""

    def join(self, person: "np.ndarray", mask: "np.ndarray", result: "np.ndarray") -> "np.ndarray":
        """The person outside the mask, the result inside, mixed over a blurred border."""
        from vton_models.catvton.composite import repaint  # Pillow and torch wait until there is a result

        return repaint(person, mask, result) if self.repaint else result
