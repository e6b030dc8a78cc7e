"""The optional safety checker: Stable Diffusion's, a CLIP that knows unsafe pictures, from a local folder."""

from pathlib import Path
from typing import Any

import numpy as np

from schemas.cli.flags import UsageError, one_line

_SIZE, _MEAN, _STD = 224, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP


class SafetyChecker:
    """Holds the network, on the CPU."""

    def __init__(self, folder: str) -> None:
        """Raises UsageError for a folder that holds no such checker."""
        if not (Path(folder) / "config.json").is_file():
            raise UsageError(
                f"--safety-checker {folder}: no config.json; allowed is a folder with a StableDiffusionSafetyChecker"
            )
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

        try:
            network: Any = StableDiffusionSafetyChecker.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise UsageError(f"--safety-checker {folder}: {one_line(error)[:300]}") from None
        self.network = network.eval()
        self.size = int(getattr(network.config.vision_config, "image_size", _SIZE))

    def __call__(self, picture: np.ndarray) -> bool:
        """Whether a picture uint8 [h w 3] may be shown."""
        import torch

        from vton_models.networks import pictures

        small = pictures.stretch(picture, (self.size, self.size)).astype(np.float32) / 255
        normal = (small - np.asarray(_MEAN, np.float32)) / np.asarray(_STD, np.float32)
        entering = torch.from_numpy(normal).permute(2, 0, 1)[None]  # [1 3 h w]
        with torch.no_grad():
            _, unsafe = self.network(clip_input=entering, images=picture[None].copy())
        return not bool(unsafe[0])
