"""Command lines from frozen dataclasses: a field is a flag, its metadata the help; errors are one line, exit code 2."""

import argparse
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, NoReturn


class UsageError(ValueError):
    """Wrong usage: one line that names the offending value and what is allowed; exit code 2."""


def flag(
    default: Any = MISSING,
    *,
    help: str,
    choices: Sequence[str] = (),
    metavar: str | None = None,
    repeated: bool = False,
) -> Any:
    """A dataclass field that becomes `--name`; without a default the flag is required.

    A `repeated` flag may be given several times, one word each; its field is a tuple of str.
    """
    metadata = {"help": help, "choices": tuple(choices), "metavar": metavar, "repeated": repeated}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def positional(*, help: str, metavar: str) -> Any:
    """A dataclass field, a str, that is given without a name."""
    return field(kw_only=True, metadata={"help": help, "metavar": metavar, "positional": True})


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors, no abbreviations, and examples kept as written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser(prog: str, description: str, examples: str, *configs: Any) -> Parser:
    """A parser with a flag for each field of the config classes; `add_flags` adds more."""
    made = Parser(prog=prog, description=description, epilog=f"examples:\n{examples}")
    for config in configs:
        add_flags(made, config)
    return made


def add_flags(
    target: argparse.ArgumentParser, config: Any, prefix: str = "", only: Callable[[Field[Any]], bool] = bool
) -> None:
    """Adds a flag per dataclass field for which `only` holds; types are str, int, float, bool, comma lists of str."""
    group = target.add_argument_group(prefix.rstrip("_")) if prefix else target
    hints = typing.get_type_hints(config)
    for item in fields(config):
        if not only(item):
            continue
        if item.metadata.get("positional"):
            group.add_argument(item.name, metavar=item.metadata["metavar"], help=item.metadata["help"])
            continue
        options: dict[str, Any] = {"help": _help(item), "dest": f"{prefix}{item.name}"}
        options["default"] = item.default
        if item.default is MISSING:
            options |= {"required": True, "default": None}
        name = "--" + f"{prefix}{item.name}".replace("_", "-")
        group.add_argument(name, **options, **_value(item, hints[item.name]))


def run(main: Callable[[Sequence[str]], int], prog: str) -> NoReturn:
    """Runs a command's main on sys.argv; wrong usage ends as one line on stderr and exit code 2."""
    try:
        code = main(sys.argv[1:])
    except UsageError as error:
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        code = 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; run it again to go on", file=sys.stderr)
        code = 130
    sys.exit(code)


def one_line(error: object) -> str:
    return " ".join(str(error).split())


def comma_list(text: str) -> tuple[str, ...]:
    """ "a,b" → ("a", "b"); blanks dropped."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


class _Append(argparse.Action):
    """Collects the values of a repeated flag in a tuple."""

    def __call__(self, parser: object, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest), values))


def _help(item: Field[Any]) -> str:
    text = str(item.metadata.get("help", "")).replace("%", "%%")
    shown = item.default not in (MISSING, None, "", (), False)
    default = ",".join(item.default) if isinstance(item.default, tuple) else item.default
    return f"{text} (default {default})" if shown else text


def _value(item: Field[Any], hint: Any) -> dict[str, Any]:
    if isinstance(hint, types.UnionType):
        hint = next(member for member in typing.get_args(hint) if member is not type(None))
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction} if item.default is True else {"action": "store_true"}
    options: dict[str, Any] = {"metavar": item.metadata.get("metavar") or item.name.upper()}
    choices = item.metadata.get("choices") or None
    if item.metadata.get("repeated"):
        return options | {"action": _Append}
    if typing.get_origin(hint) is tuple:
        return options | {"type": comma_list}
    # A choice field of an annotator may hold a comma list: its Config checks that itself.
    if choices:
        options["metavar"] = "|".join(choices)
    return options | {"type": hint} | ({"choices": choices} if choices and not item.metadata.get("many") else {})
