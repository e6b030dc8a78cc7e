"""What the annotators need, its licences, and whether it is here; download it ahead."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from annotators.common import fetching, registry, weights
from annotators.tracking import choosing
from schemas import json_text
from schemas.cli import tables
from schemas.cli.flags import UsageError, flag, parse, positional, run
from schemas.cli.subcommands import chosen, overview
from schemas.folders import places

PROG = "python -m annotators"
EXAMPLES = """\
  python -m annotators list
  python -m annotators list --weights /data/weights
  python -m annotators fetch segformer_b2_clothes pose_landmarker
  python -m annotators fetch blip_base --weights /data/weights
  python -m annotators digest parsing pose --weights /data/weights > digests.json
  HF_ENDPOINT=https://mirror.example python -m annotators fetch some-org/some-segformer

A name of `fetch` and `digest` is one of the second table of `list`, an annotator (all that its defaults need),
`tracking` (SAM 2 for object pairs from video) or any hub id. A build for a cluster, on a machine without the weights,
reads digests.json in --weights DIR or $VTON_WEIGHTS."""
COMMANDS = {
    "list": "Annotators, their weights, licences, whether they are here.",
    "fetch": "Downloads weights.",
    "digest": "Prints what the weights here are, for a machine without them that plans a build.",
}


@dataclass(frozen=True)
class ListFlags:
    """Flags of `list`."""

    weights: str = flag("", help="folder of weights; default $VTON_WEIGHTS", metavar="DIR")


@dataclass(frozen=True)
class NamesFlags(ListFlags):
    """Flags of `fetch` and `digest`."""

    names: tuple[str, ...] = positional(help="weights, an annotator, or a hub id org/name", metavar="NAME")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 a download failed. Raises UsageError."""
    if not arguments:
        raise UsageError(f"a command is missing; there are {', '.join(COMMANDS)}")
    command = chosen(arguments, tuple(COMMANDS))
    if command is None:
        print(overview(f"{PROG} COMMAND --help", __doc__ or "", COMMANDS, EXAMPLES))
        return 0
    prog, description = f"{PROG} {command}", COMMANDS[command]
    if command == "list":
        return _list(parse(arguments[1:], ListFlags, prog=prog, description=description, examples=EXAMPLES).weights)
    flags = parse(arguments[1:], NamesFlags, prog=prog, description=description, examples=EXAMPLES)
    return _digest(flags.names, flags.weights) if command == "digest" else _fetch(flags.names, flags.weights)


def _list(folder: str) -> int:
    if folder:
        places.readable("--weights", folder)
    annotators = [("annotator", "writes", "weights", "")]
    for name in registry.names():
        config = registry.config(name, weights_dir=folder)
        needed = registry.needs_weights(config)
        columns = ", ".join(field.name for field in registry.written(name, config))
        annotators.append((name, columns, ", ".join(needed) or "-", _state(needed, folder)))
    print(tables.aligned(annotators))
    print()
    rows = [("weights", "for", "from", "MB", "licence", "")]
    for name, entry in weights.TABLE.items():
        size = f"about {entry.megabytes}" if entry.megabytes else "-"
        rows.append((name, entry.purpose, str(entry.sources[0]), size, entry.licence, _state((name,), folder)))
    print(tables.aligned(rows))
    return 0


def _state(names: Sequence[str], folder: str) -> str:
    return "present" if all(weights.available(name, folder) for name in names) else "missing"


def _digest(names: Sequence[str], folder: str) -> int:
    """Raises UsageError for weights that aren't here, or are damaged."""
    if folder:
        places.readable("--weights", folder)
    try:
        digests = {weights.find(name).name: weights.digest(weights.locate(name, folder)) for name in _named(names)}
    except weights.MissingWeights as error:
        raise UsageError(str(error)) from None
    print(json_text.pretty(digests, indent=2))
    return 0


def _named(names: Sequence[str]) -> list[str]:
    """Each of the weights once. Raises UsageError for a name that means none."""
    entries = list(dict.fromkeys(entry for name in names for entry in _entries(name)))
    try:
        for name in entries:
            weights.find(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return entries


def _fetch(names: Sequence[str], folder: str) -> int:
    """Downloads each once. Raises UsageError for a name that means no weights, before any download."""
    if folder:
        places.writable("--weights", folder)
    entries = _named(names)
    failed = False
    for name in entries:
        try:
            print(fetching.fetch(name, folder))
        except weights.FetchError as error:
            print(error, file=sys.stderr)
            failed = True
        except ImportError as error:
            print(f"{error}; `pip install 'vton-pipelines[annotators]'` brings what it needs", file=sys.stderr)
            return 1
    return 1 if failed else 0


def _entries(name: str) -> tuple[str, ...]:
    """The weights that a name of the command line means."""
    if name == "tracking":
        return (choosing.WEIGHTS,)
    if name in weights.TABLE or name not in registry.names():
        return (name,)
    return registry.needs_weights(registry.config(name))


if __name__ == "__main__":
    run(main, PROG)
