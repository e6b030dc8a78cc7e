"""What the page offers to sample with: systems with weights, as the command line of `app` names them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import vton_models
from schemas.cli.flags import UsageError
from schemas.cli.suggestions import suggestion
from vton_models.command_line import model_flags, weights_flags
from vton_models.sampling import requests
from vton_models.system import Config, System
from vton_models.training.run_folder import Run

RANDOM = "random"
ALLOWED = "the folder of a run, SYSTEM=random, or SYSTEM=base:PATH, with +PATH after it for published weights"


@dataclass(frozen=True)
class Offer:
    """A system with weights; `arguments` name both to `sample`, and `config` is what they would sample with.

    Programs choose it by `key`, people by `label`.
    """

    key: str
    label: str
    name: str
    system: System
    arguments: tuple[str, ...]
    config: Config

    @property
    def task(self) -> str:
        """The kind of task that it answers first."""
        return self.config.tasks[0]

    def reads(self, column: str) -> bool:
        """Whether the system can't do without a column of a try-on record."""
        return column in self.config.reads("tryon").needed


def of(system: str, words: Sequence[str], tiny: bool, further: Sequence[str]) -> tuple[Offer, ...]:
    """An offer for each of `--weights`; with `tiny` and none, each system on small random networks.

    `further` are arguments of `sample` that all share. Raises UsageError for weights that aren't there.
    """
    names = (system,) if system else vton_models.names()
    if system and system not in vton_models.names():
        near = suggestion(system, vton_models.names())
        raise UsageError(f"unknown model {system!r}; there are {', '.join(vton_models.names())}{near}")
    if tiny and words:
        raise UsageError("--tiny beside --weights; it stands for small random networks of each system")
    if not tiny and not words:
        raise UsageError(f"--weights is missing; allowed are {ALLOWED}, or --tiny to try the page")
    if tiny:
        offers = [_offer(name, RANDOM, ("--tiny", *further)) for name in names]
    else:
        offers = [_offer(*_named(word, system), further) for word in dict.fromkeys(words)]
    offers.sort(key=lambda offer: (offer.name != system, offer.task != "try_on"))  # the one that was asked for first
    return tuple(_with_keys(offers))


def _with_keys(offers: Sequence[Offer]) -> Iterator[Offer]:
    """A system's name is the key of its first weights; further ones are numbered."""
    counts: Counter[str] = Counter()
    for offer in offers:
        counts[offer.name] += 1
        number = counts[offer.name]
        yield replace(offer, key=offer.name if number == 1 else f"{offer.name}-{number}")


def _named(word: str, system: str) -> tuple[str, str]:
    """(system, weights) of a word of `--weights`."""
    name, told, place = word.partition("=")
    if told and name in vton_models.names():
        return name, place
    if word.startswith("base:") or word == RANDOM:
        if system:
            return system, word
        raise UsageError(f"--weights {word} says nothing of its system; allowed is SYSTEM={word}")
    name = str((Run(word).described() or {}).get("model", ""))
    if name not in vton_models.names():
        raise UsageError(f"--weights {word} is no training run; allowed are {ALLOWED}")
    return name, word


def _offer(name: str, place: str, further: Sequence[str]) -> Offer:
    weights, _, official = place.partition("+") if place.startswith("base:") else (place, "", "")
    arguments = (f"--weights={weights}", *([f"--official={official}"] if official else []), *further)
    line = model_flags.parse(
        [name, *arguments], requests.Flags, prog="app", description="", examples="", sections=requests.sections
    )
    chosen = weights_flags.check(name, line.module, line.flags, line.options)
    shown = "small random networks" if "--tiny" in further else place
    return Offer(name, f"{name}: {shown}", name, line.module, arguments, chosen.config)
