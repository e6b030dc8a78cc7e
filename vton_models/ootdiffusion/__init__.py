"""OOTDiffusion (arXiv:2403.01779): a second U-Net reads the garment, and every self-attention sees its tokens too."""

from typing import TYPE_CHECKING

from vton_models.ootdiffusion.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from vton_models.ootdiffusion.model import OOTDiffusion

__all__ = ["ABOUT", "PRESETS", "Config", "build"]


def build(config: Config) -> "OOTDiffusion":
    """Random networks of the configuration, until a base is loaded. Raises UsageError for a size it can't hold."""
    from vton_models.ootdiffusion.model import OOTDiffusion  # torch and diffusers wait until a model is built

    config.check_size()
    return OOTDiffusion(config)
