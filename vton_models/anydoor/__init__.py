"""AnyDoor (arXiv:2307.09481): an object of one picture placed into another, re-posed and re-lit."""

from typing import TYPE_CHECKING

from vton_models.anydoor.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from vton_models.anydoor.model import AnyDoor

__all__ = ["ABOUT", "PRESETS", "Config", "build"]


def build(config: Config) -> "AnyDoor":
    """Random networks of the configuration, until a base is loaded. Raises UsageError for a size it can't hold.

    Under `torch.device("meta")` they have shapes only, which is how full-size ones are best built before `load_base`.
    """
    from vton_models.anydoor.model import AnyDoor  # torch and diffusers wait until a model is built

    config.check_size()
    return AnyDoor(config)
