"""Folders of results: what a command takes for its own, and what it deletes."""

import os
from pathlib import Path

import pytest

from schemas.cli.flags import UsageError
from schemas.folders import atomic
from schemas.folders.owned import Owned

NAMES = ("parts/*/state.json", "parts/*/*.bin", "log.jsonl")


def owned(folder: Path) -> Owned:
    return Owned(folder, "bake", "batch of bread", NAMES)


def baked(folder: Path) -> Owned:
    """A folder of the command, with strangers' files at every level."""
    for name in ("parts/1/state.json", "parts/1/a.bin", "parts/2/a.bin", "log.jsonl", "mine.txt", "parts/2/mine.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    atomic.write_json(folder / "config.json", {"heat": 200} | owned(folder).mark)
    return owned(folder)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_only_what_is_written_is_deleted(tmp_path: Path) -> None:
    folder = baked(tmp_path / "out")
    held = folder.held()
    assert held is not None and held["heat"] == 200 and held["made_by"] == "vton-pipelines bake"
    assert [path.name for path in folder.strangers(tmp_path / "out/parts/2")] == ["mine.txt"]
    folder.clear()
    assert tree(tmp_path / "out") == {"mine.txt", "parts/2/mine.txt"} and not (tmp_path / "out/parts/1").exists()


def test_empty_and_absent_folders_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/.tmp-config.json-12-34").write_text("left by a killed process")
    assert owned(tmp_path / "absent").held() is None and owned(tmp_path / "empty").held() is None


@pytest.mark.parametrize(
    "config",
    [
        '{"model_type": "clip"}',
        '{"made_by": "somebody"}',
        '{"made_by": ["vton-pipelines bake"]}',
        '{"made_by": "vton-pipelines cook"}',
        "[1]",
        "null",
        "{garbage",
        "[" * 100_000,
        "\udcff",
        None,
    ],
)
def test_other_peoples_folders_are_refused_and_overwrite_is_not_offered(tmp_path: Path, config: str | None) -> None:
    out = tmp_path / "out"
    baked(out)
    (out / "config.json").unlink()
    if config is not None:
        (out / "config.json").write_bytes(config.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as error:
        owned(out).held()
    assert str(out) in str(error.value) and "overwrite" not in str(error.value) and "\n" not in str(error.value)


def test_files_and_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for place in ("file", "file/out", "file/deeper/out", "dangling", "pipe"):
        with pytest.raises(UsageError, match="is no folder"):
            owned(tmp_path / place).held()
    baked(tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(UsageError, match="is a link"):
        owned(tmp_path / "link").clear()
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "out/parts/1").rename(elsewhere)
    (tmp_path / "out/parts/1").symlink_to(elsewhere)
    with pytest.raises(UsageError, match=r"parts/1 is a link"):
        owned(tmp_path / "out").held()
    assert tree(elsewhere) == {"state.json", "a.bin"} and len(before) == 7


def test_linked_files_are_no_files_of_ours(tmp_path: Path) -> None:
    folder = baked(tmp_path / "out")
    (tmp_path / "thesis").write_text("mine")
    (tmp_path / "out/parts/2/b.bin").symlink_to(tmp_path / "thesis")
    folder.clear()
    assert (tmp_path / "thesis").read_text() == "mine" and (tmp_path / "out/parts/2/b.bin").is_symlink()
