"""Where the networks of a system come from: a folder or a hub id for all, and others for some. No torch here.

Written as "PLACE", "NETWORK=PLACE,…" or "PLACE,NETWORK=PLACE,…"; a place is a folder in diffusers' layout, that of a
single network, or `owner/name[@revision]` on the hub, also written `hf://owner/name`.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.cli.flags import UsageError
from schemas.folders import atomic, copies
from vton_models.networks import component_names, hub
from vton_models.networks.components import Network

_APART = re.compile(r"(?:^|,)([A-Za-z_]\w*)=")
Networks = Mapping[str, Network]


@dataclass(frozen=True)
class Located:
    """A network's folder or file on this machine, and the place that it was asked for as, with a revision."""

    folder: Path
    place: str


@dataclass(frozen=True)
class Bases:
    """`shared` holds every network that isn't named in `apart`."""

    shared: str = ""
    apart: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        named = [f"{name}={place}" for name, place in self.apart.items()]
        return ",".join([self.shared, *named] if self.shared else named)

    def place(self, name: str) -> str:
        """The place of a network."""
        return self.apart.get(name, self.shared)

    def folders(self, name: str, network: Network) -> tuple[str, ...]:
        """Under which names the network may lie in its place; a place of its own may be the network's very folder."""
        return (*network.folders(name), "") if name in self.apart else network.folders(name)


def parse(words: str) -> Bases:
    """Raises UsageError for a network that is named twice, and for one without a place."""
    starts = [] if Path(words).exists() else list(_APART.finditer(words))
    ends = [match.start() for match in starts[1:]] + [len(words)]
    apart: dict[str, str] = {}
    for match, end in zip(starts, ends, strict=True) if starts else ():
        name, place = match[1], words[match.end() : end]
        if name in apart or not place:
            raise UsageError(f"{name} is named {'twice' if place else 'without a place'}")
        apart[name] = place
    shared = words[: starts[0].start()] if starts else words
    return Bases(hub.plain(shared), {name: hub.plain(place) for name, place in apart.items()})


def of_note(note: Mapping[str, Any]) -> Bases:
    """What `Model.base` noted: as it was asked for, hub ids with the revision that they had."""
    asked = parse(note["path"])
    networks = note.get("networks") or {}
    places = {name: one["path"] for name, one in networks.items() if one["path"]}  # derived ones have none
    if asked.apart and places:
        return Bases(apart=places)
    return Bases(next(iter(places.values()), asked.shared), asked.apart)


def check(bases: Bases, networks: Networks) -> None:
    """Raises UsageError for a name that is no network, a network without a base, and a place that isn't there."""
    there = ", ".join(networks)
    for name in bases.apart:
        if networks and name not in networks:
            raise UsageError(f"{name!r} is no network; there are {there}")
    left = [name for name, network in networks.items() if not bases.place(name) and not network.derived]
    if left:
        raise UsageError(f"nothing is named for {', '.join(left)}; the networks are {there}")
    for place in {bases.shared, *bases.apart.values()} - {""}:
        if copies.is_far(place):
            copies.check("the base", place)
        elif not Path(place).exists():
            hub.check(place)


def locate(bases: Bases, networks: Networks) -> dict[str, Located]:
    """The folder of every network, downloaded where it is on the hub and not yet here. Raises UsageError.

    A derived network that its base lacks, and that isn't asked for by name, is left out.
    """
    check(bases, networks)
    placed = {name: network for name, network in networks.items() if bases.place(name)}
    roots = {place: _root(place, bases, placed) for place in dict.fromkeys(map(bases.place, placed))}
    located = {}
    for name, network in placed.items():
        root, place = roots[bases.place(name)]
        if root.is_file():  # one network alone, as its authors published it
            located[name] = Located(root, place)
            continue
        candidates = [root / folder for folder in bases.folders(name, network)]
        there = [one for one in candidates if (one / "config.json").is_file()]
        if there or not _may_lack(bases, name, network):
            located[name] = Located((there or candidates)[0], place)
    return located


def lay(bases: Bases, networks: Networks, target: Path) -> int:
    """Copies all networks, with their tokenizers, into one folder of the system's own layout; the number of files."""
    copies: dict[Path, Path] = {}
    for name, one in locate(bases, networks).items():
        names = [path.name for path in one.folder.iterdir()] if one.folder.is_dir() else []
        if "config.json" not in names:
            raise UsageError(f"{one.folder} holds no config.json: not a network in diffusers' layout")
        own = [
            "config.json",
            *component_names.weights(names),
            *(file for file in names if file.endswith(".index.json")),
        ]
        copies |= {Path(name, file): one.folder / file for file in own}
        tokenizer = tokenizer_folder(one.folder, networks[name])
        if tokenizer is not None and tokenizer.is_dir():
            texts = [path for path in tokenizer.iterdir() if path.suffix in (".json", ".txt", ".model")]
            copies |= {Path(networks[name].tokenizer, path.name): path for path in texts}
    with atomic.new_folder(target) as folder:
        for there, path in copies.items():
            (folder / there).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / there)
    return len(copies)


def tokenizer_folder(folder: Path, network: Network) -> Path | None:
    """Where the tokenizer of a network that lies in `folder` is: beside it, or with it in a repository of its own."""
    if not network.tokenizer:
        return None
    beside = folder.parent / network.tokenizer
    return folder if not beside.is_dir() and (folder / "vocab.json").is_file() else beside


def _root(place: str, bases: Bases, networks: Networks) -> tuple[Path, str]:
    """The folder of a place, and its name with the revision. What lies on a store is copied to this machine."""
    if copies.is_far(place):
        return copies.local(place), place
    if Path(place).exists():
        return Path(place), place
    return hub.snapshot(place, list(_needed(place, bases, networks)))


def _needed(place: str, bases: Bases, networks: Networks) -> Iterator[hub.Needed]:
    for name, network in networks.items():
        if bases.place(name) == place:
            yield hub.Needed(bases.folders(name, network), network.tokenizer, _may_lack(bases, name, network))


def _may_lack(bases: Bases, name: str, network: Network) -> bool:
    return network.derived and name not in bases.apart


def difference(trained: Mapping[str, Any], present: Mapping[str, Any]) -> str:
    """What a model was trained from where that isn't the present base, by the digests of both notes; else ""."""
    then, now = trained.get("digest"), present.get("digest")
    if not then or not now or then == now:
        return ""
    before, after = (
        {name: one["digest"] for name, one in (note.get("networks") or {}).items()} for note in (trained, present)
    )
    names = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    which = f": another {' and '.join(names)}" if names else ""
    return f"base {then} ({trained.get('path')}); this base is {now} ({present.get('path')}){which}"
