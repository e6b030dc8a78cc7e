"""The nodes. Pictures are ComfyUI's: IMAGE float [b h w 3] in 0–1, MASK float [b h w], 1 = repainted."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import vton_models
from vton_models.sampling import photo_masks

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from vton_models.app.offers import Offer
    from vton_models.app.orders import Order
    from vton_models.app.studio import Studio

Inputs = dict[str, dict[str, tuple[Any, ...]]]
SYSTEM, ORDER = "VTON_SYSTEM", "VTON_ORDER"
_CATEGORY = "vton"
_MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class LoadedSystem:
    """A system with its weights, loaded when it samples first; its folder goes with it."""

    offer: "Offer"
    studio: "Studio"
    folder: "tempfile.TemporaryDirectory[str]"
    device: str

    def file(self, name: str, data: bytes) -> str:
        """The path of a picture that `sample` reads."""
        path = Path(self.folder.name) / name
        path.write_bytes(data)
        return str(path)


@dataclass(frozen=True)
class PreparedOrder:
    """What is to be sampled, and by what."""

    loaded: LoadedSystem
    order: "Order"


class VtonLoad:
    """A system with the weights that `--weights` of `app` names: a run's folder, `random`, `base:PATH`, `tiny`."""

    TITLE: ClassVar[str] = "Load try-on system"
    CATEGORY, FUNCTION = _CATEGORY, "load"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = (SYSTEM,)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("system",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:  # ComfyUI's name
        devices = ["auto", "cpu", "cuda"]
        text = {"default": "tiny", "multiline": False}
        return {"required": {"system": (list(vton_models.names()),), "weights": ("STRING", text), "device": (devices,)}}

    def load(self, system: str, weights: str, device: str) -> tuple[LoadedSystem]:
        """Raises UsageError for weights that aren't there."""
        from vton_models.app import offers
        from vton_models.app.studio import Studio
        from vton_models.command_line.weights_flags import pick_device

        tiny = weights == "tiny"
        words = () if tiny else (weights if weights.startswith(f"{system}=") else f"{system}={weights}",)
        (offer,) = offers.of(system, words, tiny, (f"--device={device}",))
        folder = tempfile.TemporaryDirectory(prefix="vton-comfyui-")
        return (LoadedSystem(offer, Studio(Path(folder.name)), folder, pick_device(device)),)


class VtonMask:
    """What the system's annotators would have repainted of a person."""

    TITLE: ClassVar[str] = "Draw try-on mask"
    CATEGORY, FUNCTION = _CATEGORY, "draw"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("MASK",)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("mask",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        types = [kind for recipe in photo_masks.RECIPES for kind in photo_masks.regions(recipe)]
        drawn = {
            "mask_type": (list(dict.fromkeys(["upper", *types])),),
            "annotator_weights": ("STRING", {"default": ""}),
        }
        return {"required": {"system": (SYSTEM,), "person": ("IMAGE",), **drawn}}

    def draw(self, system: LoadedSystem, person: "Tensor", mask_type: str, annotator_weights: str) -> "tuple[Tensor]":
        """Raises UsageError where weights of an annotator lack, or nothing is found."""
        from vton_models.comfyui import tensors

        reads = system.offer.config.reads("tryon")
        drawing = photo_masks.of(reads, annotator_weights, system.device, "another MASK")
        drawing.check()
        masks: dict[str, np.ndarray] = dict(drawing.draw(tensors.picture(person), (mask_type,)).masks)
        return (tensors.mask(masks[mask_type]),)


class VtonPrepare:
    """Photos and words as the system reads them; `person` is the scene and `garment` the object of a placement."""

    TITLE: ClassVar[str] = "Prepare try-on"
    CATEGORY, FUNCTION = _CATEGORY, "prepare"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = (ORDER,)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("order",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        optional = {"person": ("IMAGE",), "mask": ("MASK",), "garment_mask": ("MASK",), "densepose": ("IMAGE",)}
        words = {
            "prompt": ("STRING", {"default": "", "multiline": True}),
            "paste_back": ("BOOLEAN", {"default": False}),
        }
        return {"required": {"system": (SYSTEM,), "garment": ("IMAGE",)}, "optional": {**optional, **words}}

    def prepare(
        self,
        system: LoadedSystem,
        garment: "Tensor",
        person: "Tensor | None" = None,
        mask: "Tensor | None" = None,
        garment_mask: "Tensor | None" = None,
        densepose: "Tensor | None" = None,
        prompt: str = "",
        paste_back: bool = False,
    ) -> tuple[PreparedOrder]:
        """Of batches the first picture is taken."""
        from schemas import codecs
        from vton_models.app.orders import Order
        from vton_models.comfyui import tensors

        pictures = {"person": person, "garment": garment, "densepose": densepose}
        masks = {"mask": mask, "garment_mask": garment_mask}
        data = {name: codecs.encode_png(tensors.picture(one)) for name, one in pictures.items() if one is not None}
        data |= {name: codecs.encode_mask(tensors.levels(one)) for name, one in masks.items() if one is not None}
        files: dict[str, Any] = {name: system.file(f"{name}.png", one) for name, one in data.items()}
        paste_back = paste_back and system.offer.task == "try_on"
        return (PreparedOrder(system, Order(system.offer, **files, prompt=prompt, paste_back=paste_back)),)


class VtonSample:
    """The result, as `sample` makes it; 0 stands for the system's own number of steps, and guidance -1 for its own."""

    TITLE: ClassVar[str] = "Sample try-on"
    CATEGORY, FUNCTION = _CATEGORY, "sample"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("IMAGE",)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("image",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        numbers = {
            "seed": ("INT", {"default": 0, "min": 0, "max": _MOST_SEED}),
            "steps": ("INT", {"default": 0, "min": 0, "max": 1000}),
            "guidance_scale": ("FLOAT", {"default": -1.0, "min": -1.0, "max": 100.0, "step": 0.1}),
            "mark": ("BOOLEAN", {"default": True}),
        }
        return {"required": {"order": (ORDER,), **numbers}}

    def sample(self, order: PreparedOrder, seed: int, steps: int, guidance_scale: float, mark: bool) -> "tuple[Tensor]":
        """Raises UsageError for what the system lacks."""
        from vton_models.comfyui import tensors
        from vton_models.sampling import photos

        guidance = None if guidance_scale < 0 else guidance_scale
        asked = replace(order.order, seed=seed, steps=steps or None, guidance=guidance)
        result = order.loaded.studio.run(asked, mark, lambda done, steps: None)
        return (tensors.image(photos.read(str(result.path), "result")),)


NODES = (VtonLoad, VtonMask, VtonPrepare, VtonSample)
