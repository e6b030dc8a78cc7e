"""python -m annotators: what the annotators need, and how to get it."""

import argparse
import sys
from collections.abc import Sequence

from annotators.common import fetching, registry, weights
from schemas.cli import tables

_EXAMPLES = """examples:
  python -m annotators list
  python -m annotators list --weights /data/weights
  python -m annotators fetch segformer_b2_clothes pose_landmarker
  python -m annotators fetch blip_base --weights /data/weights
  HF_ENDPOINT=https://mirror.example python -m annotators fetch some-org/some-segformer

A name of `fetch` is one of the list's second table, an annotator (all that its defaults need) or any hub id.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 a download failed, 2 wrong usage."""
    flags = _parser().parse_args(arguments)
    return _list(flags.weights) if flags.command == "list" else _fetch(flags.names, flags.weights)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m annotators",
        description="What the annotators need, its licences, and whether it is here; download it ahead.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|fetch")
    shown = commands.add_parser("list", help="annotators, their weights, licences, whether present")
    fetched = commands.add_parser("fetch", help="download weights")
    fetched.add_argument("names", nargs="+", metavar="NAME", help="weights, an annotator, or a hub id org/name")
    for command in (shown, fetched):
        command.add_argument("--weights", default="", metavar="DIR", help="folder of weights; default $VTON_WEIGHTS")
    return parser


def _list(folder: str) -> int:
    annotators = [("annotator", "writes", "weights", "")]
    for name in registry.names():
        made = registry.config(name, weights_dir=folder)
        needed = registry.needs_weights(made)
        columns = ", ".join(field.name for field in registry.written(name, made))
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


def _fetch(names: Sequence[str], folder: str) -> int:
    try:
        wanted = [entry for name in names for entry in _entries(name)]
        for name in wanted:
            weights.find(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    failed = False
    for name in dict.fromkeys(wanted):
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
    if name in weights.TABLE or name not in registry.names():
        return (name,)
    return registry.needs_weights(registry.config(name))


if __name__ == "__main__":
    sys.exit(main())
