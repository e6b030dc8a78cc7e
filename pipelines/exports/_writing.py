"""How an export's files come to be: whole, once, the same whatever the number of threads."""

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipelines.exports import Claim, File
from schemas.folders import Folder

BESIDE = ".report.json"  # beside a tar file that lacks records or members: which, and why


@dataclass
class Written:
    """What some records gave: files written, files that were there, what went wrong, what columns lost."""

    records: int = 0
    files: int = 0
    kept: int = 0
    problems: list[str] = field(default_factory=list)
    losses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    derived: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)  # record → why
    have: Counter[str] = field(default_factory=Counter)  # column → records with a file of it
    entries: list[Any] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        self.records += other.records
        self.files += other.files
        self.kept += other.kept
        self.problems += other.problems
        self.derived |= other.derived
        self.left_out |= other.left_out
        self.have.update(other.have)
        self.entries += other.entries
        for column, losses in other.losses.items():
            self.losses[column] |= losses

    def note(self, file: File) -> None:
        if file.loss:
            self.losses[file.column].add(file.loss)
        if file.derived:
            self.derived.add(file.column)

    def count(self, written: bool) -> None:
        self.files += written
        self.kept += not written


class Writer:
    """Writes files whole, once; usable from several threads."""

    def __init__(self, output: Folder) -> None:
        self.output = output
        self.present: defaultdict[str, set[str]] = defaultdict(set)
        self.known: set[str] = set()
        self.lock = threading.Lock()

    def has(self, path: str) -> bool:
        """True where the file was there before this export."""
        folder, _, name = path.rpartition("/")
        with self.lock:
            if folder not in self.known:
                self._open(folder)
        return name in self.present[folder]

    def write(self, path: str, make: Callable[[], bytes]) -> bool:
        """False where the file is there already."""
        if self.has(path):
            return False
        self.output.write(path, make())
        return True

    def replace(self, path: str, data: bytes) -> bool:
        """False where the file is there with these bytes."""
        if self.has(path) and self.output.read(path) == data:
            return False
        self.output.write(path, data)
        return True

    def _open(self, folder: str) -> None:
        """Lists what is there, less the unfinished files of an export that was killed."""
        self.output.make(folder)
        self.output.sweep(folder)
        self.present[folder].update(self.output.files(folder))
        self.known.add(folder)


class Shared:
    """Files that several records name: the first record that has one writes it, and all must agree on it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: dict[str, dict[bytes, tuple[int, str]]] = {}
        self.namers: dict[str, int] = {}

    def note(self, file: File, claim: Claim, record_id: str) -> bool:
        """True for the first record that names the file, which writes it if it has it."""
        digest = _digest(file.cell)
        with self.lock:
            claims = self.seen.setdefault(file.path, {})
            claims[digest] = min(claims.get(digest, (claim.own, record_id)), (claim.own, record_id))
            self.namers[file.path] = claim.first
        return claim.own == claim.first

    def late(self) -> dict[str, str]:
        """Path → record for files that the first record to name them lacks: the first that has one."""
        firsts = {path: min(claims.values()) for path, claims in self.seen.items()}
        return {path: record_id for path, (own, record_id) in firsts.items() if own != self.namers[path]}

    def problems(self) -> list[str]:
        """Files that records disagree on."""
        found = []
        for path, digests in sorted(self.seen.items()):
            (_, first), *others = sorted(digests.values())
            found += [f"{other}: {path} is another file in {first}, which was written" for _, other in others]
        return found


def _digest(cell: Any) -> bytes:
    """Of a picture's bytes, or of numbers."""
    data = cell["bytes"] if isinstance(cell, dict) else repr(cell).encode()
    return hashlib.blake2b(data, digest_size=8).digest()
