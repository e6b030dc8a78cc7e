"""CatVTON (arXiv:2407.15886): person and garment latents joined in space, so that self-attention alone dresses."""

from typing import TYPE_CHECKING

from vton_models.catvton.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from vton_models.catvton.model import CatVTON

__all__ = ["ABOUT", "PRESETS", "Config", "build"]


def build(config: Config) -> "CatVTON":
    """Random networks of the configuration, until a base is loaded. Raises UsageError for a size it can't hold.

    Under `torch.device("meta")` they have shapes only, which is how full-size ones are best built before `load_base`.
    """
    from vton_models.catvton.model import CatVTON  # torch and diffusers wait until a model is built

    config.check_size()
    return CatVTON(config)
