"""A run goes to the hub with its lineage, only where that lets it, and can be sampled from there."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import small_shards
from support.hub_server import HubServer, Repository, hub  # noqa: F401

import vton_models
from schemas.cli.flags import UsageError
from schemas.hub import licences
from vton_models.commands import convert, push, sample, train
from vton_models.sharing import origins
from vton_models.training.run_folder import Run

pytest.importorskip("diffusers")
ID = "hf://me/tryon-model"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny one of one step."""
    folder = tmp_path_factory.mktemp("push")
    shards = small_shards.write(folder / "shards", 4)
    words = ["catvton", "--tiny", "--steps", "1", "--shards", str(shards), "--output", str(folder / "run")]
    assert train.main(words) == 0
    return folder / "run"


def changed(run: Path, folder: Path, **values: Any) -> Path:
    """A copy whose config.json says these."""
    shutil.copytree(run, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def test_a_run_goes_once_with_what_sampling_needs(
    run: Path,
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert push.main([str(run), ID]) == 0
    repository = hub.repositories["models/me/tryon-model"]
    assert {"config.json", "README.md", "model/model.safetensors", "model/config.json"} <= set(repository.files)
    assert not any(name.startswith(("checkpoints", "log", "validation")) for name in repository.files)
    card = repository.files["README.md"].decode()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc0-1.0"
    assert "data small: CC0-1.0" in card and f"--weights {ID}" in card
    capsys.readouterr()
    sent = len(hub.uploaded)
    assert push.main([str(run), ID]) == 0
    assert json.loads(capsys.readouterr().out)["sent"] == 0 and len(hub.uploaded) == sent


def test_a_run_of_the_hub_stands_wherever_a_run_does_also_offline(
    run: Path,
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert push.main([str(run), ID]) == 0
    shards = small_shards.write(tmp_path / "shards", 4)
    words = ["--shards", str(shards), "--num-inference-steps", "1", "--device", "cpu"]
    trained = ["--tiny", "--steps", "1", "--shards", str(shards)]
    sampled = ["catvton", "--weights", ID, *words, "--pairs", "paired", "--output"]
    assert sample.main([*sampled, str(tmp_path / "a")]) == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    sampled[2] = "me/tryon-model"
    assert sample.main([*sampled, str(tmp_path / "b")]) == 0
    pictures = [sorted(path.read_bytes() for path in (tmp_path / name).rglob("*.png")) for name in "ab"]
    assert pictures[0] == pictures[1] and pictures[0]
    assert convert.main(["catvton", "--from", ID, "--to", str(tmp_path / "c.safetensors")]) == 0
    assert hub.requests == []
    for words in (["--weights", "me/other"], ["--weights", "hf://me/other"]):
        with pytest.raises(UsageError, match="me/other isn't in the cache of the hub, and HF_HUB_OFFLINE is set"):
            sample.main(["catvton", *words, "--shards", str(shards), "--output", str(tmp_path / "x")])
    with pytest.raises(UsageError, match="me/other isn't in the cache of the hub"):
        train.main(["catvton", *trained, "--init", "hf://me/other", "--output", str(tmp_path / "x")])
    with pytest.raises(UsageError, match="me/other isn't in the cache"):
        train.main(["catvton", *trained, "--init", "base:hf://me/other", "--output", str(tmp_path / "x")])


def test_what_is_no_run_on_the_hub_says_what_to_write(
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    hub.repositories["models/me/base"] = Repository(False, {"unet/config.json": b"{}", "config.json": b"{}"})
    for place, message in (("me/base", "is no run .*a base is written base:me/base"), ("me/no", "is not on the hub")):
        with pytest.raises(UsageError, match=message) as caught:
            sample.main(["catvton", "--weights", place, "--shards", str(tmp_path), "--output", str(tmp_path / "x")])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "base", "start", "named"),
    [
        ("Dress Code Dataset Licence Terms", "random", {}, "data some is under Dress Code.*forbids"),
        (None, "random", {}, "data some is under a licence that is not known"),
        ("CC0-1.0", "/home/me/sd", {}, "base /home/me/sd is under a licence that is not known"),
        ("CC0-1.0", "random", {"official": "weights.ckpt"}, None),
        ("CC0-1.0", "stable-diffusion-v1-5/stable-diffusion-inpainting@abc,vae=stabilityai/sd-vae-ft-mse", {}, None),
        ("CC0-1.0", "random", {"run": "/nowhere"}, "a run that is gone"),
    ],
)
def test_what_the_lineage_forbids_is_refused_by_its_name(
    run: Path,
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
    data: str | None,
    base: str,
    start: dict[str, str],
    named: str | None,
) -> None:
    lineage = [{"dataset": "some", "licence": data, "weight": None, "manifest_sha256": None}]
    noted = {"path": base, "digest": "x", "networks": {}}
    copy = changed(run, tmp_path / "copy", data=lineage, base=noted, start=start)
    shutil.rmtree(copy / "base")
    if named:
        with pytest.raises(UsageError, match=f"{named}.*--i-have-rights"):
            push.main([str(copy), ID])
        assert hub.requests == []
    assert push.main([str(copy), ID, *(["--i-have-rights"] if named else [])]) == 0


def test_every_system_names_licences_of_its_weights_that_are_known_or_says_none() -> None:
    """IMAGDressing's alone doesn't let its weights be passed on."""
    kept = [
        name
        for name in vton_models.names()
        if any(one.redistribution != licences.ALLOWED for one in origins._of_system(vton_models.load(name).ABOUT))
    ]
    assert kept == ["imagdressing"]


def test_a_folder_that_is_no_run_or_has_no_weights_is_refused(
    run: Path,
    hub: HubServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="is no training run"):
        push.main([str(tmp_path), ID])
    copy = changed(run, tmp_path / "copy")
    shutil.rmtree(copy / "model")
    with pytest.raises(UsageError, match="no final weights"):
        push.main([str(copy), ID])
    assert Run(copy).described()
