"""Loads transformers models of images and text from local folders: device, number type, one error for what goes wrong.

Nothing is downloaded (`annotators.common.weights` does that when asked to), no code of a repository is run, and
pickles are read as plain tensors only. Importing this module imports neither torch nor transformers.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotators.common import pickles, weights

DTYPES = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode on its device, with its processor; `dtype` is a torch.dtype."""

    model_id: str
    model: Any
    processor: Any
    device: Any
    dtype: Any

    def inputs(self, encoded: Mapping[str, Any]) -> dict[str, Any]:
        """A processor's tensors on the model's device, floating ones in its number type."""
        return {
            name: value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
            for name, value in encoded.items()
        }

    @contextmanager
    def inference(self) -> Iterator[None]:
        """No gradients; autocast where the model is in half precision, for what has to stay float32 inside it."""
        import torch

        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.dtype != torch.float32:
                stack.enter_context(torch.autocast(self.device.type, self.dtype))
            yield


def load(model_id: str, auto_class: str, *, weights_dir: str = "", device: str = "cpu", dtype: str = "auto") -> Loaded:
    """The model (`auto_class` is a name such as "AutoModel") and its processor, from where its weights lie.

    Raises weights.MissingWeights where they don't, and ValueError, in one line, for a device this machine lacks and
    for a folder that doesn't hold a whole, readable model of that kind.
    """
    import transformers

    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r}; allowed are {', '.join(DTYPES)}")
    where = torch_device(device)
    folder = weights.locate(model_id, weights_dir)
    local = {"local_files_only": True, "trust_remote_code": False}
    with quiet(), readable(model_id, folder):
        config = transformers.AutoConfig.from_pretrained(folder, **local)
        number = torch_dtype(dtype, where, config)
        processor = transformers.AutoProcessor.from_pretrained(folder, **local)
        for part in ("image_processor", "tokenizer"):
            if not hasattr(processor, part):
                raise ValueError(f"no {part.replace('_', ' ')}; allowed are models of images and text")
        # Pillow's resampling, also where torchvision is installed: the same pixels on every machine. Asked of the
        # image processor alone, since a video processor beside it (Qwen2-VL) exists for torchvision only.
        processor.image_processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", **local)
        model, loading_info = getattr(transformers, auto_class).from_pretrained(
            folder, config=config, dtype=number, weights_only=True, output_loading_info=True, **local
        )
        check_complete(loading_info)
        model = model.to(where).eval()
    return Loaded(model_id, model, processor, where, number)


def torch_device(name: str) -> Any:
    """The torch.device called "cpu", "cuda", "cuda:N" or "mps". Raises ValueError for one this machine lacks."""
    import torch

    allowed = ["cpu"]
    if torch.cuda.is_available():
        allowed += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        allowed.append("mps")
    if name not in allowed:
        raise ValueError(f"device {name!r} is not available; torch {torch.__version__} here has {', '.join(allowed)}")
    return torch.device(name)


def torch_dtype(name: str, device: Any, config: Any) -> Any:
    """The torch.dtype to compute in; "auto" is float32, on CUDA half precision.

    Half is float16, or bfloat16 for a model that was published in it (these can overflow float16) where the GPU has
    it.
    """
    import torch

    if name != "auto":
        return getattr(torch, name)
    if device.type != "cuda":
        return torch.float32
    published = getattr(config, "dtype", None)
    return torch.bfloat16 if published == torch.bfloat16 and torch.cuda.is_bf16_supported() else torch.float16


def check_complete(loading_info: Mapping[str, Any]) -> None:
    """Raises ValueError where a loader's report says that the model would keep random numbers somewhere."""
    for what in ("missing_keys", "mismatched_keys", "error_msgs"):
        keys = sorted(str(key) for key in loading_info.get(what) or ())
        if keys:
            raise ValueError(f"{len(keys)} {what.replace('_', ' ')}, such as {keys[0]}")


@contextmanager
def readable(model_id: str, folder: Path) -> Iterator[None]:
    """Turns any failure to load from `folder` into a ValueError of one line that names both."""
    try:
        pickles.check_all(folder)
        yield
    except Exception as error:  # loaders raise anything: pickle's, json's, safetensors', torch's, KeyError, OSError
        reason = " ".join(str(error).split())[:300]
        message = f"{model_id} can't be loaded from {folder}: {type(error).__name__}: {reason}"
        install = "install the library that it names, or choose another model"
        advice = install if isinstance(error, ImportError) else "fetch it again, or give a folder with another model"
        raise ValueError(f"{message}; {advice}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' progress bars and advice, which would repeat for every worker and batch."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
