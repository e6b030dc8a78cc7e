"""Fields of an annotator's Config: what each means, what it may be, and whether it changes the result."""

from dataclasses import field, fields
from typing import Any

from schemas.cli.suggestions import suggestion


def option(default: Any, help: str, choices: tuple[str, ...] = (), many: bool = False) -> Any:
    """A field that changes what is computed: part of the build's fingerprint, and a flag of the builders.

    With `many` the value may be a comma list of choices.
    """
    return field(default=default, metadata={"help": help, "choices": choices, "many": many})


def runtime(default: Any, help: str) -> Any:
    """A field that changes only where or how fast it is computed (device, batch size, folder of weights)."""
    return field(default=default, metadata={"help": help, "runtime": True})


def check(config: Any) -> None:
    """Raises ValueError naming the first field whose value isn't among its choices."""
    for item in fields(config):
        choices, value = item.metadata.get("choices", ()), str(getattr(config, item.name))
        words = value.split(",") if item.metadata.get("many") else [value]
        for word in words if choices else ():
            if word not in choices:
                near = suggestion(word, choices)
                raise ValueError(f"{item.name} {word!r}; allowed are {', '.join(choices)}{near}")


def settings(config: Any) -> dict[str, Any]:
    """The fields that change the result, by name."""
    return {item.name: getattr(config, item.name) for item in fields(config) if not item.metadata.get("runtime")}
