"""The networks of a system as one mapping: how each is built, and where it lies in a base. No torch here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Network:
    """One network of a Config; its name is its folder in a base of the system's own layout.

    `class_name` is that of a class of diffusers, transformers or plain torch, with its module in front. `arguments`
    build it with random weights; a base brings its own. `trained` are parts of ".NAME." of the parameters that are
    trained, (".",) being all; a * in them stands for anything.
    """

    class_name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    trained: tuple[str, ...] = ()
    published: str = ""  # its folder in published bases, where that has another name ("unet" for a garment U-Net)
    tokenizer: str = ""  # the folder of the tokenizer that lies beside it
    may_be_half: bool = True  # False: it overflows or loses too much in 16 bits
    in_bases: tuple[str, ...] = ()  # and in bases that weren't made for the system, where both lack
    derived: bool = False  # published bases don't have it: where one lacks it, `Model.derive` gives its first values

    @property
    def network_class(self) -> Any:
        """The class, imported now."""
        module, _, name = self.class_name.rpartition(".")
        return getattr(import_module(module), name)

    def trains(self, parameter: str) -> bool:
        """Whether a parameter of this name, without the network's, is trained."""
        return any(fnmatchcase(f".{parameter}.", f"*{part}*") for part in self.trained)

    def folders(self, name: str) -> tuple[str, ...]:
        """Under which names it may lie in a base, the system's own layout first."""
        return tuple(dict.fromkeys(filter(None, (name, self.published, *self.in_bases))))


def derived(class_name: str, arguments: Mapping[str, Any]) -> Network:
    """A network of ours, trained whole, that no published base has; `class_name` lies below `vton_models.networks`."""
    return Network(f"vton_models.networks.{class_name}", arguments, (".",), derived=True)


def trained(networks: Mapping[str, Network], parameters: Iterable[str]) -> list[str]:
    """Of the names "NETWORK.NAME" those that the mapping says are trained."""
    split = ((name, *name.split(".", 1)) for name in parameters)
    return [name for name, network, parameter in split if networks[network].trains(parameter)]
