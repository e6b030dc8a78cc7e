"""Whole or absent: files appear complete or not at all, locally and on a store."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.cli.flags import UsageError
from schemas.folders import Folder, atomic, open_folder
from schemas.folders.names import TEMPORARY


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "s3":
        return open_folder(f"{request.getfixturevalue('bucket').url}/{tmp_path.name}")
    folder = open_folder(str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path.name}")
    folder.make("sub")
    return folder


def test_write_read_list_rename_remove(folder: Folder) -> None:
    folder.write("sub/a.txt", b"one")
    with folder.create("sub/b.txt") as file:
        file.write(b"three")
    assert {name: entry.size for name, entry in folder.files("sub").items()} == {"a.txt": 3, "b.txt": 5}
    assert folder.read("sub/b.txt") == b"three" and folder.entry("sub/a.txt").size == 3
    folder.rename("sub/a.txt", "sub/c.txt")
    folder.remove("sub/b.txt")
    folder.remove("sub/never.txt")
    assert list(folder.files("sub")) == ["c.txt"] and folder.files("nowhere") == {}
    assert folder.is_folder("sub") and not folder.is_folder("nowhere") and folder.folders() == ["sub"]


def test_an_exception_leaves_nothing_and_keeps_the_old(folder: Folder) -> None:
    folder.write("sub/a.txt", b"old")
    with pytest.raises(RuntimeError), folder.create("sub/a.txt") as file:
        file.write(b"new")
        raise RuntimeError
    assert folder.read("sub/a.txt") == b"old" and list(folder.files("sub")) == ["a.txt"]


ODD = ["a b#c?d%e*[x].jpg", "ü.jpg", "plus+and&.txt", "x%20y", "tail ", "*", "[1]", "a;b=c", "'q'", "a?version=1"]


@pytest.mark.parametrize("name", ODD)
def test_names_are_no_patterns_and_no_parts_of_an_address(folder: Folder, name: str) -> None:
    folder.write("sub/a.jpg", b"another")
    folder.write(f"sub/{name}", b"one")
    assert folder.read(f"sub/{name}") == b"one" and folder.sha256(f"sub/{name}") == hashlib.sha256(b"one").hexdigest()
    assert folder.files("sub")[name] == folder.entry(f"sub/{name}")
    with folder.open(f"sub/{name}") as file, folder.local(f"sub/{name}") as copy:
        assert file.read() == copy.read_bytes() == b"one"
    folder.rename(f"sub/{name}", f"sub/b{name}")
    assert sorted(folder.files("sub")) == sorted(["a.jpg", f"b{name}"])
    folder.remove(f"sub/b{name}")
    assert list(folder.files("sub")) == ["a.jpg"]


def test_a_file_is_read_from_anywhere_in_it(folder: Folder) -> None:
    content = bytes(range(256)) * 100
    folder.write("sub/a", content)
    with folder.open("sub/a") as file:
        assert file.seek(-3, os.SEEK_END) == len(content) - 3 and file.read() == content[-3:]
        assert file.seek(20_000) == 20_000 and file.read(9_000) == content[20_000:] and file.read(1) == b""
    folder.write("sub/empty", b"")
    with folder.open("sub/empty") as file:
        assert file.read() == b"" and folder.read("sub/empty") == b""


def test_an_unfinished_file_has_a_temporary_name(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    with folder.create("a.txt") as file:
        file.write(b"half")
        assert all(name.startswith(TEMPORARY) for name in folder.files())
    assert list(folder.files()) == ["a.txt"]


def test_names_that_lead_out(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "out.txt").write_text("x")
    (tmp_path / "root/link").symlink_to(tmp_path / "out.txt")
    folder = open_folder(str(tmp_path / "root"))
    assert folder.escapes("../out.txt") and folder.escapes("link") and not folder.escapes("inside.txt")
    assert folder.files()["link"].link
    remote = open_folder("memory://root")
    assert remote.escapes("../x") and remote.escapes("/x") and not remote.escapes("x")


@pytest.mark.parametrize("name", ["../out.txt", "/etc/passwd", "sub/../../out.txt", "..", "a\0b"])
def test_no_operation_takes_a_name_that_leads_out(folder: Folder, name: str) -> None:
    operations: list[Callable[[], object]] = [
        lambda: folder.write(name, b"x"),
        lambda: folder.read(name),
        lambda: folder.remove(name),
        lambda: folder.rename("sub", name),
        lambda: folder.files(name),
        lambda: folder.open(name),
    ]
    for operation in operations:
        with pytest.raises(ValueError, match="leads out of its folder; allowed are relative names"):
            operation()


def test_nothing_is_written_or_deleted_through_a_link_that_leads_out(tmp_path: Path) -> None:
    """A link inside the folder, and a file that is a link itself, are its own."""
    root, mine = tmp_path / "root", tmp_path / "mine"
    (root / "sub").mkdir(parents=True)
    mine.mkdir()
    for name in ("a.txt", f"{TEMPORARY}a.txt-17-4"):
        (mine / name).write_text("mine")
    (root / "link").symlink_to(mine)
    (root / "inner").symlink_to("sub")
    (root / "b.txt").symlink_to(mine / "a.txt")
    folder = open_folder(str(root))
    operations: list[Callable[[], object]] = [
        lambda: folder.make("link/new"),
        lambda: folder.make("link"),
        lambda: folder.write("link/a.txt", b"x"),
        lambda: folder.create("link/a.txt").__enter__(),
        lambda: folder.rename("link/a.txt", "a.txt"),
        lambda: folder.rename("b.txt", "link/b.txt"),
        lambda: folder.remove("link/a.txt"),
        lambda: folder.sweep("link"),
    ]
    for operation in operations:
        with pytest.raises(UsageError, match="is a link that leads out"):
            operation()
    folder.write("inner/c.txt", b"x")
    folder.write("b.txt", b"ours")
    assert {path.name: path.read_text() for path in mine.iterdir()} == dict.fromkeys(
        ("a.txt", f"{TEMPORARY}a.txt-17-4"), "mine"
    )
    assert (root / "b.txt").read_text() == "ours" and (root / "sub/c.txt").exists()


def test_sweeping_takes_what_a_killed_process_left(folder: Folder) -> None:
    for name in (f"{TEMPORARY}a.txt-17-4", "a.txt", f"sub/{TEMPORARY}b-17-4"):
        folder.write(name, b"")
    folder.sweep()
    folder.sweep("sub")
    assert (list(folder.files()), list(folder.files("sub"))) == (["a.txt"], [])


def test_a_new_folder_removes_its_own_leftovers_only(tmp_path: Path) -> None:
    for name in ("model-17-4", "model-b-17-4", "model-old-17-4"):
        (tmp_path / f"{TEMPORARY}{name}").mkdir()
    with atomic.new_folder(tmp_path / "model") as made:
        (made / "file").write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{TEMPORARY}model-b-17-4", "model"]
