"""A build goes to the hub with its card, only once, and only where its licence lets it."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import finished
from support.hub_server import TOKEN, HubServer, hub  # noqa: F401
from support.servers import package_environment

from pipelines import push
from schemas import kinds
from schemas.cli.flags import UsageError
from schemas.cli.modules import modules_of
from schemas.hub import licences
from schemas.kinds import meanings

ID = "hf://datasets/me/try-on"


def build(folder: Path, source: str = "vitonhd", dataset: str = "vitonhd", records: int = 4, **more: Any) -> Path:
    """Finished shards whose manifest says of which layout they are."""
    rows = [finished.row(f"p{number}", f"g{number}", seed=number) for number in range(records)]
    finished.write(folder, rows, per_shard=1)
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | {
        "dataset": dataset,
        "kind": "tryon",
        "command": "build_vitonhd",
        "configuration": {"source": source, "format": "parquet"},
        "columns": {"caption": {"type": "string", "origins": {}, "empty": 4}},
        "counts": {"records": records, "records_by_split": {"test": records}, "rejects": 0, "findings_by_kind": {}},
        "package": {"name": "vton-pipelines", "version": "0.1.0"},
    }
    path.write_text(json.dumps(content | more))
    return folder


def pushed(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert push.main(list(map(str, arguments))) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_repository_holds_shards_pictures_card_and_manifest(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shards = build(tmp_path / "shards")
    (shards / "secret.txt").write_text("not of the build")
    told = pushed(capsys, shards, ID, "--private")
    repository = hub.repositories["datasets/me/try-on"]
    names = [f"test-{number:05d}-of-00004.parquet" for number in range(4)]
    pictures = [f"assets/record-{number}.jpg" for number in (1, 2, 3)]
    assert sorted(repository.files) == sorted([*names, *pictures, "README.md", "manifest.json"])
    assert all(repository.files[name] == (shards / name).read_bytes() for name in [*names, "manifest.json"])
    assert repository.private and told["sent"] == 9 and told["licence"] == "CC BY-NC 4.0"
    assert all(data.startswith(b"\xff\xd8") and len(data) < 100_000 for data in map(repository.files.get, pictures))
    card = repository.files["README.md"].decode()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "cc-by-nc-4.0"
    assert header["configs"][0]["data_files"] == [{"split": "test", "path": "test-*-of-*.parquet"}]
    assert all(f"]({name})" in card for name in pictures) and "white = repaint" in card
    assert hub.tokens == {f"Bearer {TOKEN}", None}  # None: what goes to large file storage is signed


def test_a_second_push_sends_nothing_and_a_changed_card_is_all_that_goes(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shards = build(tmp_path / "shards")
    pushed(capsys, shards, ID)
    commits = list(hub.repositories["datasets/me/try-on"].commits)
    uploaded = list(hub.uploaded)
    assert pushed(capsys, shards, ID)["sent"] == 0
    assert hub.repositories["datasets/me/try-on"].commits == commits and hub.uploaded == uploaded
    build(tmp_path / "again", dataset="renamed")
    assert pushed(capsys, tmp_path / "again", ID)["sent"] == 2 and hub.uploaded == uploaded


def failing(hub: HubServer, after: int, then: Callable[[], int]) -> None:  # noqa: F811
    """Lets so many large files in from now on; for each later one `then` is called."""
    calls = itertools.count(1)

    def on_upload(digest: str) -> int:
        return 200 if next(calls) <= after else then()

    hub.on_upload = on_upload


def test_a_push_whose_upload_fails_says_so_and_goes_on_where_it_stopped(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("schemas.hub.uploading.PART_FILES", 2)
    shards = build(tmp_path / "shards")
    failing(hub, 3, lambda: 400)
    assert push.main([str(shards), ID]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "the same push again goes on" in error and TOKEN not in error and "secret" not in error
    repository = hub.repositories["datasets/me/try-on"]
    assert sorted(repository.files) == ["test-00000-of-00004.parquet", "test-00001-of-00004.parquet"]
    failing(hub, 100, lambda: 400)
    pushed(capsys, shards, ID)
    assert "manifest.json" in repository.files and len(repository.files) == 9
    assert len(hub.uploaded) == len(set(hub.uploaded)) == 7  # nothing was sent twice


def test_a_killed_push_goes_on_where_it_stopped(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shards = build(tmp_path / "shards")
    words = [sys.executable, "-m", "pipelines.push", str(shards), ID]
    process = subprocess.Popen(words, env=package_environment(), stderr=subprocess.DEVNULL)

    def kill() -> int:
        os.kill(process.pid, signal.SIGKILL)
        return 400

    failing(hub, 2, kill)
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert hub.repositories["datasets/me/try-on"].files == {}
    failing(hub, 100, lambda: 400)
    pushed(capsys, shards, ID)
    assert len(hub.uploaded) == len(set(hub.uploaded)) == 7
    assert len(hub.repositories["datasets/me/try-on"].files) == 9


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("dresscode", "Dress Code Dataset Licence Terms"),
        ("deepfashion", "DeepFashion's agreement"),
        ("igpair", "a licence that is not known"),
        ("photos", "a licence that is not known"),
        ("table", "a licence that is not known"),
        ("davis", "a licence that is not known"),
        ("sam", "SA-1B"),
    ],
)
def test_what_may_not_be_passed_on_is_refused_by_the_name_of_its_licence(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    named: str,
) -> None:
    shards = build(tmp_path / "shards", source, "sample")
    path = shards / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": f"build_{source}"}))
    with pytest.raises(UsageError, match=f"{named}.*--i-have-rights"):
        push.main([str(shards), ID])
    assert hub.requests == []
    pushed(capsys, shards, ID, "--i-have-rights")
    header = yaml.safe_load(hub.repositories["datasets/me/try-on"].files["README.md"].decode().split("---\n")[1])
    assert header["license"] in ("other", "unknown")


def test_a_chain_of_builds_has_the_licence_of_the_first(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    first = {"command": "build_dresscode", "dataset": "dresscode", "configuration": {"source": "dresscode"}}
    shards = build(tmp_path / "shards", "shards", "mine", source_build={"command": "select", "source_build": first})
    with pytest.raises(UsageError, match="Dress Code"):
        push.main([str(shards), ID])


def test_a_manifest_may_state_a_licence_but_not_what_the_source_forbids(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pushed(capsys, build(tmp_path / "a", "photos", licence="CC BY-SA 4.0"), ID)["licence"] == "CC BY-SA 4.0"
    for number, (source, licence) in enumerate([("photos", "CC BY-ND 4.0"), ("dresscode", "CC BY 4.0")]):
        with pytest.raises(UsageError, match="redistribution"):
            push.main([str(build(tmp_path / f"b{number}", source, licence=licence)), ID])


def test_every_source_says_what_is_known_of_its_licence() -> None:
    layouts = {*modules_of("pipelines.sources.tryon"), *modules_of("pipelines.sources.clips")}
    assert layouts <= set(licences.DATASETS)
    for licence in licences.DATASETS.values():
        assert licence.page or licence.redistribution != licences.FORBIDDEN
        assert licence.redistribution != licences.ALLOWED or licence.id not in ("other", "unknown")


def test_every_column_has_a_meaning() -> None:
    columns = {name for kind in kinds.KINDS.values() for name in kind.fields}
    assert columns == set(meanings._MEANINGS)


@pytest.mark.parametrize(
    "location",
    ["me/try-on", "hf://me", "hf://datasets/me", "hf://models/me/x", "hf://datasets/me/../x", "hf://datasets/me/a--b",
     "hf://spaces/me/x", "hf://datasets/me/x/y", "https://huggingface.co/datasets/me/x", "hf://datasets/me/x.git"],
)  # fmt: skip
def test_what_names_no_dataset_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(UsageError, match="allowed is hf://datasets/OWNER/NAME"):
        push.main([str(tmp_path), location])


def test_a_public_repository_a_strange_shard_and_a_changed_one_are_refused(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pushed(capsys, build(tmp_path / "a"), "hf://me/try-on")
    with pytest.raises(UsageError, match="public"):
        push.main([str(tmp_path / "a"), ID, "--private"])
    with pytest.raises(UsageError, match="test-0000.-of-00004.parquet, which isn't of this folder"):
        push.main([str(build(tmp_path / "b", records=2)), ID])
    changed = build(tmp_path / "c") / "test-00002-of-00004.parquet"  # none of its records is drawn
    data = bytearray(changed.read_bytes())
    data[40] ^= 1
    changed.write_bytes(data)
    with pytest.raises(UsageError, match="sha256 differs"):
        push.main([str(tmp_path / "c"), "hf://datasets/me/other"])
    assert hashlib.sha256(data).hexdigest() not in hub.objects


def test_without_a_login_nothing_is_asked(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UsageError, match="HF_TOKEN"):
        push.main([str(build(tmp_path / "shards")), ID])
    assert hub.requests == []
