"""IMAGDressing-v1 (arXiv:2407.12705): a garment's photo and a text become a new person who wears it."""

from typing import TYPE_CHECKING

from vton_models.imagdressing.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from vton_models.imagdressing.model import IMAGDressing

__all__ = ["ABOUT", "PRESETS", "Config", "build"]


def build(config: Config) -> "IMAGDressing":
    """Random networks of the configuration, until a base is loaded. Raises UsageError for a size it can't hold.

    Under `torch.device("meta")` they have shapes only, which is how full-size ones are best built before `load_base`.
    """
    from vton_models.imagdressing.model import IMAGDressing  # torch and diffusers wait until a model is built

    config.check_size()
    return IMAGDressing(config)
