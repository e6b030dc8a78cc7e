"""README.md of a model on the hub: the run's own card under a header, and what binds who takes it."""

import json
from collections.abc import Iterator, Sequence

from schemas.finished.card import words
from schemas.hub.licences import BASES, Licence
from vton_models.sharing.origins import Origin

_SEVERAL = Licence("see the licences below")


def render(own: str, name: str, address: str, origins: Sequence[Origin], bases: Sequence[str]) -> str:
    """`own` is the card that the run wrote; `bases` are the places of its base."""
    return "\n".join([*_header(name, origins, bases), own.strip(), "", *_sections(name, address, origins)]) + "\n"


def _header(name: str, origins: Sequence[Origin], bases: Sequence[str]) -> Iterator[str]:
    different = {origin.licence.id: origin.licence for origin in origins}
    licence = next(iter(different.values())) if len(different) == 1 else _SEVERAL
    yield "---"
    yield from licence.header()
    yield from ("pipeline_tag: image-to-image", "tags:", "- virtual-try-on", f"- {json.dumps(name)}")
    known = [place for place in bases if place in BASES]
    if known:
        yield "base_model:"
        yield from (f"- {place}" for place in known)
    yield "---"


def _sections(name: str, address: str, origins: Sequence[Origin]) -> Iterator[str]:
    yield from ("## Use", "", "```", f"python -m vton_models sample {name} --weights {address} …", "```", "")
    yield from ("## What binds this model", "")
    if not origins:
        yield "Nothing is known that it is made of."
    for origin in origins:
        yield f"- {words(origin.name)}: {words(origin.licence)}"
