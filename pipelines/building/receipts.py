"""Receipts: what each unit did, in files whose names alone tell whether the unit must be built again."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipelines.building.plan import Unit
from schemas import json_shape
from schemas.finished import tables
from schemas.finished.shard_list import is_shard
from schemas.folders import Entry, Folder, InputFolder
from schemas.folders.names import is_temporary, temporary

FOLDER = "_receipts"
TABLE = "receipts.parquet"


@dataclass(frozen=True)
class Name:
    """unit, fingerprint, token digest, size of the shard: everything that resuming needs."""

    stem: str
    fingerprint: str
    tokens: str
    size: int

    def __str__(self) -> str:
        return f"{FOLDER}/{self.stem}.{self.fingerprint}.{self.tokens}.{self.size}.json"


def parse_name(text: str) -> Name | None:
    """None for a file that is no receipt."""
    parts = text.removeprefix(f"{FOLDER}/").rsplit(".", 4)
    if len(parts) != 5 or parts[4] != "json" or not re.fullmatch("[0-9]{1,18}", parts[3]) or is_temporary(text):
        return None
    if not is_shard(f"{parts[0]}.parquet"):
        return None
    return Name(parts[0], parts[1], parts[2], int(parts[3]))


@dataclass(frozen=True)
class UnitReceipt:
    """`inputs`: path → sha256 of every file read; `rejects`: rows of rejects.parquet; `origins`: by column, counts.

    `empty`: by column, records without it; `lacking`: wanted column → why → records.
    `declined`: rule → how often a source turned down what it could have made a record of.
    `seconds` per annotator is the only part that differs between two runs.
    """

    rows: int
    size: int
    sha256: str
    inputs: dict[str, str]
    rejects: list[dict[str, str]]
    origins: dict[str, dict[str, int]]
    seconds: dict[str, float] = field(default_factory=dict)
    declined: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        return json.dumps(self.__dict__, sort_keys=True, ensure_ascii=False).encode()


def from_json(data: bytes) -> UnitReceipt:
    """Raises ValueError for what no unit wrote."""
    receipt = json_shape.record(UnitReceipt, json_shape.parse(data))
    if receipt.rows < 0 or not all(set(tables.REJECTS.names) <= set(row) for row in receipt.rejects):
        raise ValueError("no receipt of a unit")
    return receipt


def names(output: Folder) -> list[Name]:
    """One listing, nothing opened."""
    parsed = (parse_name(name) for name in output.files(FOLDER))
    return [name for name in parsed if name is not None]


def load(output: Folder, name: Name) -> UnitReceipt | None:
    """None for a damaged one: its unit counts as not done."""
    try:
        receipt = from_json(output.read(str(name)))
    except ValueError:
        return None
    return receipt if receipt.size == name.size else None


def left(output: Folder, shard: str, fingerprint: str, tokens: Callable[[], str]) -> UnitReceipt | None:
    """The receipt of a unit whose shard lies there whole; None where it is still to be built.

    Before the engine starts, `reconcile` has removed the receipts of all units that are to be built.
    """
    try:
        size = output.entry(shard).size
        return load(output, Name(shard.rpartition(".")[0], fingerprint, tokens(), size))
    except OSError:
        return None


@dataclass(frozen=True)
class Expected:
    """What a planned unit's receipt must say."""

    unit: Unit
    fingerprint: str
    tokens: str
    paths: Callable[[], Iterable[str]]  # of all its inputs; asked only where they must be hashed


@dataclass(frozen=True)
class Resume:
    """Units still to be built, and those that are done."""

    todo: list[Unit]
    done: list[Unit]


def reconcile(
    output: Folder, root: InputFolder, expected: list[Expected], extension: str, verify: bool, retry_rejects: bool
) -> Resume:
    """Matches the receipts that lie in the output with the plan; renames what moved, removes what is stale.

    A unit is done when a receipt has its fingerprint and its shard has the receipt's size. Where only the tokens
    differ (the input was touched or copied), the inputs are hashed. A unit whose rows are the same keeps its shard
    under its new number.
    """
    shards = output.files()
    by_fingerprint: dict[str, list[Name]] = {}
    for name in names(output):
        by_fingerprint.setdefault(name.fingerprint, []).append(name)
    todo, done, kept, moves = [], [], set(), []
    for want in expected:
        candidates = sorted(by_fingerprint.get(want.fingerprint, ()), key=lambda n: (n.stem != want.unit.stem, str(n)))
        usable = (n for n in candidates if _usable(output, root, n, want, shards, extension, verify, retry_rejects))
        receipt_name = next(usable, None)
        if receipt_name is None:
            todo.append(want.unit)
            continue
        done.append(want.unit)
        kept.add(receipt_name)
        target = Name(want.unit.stem, want.fingerprint, want.tokens, receipt_name.size)
        if target != receipt_name:
            moves.append((receipt_name, target))
    for name in names(output):
        if name not in kept:
            output.remove(str(name))
    _move(output, moves, extension)
    return Resume(todo, done)


def _usable(
    output: Folder,
    root: InputFolder,
    name: Name,
    want: Expected,
    shards: dict[str, Entry],
    extension: str,
    verify: bool,
    retry_rejects: bool,
) -> bool:
    shard = f"{name.stem}.{extension}"
    if shard not in shards or shards[shard].size != name.size:
        return False
    if name.tokens == want.tokens and not verify and not retry_rejects:
        return True
    receipt = load(output, name)
    if receipt is None or (retry_rejects and receipt.rejects):
        return False
    if verify and output.sha256(shard) != receipt.sha256:
        return False
    return name.tokens == want.tokens or _same_inputs(root, receipt, want)


def _same_inputs(root: InputFolder, receipt: UnitReceipt, want: Expected) -> bool:
    """Whether every file that the unit would read has the digest that the receipt noted.

    A rejected record's later files were not read: any of them missing from the receipt counts as changed.
    """
    try:
        return all(receipt.inputs.get(path) == root.sha256(path) for path in want.paths())
    except OSError:
        return False


def _move(output: Folder, moves: list[tuple[Name, Name]], extension: str) -> None:
    """Renames through temporary names, receipts first: a kill in between costs a rebuild, never a wrong match."""
    for old, _ in moves:
        output.rename(str(old), _aside(str(old)))
    shifted = [(old, new) for old, new in moves if old.stem != new.stem]
    for old, _ in shifted:
        output.rename(f"{old.stem}.{extension}", _aside(f"{old.stem}.{extension}"))
    for old, new in shifted:
        output.rename(_aside(f"{old.stem}.{extension}"), f"{new.stem}.{extension}")
    for old, new in moves:
        output.rename(_aside(str(old)), str(new))


def _aside(name: str) -> str:
    folder, _, base = name.rpartition("/")
    return f"{folder}/{temporary(base)}" if folder else temporary(base)


def sweep(output: Folder) -> None:
    """Removes temporary files of killed runs: by the starting process only, before the engine and in finish."""
    for folder in ("", FOLDER):
        output.sweep(folder)
