"""Lists the commands: `python -m pipelines`."""

import ast
import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pipelines
from schemas.cli import flags

EXAMPLES = "  python -m pipelines\n  python -m pipelines.build_vitonhd --help"


def commands() -> dict[str, str]:
    """Command module → first line of its docstring, read without importing it."""
    found = {}
    for item in pkgutil.iter_modules(pipelines.__path__):
        spec = None if item.ispkg else importlib.util.find_spec(f"pipelines.{item.name}")
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        if item.name != "__main__" and '__name__ == "__main__"' in source:
            found[item.name] = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    return found


def main(arguments: Sequence[str]) -> int:
    parser = flags.parser("python -m pipelines", __doc__, EXAMPLES)
    parser.parse_args(arguments)
    listed = commands()
    width = max(map(len, listed))
    print("python -m pipelines.COMMAND --help\n")
    for name, summary in listed.items():
        print(f"  {name:<{width}}  {summary}")
    return 0


if __name__ == "__main__":
    sys.exit(flags.run(main, "python -m pipelines"))
