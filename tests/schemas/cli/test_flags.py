"""Dataclasses as command lines: what is said comes back as the dataclass, what is wrong as one line."""

from dataclasses import dataclass
from typing import Any

import pytest

from schemas.cli import flags
from schemas.cli.flags import Section, UsageError, flag, positional


@dataclass(frozen=True)
class Flags:
    shards: tuple[str, ...] = positional(help="folders", metavar="SHARDS")
    output: str = flag(help="a folder", metavar="DIR")
    count: int | None = flag(None, help="how many")
    share: float = flag(0.5, help="of 100 %")
    skip: tuple[str, ...] = flag((), help="names", metavar="A,B")
    init: tuple[str, ...] = flag((), help="may be repeated", repeated=True)
    roots: tuple[str, ...] = flag((), help="several words", words=True)
    source: str = flag("here", help="a place", name="from")
    kind: str = flag("a", help="which", choices=lambda: ["a", "b"])
    loud: bool = flag(False, help="shout")
    safe: bool = flag(True, help="check")


@dataclass(frozen=True)
class Engine:
    num_workers: int = flag(0, help="workers; 0: all")

    def __post_init__(self) -> None:
        if self.num_workers < 0:
            raise ValueError(f"--direct_num_workers {self.num_workers}; allowed is 0 or more")


TEXT = {"prog": "program", "description": "Does things.", "examples": "  program x"}
ENGINE = Section(Engine, prefix="direct_", title="DirectRunner", joint="_")


def parse(*words: str) -> Flags:
    return flags.parse(words, Flags, **TEXT)


def both(*words: str) -> flags.Parsed:
    return flags.parse_sections(words, [Section(Flags), ENGINE], rest=True, **TEXT)


def test_defaults_are_the_dataclass_s() -> None:
    assert parse("a", "--output", "o") == Flags(shards=("a",), output="o")


def test_every_kind_of_field() -> None:
    words = "a b --output o --count 3 --share 1 --skip x,,y --init p --init q --roots r s --roots t --from there"
    parsed = parse(*words.split(), "--kind", "b", "--loud", "--no-safe")
    assert parsed == Flags(
        shards=("a", "b"),
        output="o",
        count=3,
        share=1.0,
        skip=("x", "y"),
        init=("p", "q"),
        roots=("r", "s", "t"),
        source="there",
        kind="b",
        loud=True,
        safe=False,
    )


def test_only_what_is_said_is_named() -> None:
    """Also where it is said to be what it is anyway."""
    parsed = both("a", "--output", "o", "--share", "0.5", "--direct_num_workers", "4")
    assert parsed.named(Section(Flags)) == {"shards": ("a",), "output": "o", "share": 0.5}
    assert (parsed.of(ENGINE), parsed.rest) == (Engine(4), ())
    assert parsed.named(Section(Flags, only=lambda item: item.name == "share")) == {"share": 0.5}


def test_what_nobody_knows_is_left_over() -> None:
    parsed = both("a", "--output", "o", "--beam_flag", "3", "--other=4")
    assert (parsed.rest, parsed.of(ENGINE)) == (("--beam_flag", "3", "--other=4"), Engine())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("a",), "--output"),
        (("--output", "o"), "SHARDS"),
        (("a", "--output", "o", "--count", "x"), "--count: invalid int value: 'x'"),
        (("a", "--output", "o", "--kind", "c"), "'c' (choose from"),
        (("a", "--output", "o", "--coun", "1"), "--coun"),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_a_value_that_the_dataclass_refuses_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="allowed is 0 or more"):
        both("a", "--output", "o", "--direct_num_workers=-1").of(ENGINE)


def test_a_stray_word_is_no_option_of_an_engine() -> None:
    with pytest.raises(UsageError, match="unexpected word 'b'"):
        flags.parse_sections(["b"], [ENGINE], rest=True, **TEXT)


def test_help_shows_what_is_allowed_and_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        both("--help")
    shown: Any = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    for words in ("Does things.", "--from SOURCE", "--kind a|b", "(default 0.5)", "DirectRunner:", "of 100 %"):
        assert words in shown, words


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("a", "--output", "o", "--conut", "1"), "did you mean '--count'?"),
        (("a", "--output", "o", "--share_=1"), "did you mean '--share'?"),
        (("a", "--output", "o", "--no-saf"), "did you mean '--no-safe'?"),
        (("a", "--output", "o", "--hats", "1"), None),
    ],
)
def test_the_nearest_flag_is_suggested(words: tuple[str, ...], near: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    assert str(caught.value).partition("; ")[2] == (near or "")


def test_the_nearest_choice_is_suggested() -> None:
    @dataclass(frozen=True)
    class Choice:
        format: str = flag("parquet", help="of files", choices=("parquet", "arrow"))

    with pytest.raises(UsageError, match="did you mean 'parquet'"):
        flags.parse(["--format", "Parqet"], Choice, **TEXT)
