"""Magic Clothing (arXiv:2404.09512): a person in a garment by its photo and a text; the denoiser stays frozen."""

from typing import TYPE_CHECKING

from vton_models.magic_clothing.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from vton_models.magic_clothing.model import MagicClothing

__all__ = ["ABOUT", "PRESETS", "Config", "build"]


def build(config: Config) -> "MagicClothing":
    """Random networks of the configuration, until a base is loaded. Raises UsageError for a size it can't hold.

    Under `torch.device("meta")` they have shapes only, which is how full-size ones are best built before `load_base`.
    """
    from vton_models.magic_clothing.model import MagicClothing  # torch and diffusers wait until a model is built

    config.check_size()
    return MagicClothing(config)
