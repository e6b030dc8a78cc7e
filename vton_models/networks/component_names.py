"""Which files of a network's folder hold its weights: diffusers' and transformers' names, their parts and variants."""

import re
from collections.abc import Iterable

_FILE = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)"
    r"(?P<before>\.\w+)?(?:-\d+-of-\d+)?(?P<after>\.\w+)?\.(?P<ending>safetensors|bin)"
)


def weights(names: Iterable[str]) -> list[str]:
    """The files that loaders read: the plain variant before fp16, of one variant .safetensors before .bin."""
    by_form: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names):
        if match := _FILE.fullmatch(name):
            by_form.setdefault((_variant(match), match["ending"]), []).append(name)
    order = [(variant, ending) for variant in ("", "fp16") for ending in ("safetensors", "bin")]
    return next((by_form[form] for form in order if form in by_form), [])


def variant(name: str) -> str:
    """ "fp16", or "" of the plain one."""
    match = _FILE.fullmatch(name)
    return _variant(match) if match else ""


def _variant(match: re.Match[str]) -> str:
    return (match["before"] or match["after"] or "").removeprefix(".")
