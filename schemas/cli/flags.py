"""Command lines from frozen dataclasses: a field is a flag, its metadata the help; errors are one line, exit code 2.

    flags.parse(arguments, Flags, prog=…, description=…, examples=…)  → Flags

A command with several dataclasses gives each a `Section`, and asks what was parsed for each of them:

    parsed = flags.parse_sections(arguments, [own, model], prog=…, description=…, examples=…)
    parsed.of(own)       → the dataclass of this section
    parsed.named(model)  → only the fields that the command line names, for a Config that a preset fills too

A default stands in its dataclass and nowhere else: the parser itself knows of none.
"""

import argparse
import contextlib
import io
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

from schemas.cli import credentials, failures
from schemas.cli.suggestions import suggestion


class UsageError(ValueError):
    """Wrong usage: one line that names the offending value and what is allowed; exit code 2."""


class UnknownFlag(UsageError):
    """Wrong usage: a flag that nobody knows."""

    def __init__(self, flag: str, message: str) -> None:
        super().__init__(message)
        self.flag = flag

    def near(self, known: Sequence[str]) -> UsageError:
        """The same with the nearest flag that is known, if one is near."""
        return UsageError(f"{self}{suggestion(self.flag.partition('=')[0], known)}")


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Config = TypeVar("Config", bound=Dataclass)


def flag(
    default: Any = MISSING,
    *,
    help: str,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    metavar: str | None = None,
    repeated: bool = False,
    words: bool = False,
    name: str = "",
    checked: bool = True,
) -> Any:
    """A dataclass field that becomes `--name`; without a default the flag is required.

    A `repeated` flag may be given several times, one word each, a flag of `words` takes several words each time; the
    fields of both are tuples of str. `choices` may be a function, which is asked when a command line is parsed; unless
    `checked` they are only shown. `name` is the flag's where it can't be a field's (`from`).
    """
    metadata = {"help": help, "choices": choices, "metavar": metavar, "repeated": repeated, "words": words}
    metadata |= {"name": name, "many": not checked}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def positional(*, help: str, metavar: str) -> Any:
    """A dataclass field that is given without a name: a str, or one and more words where it is a tuple of str."""
    return field(kw_only=True, metadata={"help": help, "metavar": metavar, "positional": True})


@dataclass(frozen=True)
class Section(Generic[Config]):
    """A dataclass whose fields are flags of a command, those for which `only` holds.

    `prefix` goes before every name. `title` heads the section in the help. Words of a name are joined by `joint`.
    """

    config: type[Config]
    prefix: str = ""
    title: str = ""
    only: Callable[[Field[Any]], bool] = bool
    joint: str = "-"

    @property
    def fields(self) -> list[Field[Any]]:
        return [item for item in fields(self.config) if self.only(item)]

    def flag_of(self, item: Field[Any]) -> str:
        """How a field's flag is written, such as `--max-reject-rate`."""
        return "--" + (item.metadata.get("name") or f"{self.prefix}{item.name}".replace("_", self.joint))

    def place_of(self, item: Field[Any]) -> str:
        """The field's name among all that is parsed."""
        return f"{self.prefix}{item.name}"


@dataclass(frozen=True)
class Parsed:
    """What a command line says: its flags by place, and the words that no section knows."""

    values: Mapping[str, Any]
    rest: tuple[str, ...] = ()
    known: tuple[str, ...] = ()  # flags of all sections

    def named(self, section: Section[Any]) -> dict[str, Any]:
        """The fields of a section that the command line names."""
        places = {item.name: section.place_of(item) for item in section.fields}
        values = {name: self.values[place] for name, place in places.items() if place in self.values}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    def of(self, section: Section[Config]) -> Config:
        """The section's dataclass. Raises UsageError for a value that it refuses."""
        try:
            return section.config(**self.named(section))
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(one_line(error)) from None


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors, no abbreviations, and examples kept as written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse has it, with the nearest choice."""
        if action.choices is not None and value not in action.choices:
            choices = ", ".join(map(repr, action.choices))
            near = suggestion(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {choices}){near}")


def parse(arguments: Sequence[str], config: type[Config], *, prog: str, description: str, examples: str) -> Config:
    """The dataclass that a command line says. Raises UsageError; `--help` prints and ends the process."""
    section = Section(config)
    return parse_sections(arguments, [section], prog=prog, description=description, examples=examples).of(section)


def parse_sections(
    arguments: Sequence[str],
    sections: Sequence[Section[Any]],
    *,
    prog: str,
    description: str,
    examples: str,
    rest: bool = False,
) -> Parsed:
    """What the command line says of all sections; with `rest` flags that none of them knows are kept, else refused.

    Raises UsageError; `--help` prints and ends the process.
    """
    reader = Parser(prog=prog, description=description, epilog=f"examples:\n{examples}")
    for section in sections:
        _add(reader, section)
    for word in arguments:
        _check_text(word)
    values, unknown = reader.parse_known_args(list(arguments))
    known = tuple(reader._option_string_actions)
    if not rest:
        if unknown:
            raise UnknownFlag(unknown[0], f"unrecognized arguments: {' '.join(unknown)}").near(known)
        return Parsed(vars(values), (), known)
    stray = next((word for word in unknown if not word.startswith("-")), None)
    if stray is not None and not unknown[max(unknown.index(stray) - 1, 0)].startswith("--"):
        raise UsageError(f"unexpected word {stray!r}; allowed are flags only, see --help")
    return Parsed(vars(values), tuple(unknown), known)


def run(main: Callable[[Sequence[str]], int], prog: str) -> NoReturn:
    """Runs a command's main on sys.argv and ends the process with its exit code.

    Wrong usage is one line on stderr and exit code 2, what the world causes (`schemas.cli.failures`) one line and
    exit code 1. A reader that leaves early ends the command quietly with 1. Our own mistakes escape as tracebacks.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever is told, a terminal of another encoding doesn't stop it
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _flushed(main)
    except BrokenPipeError:
        code = 1
    except KeyboardInterrupt:
        code = _ended(prog, "interrupted; run it again to go on", 130)
    except Exception as error:
        line = one_line(error) if isinstance(error, UsageError) else failures.told(error)
        if line is None:
            raise
        code = _ended(prog, one_line(line), 2 if isinstance(error, UsageError) else 1)
    sys.exit(code)


def _flushed(main: Callable[[Sequence[str]], int]) -> int:
    """The exit code, once all is written; else a full disk or a closed pipe would show only while Python ends."""
    try:
        return main(sys.argv[1:])
    finally:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def _ended(prog: str, line: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"{prog}: {line}", file=sys.stderr)
    return code


def one_line(error: object) -> str:
    return " ".join(str(error).split())


def comma_list(text: str) -> tuple[str, ...]:
    """ "a,b" → ("a", "b"); blanks dropped."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _check_text(word: str) -> None:
    """Raises UsageError for what neither a path nor a table can hold, and for what nobody else should read."""
    if "\0" in word:
        raise UsageError(f"{word!r} holds a NUL character, which no path or name can")
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{word!r} isn't valid UTF-8") from None
    if credentials.in_url(word):
        raise UsageError(credentials.refusal(word))


def _add(parser: argparse.ArgumentParser, section: Section[Any]) -> None:
    """Types of fields are str, int, float, bool and comma lists of str, or None beside one of them."""
    title = section.title or section.prefix.rstrip("_")
    group = parser.add_argument_group(title) if title else parser
    hints = typing.get_type_hints(section.config)
    for item in section.fields:
        how = {"help": _help(item), "default": argparse.SUPPRESS, **_value(item, hints[item.name])}
        if item.metadata.get("positional"):
            group.add_argument(section.place_of(item), **how)
        else:
            how |= {"dest": section.place_of(item)} | ({"required": True} if _required(item) else {})
            group.add_argument(section.flag_of(item), **how)


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _help(item: Field[Any]) -> str:
    text = str(item.metadata.get("help", "")).replace("%", "%%")
    shown = item.default not in (MISSING, None, "", (), False)
    default = ",".join(item.default) if isinstance(item.default, tuple) else item.default
    return f"{text} (default {default})" if shown else text


def _value(item: Field[Any], hint: Any) -> dict[str, Any]:
    """How argparse reads a field's value."""
    if isinstance(hint, types.UnionType):
        hint = next(member for member in typing.get_args(hint) if member is not type(None))
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction} if item.default is True else {"action": "store_true"}
    how: dict[str, Any] = {"metavar": item.metadata.get("metavar") or item.name.upper()}
    several = typing.get_origin(hint) is tuple
    if item.metadata.get("positional"):
        return how | ({"nargs": "+"} if several else {})
    if item.metadata.get("repeated"):
        return how | {"action": "append"}
    if item.metadata.get("words"):
        return how | {"action": "extend", "nargs": "+"}
    if several:
        return how | {"type": comma_list}
    choices = item.metadata.get("choices") or ()
    choices = tuple(choices() if callable(choices) else choices)
    if choices:
        how["metavar"] = "|".join(choices)
    # A choice field of an annotator may hold a comma list: its Config checks that itself.
    return how | {"type": hint} | ({"choices": choices} if choices and not item.metadata.get("many") else {})
