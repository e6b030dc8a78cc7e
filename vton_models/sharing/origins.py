"""What a run is made of, each with its licence: data, base, published weights, and the run that it began with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.cli.flags import UsageError
from schemas.hub import licences
from schemas.hub.licences import Licence
from vton_models.networks import bases
from vton_models.system import About
from vton_models.training.run_folder import Run

RANDOM = "random"


@dataclass(frozen=True)
class Origin:
    """A part of the lineage in words, and what it is under."""

    name: str
    licence: Licence


def of_run(run: Run, description: Mapping[str, Any], about: About) -> list[Origin]:
    """In the order of the card, each once. Random networks are bound by nothing."""
    return list(dict.fromkeys(_origins(run, description, about)))


def _origins(run: Run, description: Mapping[str, Any], about: About) -> Iterator[Origin]:
    for item in description.get("data") or ():
        yield Origin(f"data {item.get('dataset') or 'without a name'}", licences.stated(item.get("licence") or ""))
    if not run.base.is_dir():
        yield from (Origin(f"base {place}", licences.of_base(place)) for place in places(description))
    start = description.get("start") or {}
    if start.get("official"):
        yield from (Origin("published weights", licence) for licence in _of_system(about))
    if start.get("run"):
        yield from _of_another(Run(start["run"]), about)


def places(description: Mapping[str, Any]) -> Iterator[str]:
    """Where the networks of the base came from, each once, without revisions."""
    noted = bases.of_note(description["base"])
    named = (place.partition("@")[0] for place in (noted.shared, *noted.apart.values()))
    yield from dict.fromkeys(place for place in named if place and place != RANDOM)


def _of_system(about: About) -> Iterator[Licence]:
    """ "MIT; base: Apache-2.0" names two."""
    for part in about.licence.split("; "):
        yield licences.stated(part.rpartition(": ")[2])


def _of_another(run: Run, about: About) -> Iterator[Origin]:
    try:
        description = run.described()
    except UsageError:
        description = None
    if description is None:
        yield Origin("a run that is gone", Licence(""))
    else:
        yield from _origins(run, description, about)
