"""IDM-VTON (arXiv:2403.05139): SDXL inpainting that reads the garment through a second U-Net and an image prompt."""

from typing import TYPE_CHECKING

from vton_models.idm_vton.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from vton_models.idm_vton.model import IDMVTON

__all__ = ["ABOUT", "PRESETS", "Config", "build"]


def build(config: Config) -> "IDMVTON":
    """Random networks of the configuration, until a base is loaded. Raises UsageError for a size it can't hold.

    Under `torch.device("meta")` they have shapes only, which is how full-size ones are best built before `load_base`.
    """
    from vton_models.idm_vton.model import IDMVTON  # torch and diffusers wait until a model is built

    config.check_size()
    return IDMVTON(config)
