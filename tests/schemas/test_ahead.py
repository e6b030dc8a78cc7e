"""Files of a store are on their way before they are asked for, no more than there is room for."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schemas.folders import JoinedFolder, ahead, open_folder


class Slow:
    """A store in which no file comes before so many are asked for at once."""

    def __init__(self, at_once: int, sizes: dict[str, int]) -> None:
        self.sizes, self.log = sizes, list[str]()
        self.barrier = threading.Barrier(at_once)

    def read(self, name: str) -> bytes:
        self.log.append(name)
        if self.barrier.parties > 1:
            self.barrier.wait(20)
        if not self.sizes[name]:
            raise FileNotFoundError(name)
        return name.encode() * self.sizes[name]


def of(store: Slow) -> Any:
    return ahead.read_ahead(store, store.sizes.items())  # type: ignore[arg-type]


def test_many_come_at_once_each_of_them_once_in_any_order() -> None:
    names = [f"{i:03d}" for i in range(96)]
    store = Slow(16, dict.fromkeys(names, 1))
    folder = of(store)
    for first, second in zip(names[::2], names[1::2], strict=True):
        assert folder.read(second) == second.encode() and folder.read(first) == first.encode()
    assert sorted(store.log) == names


def test_several_threads_ask() -> None:
    names = [f"{i:03d}" for i in range(300)]
    store = Slow(1, dict.fromkeys(names, 1))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(of(store).read, names)) == [name.encode() for name in names]
    assert set(store.log) == set(names)


def test_what_is_asked_again_or_wasnt_expected_is_read_then() -> None:
    store = Slow(1, {"a": 1, "b": 1})
    folder = ahead.ReadAhead(store, [("a", 1)])  # type: ignore[arg-type]
    assert (folder.read("a"), folder.read("a"), folder.read("b")) == (b"a", b"a", b"b")
    assert store.log == ["a", "a", "b"]


def test_files_that_nobody_reads_take_no_place_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "FILES", 4)
    store = Slow(1, {f"{i:03d}": 1 for i in range(50)})
    folder = of(store)
    for name in list(store.sizes)[::7]:
        assert folder.read(name) == name.encode()
        assert len(folder._coming) <= 4


def test_large_files_come_one_by_one_and_a_missing_one_is_told_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "BYTES", 10)
    store = Slow(1, {"large": 100, "gone": 0, "small": 2, "large too": 11, "last": 1})
    folder = of(store)
    coming = []
    for name in store.sizes:
        if name == "gone":
            with pytest.raises(FileNotFoundError):
                folder.read(name)
        else:
            folder.read(name)
        coming.append(sorted(folder._coming))
    assert coming == [["gone", "small"], ["small"], ["large too"], ["last"], []]


def test_folders_of_this_machine_are_left_alone(tmp_path: Path) -> None:
    local = open_folder(str(tmp_path))
    assert ahead.read_ahead(local, []) is local
    joined = JoinedFolder({"a": local})
    assert ahead.read_ahead(joined, []) is joined
    mixed = ahead.read_ahead(JoinedFolder({"a": local, "b": open_folder(f"memory://{tmp_path.name}")}), [("a/x", 1)])
    (tmp_path / "x").write_bytes(b"x")
    assert mixed.read("a/x") == b"x"
    assert ahead.tokens(mixed, ["a/x", "b/none", "c/none"]) == [local.entry("x").token, "", ""]
