"""Where weights are found, how they are downloaded, and what the messages say; servers on loopback only."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.file_server import server

from annotators.common import fetching, weights
from schemas.cli.flags import UsageError

__all__ = ["server"]  # a fixture

REPOSITORY = Path(__file__).parents[2]
BYTES = bytes(range(256)) * 4000  # about 1 MB


@pytest.fixture(autouse=True)
def no_machine_weights(monkeypatch, tmp_path):
    """An empty Hugging Face home, so that this machine's own weights don't count."""
    from huggingface_hub import constants

    monkeypatch.delenv("VTON_WEIGHTS", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))


def model_folder(path: Path, content: bytes = b"weights") -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(content)
    return path


def test_every_entry_names_a_source_a_licence_and_its_terms():
    for name, entry in weights.TABLE.items():
        assert name == entry.name
        assert entry.licence
        assert entry.terms.startswith("https://")
        assert all(bool(source.url) != bool(source.repo) for source in entry.sources)
        assert bool(entry.files) == bool(entry.sources[0].file or entry.sources[0].url)


@pytest.mark.parametrize(
    "place",
    [
        "mattmdjaga/segformer_b2_clothes",
        "mattmdjaga--segformer_b2_clothes",
        "models--mattmdjaga--segformer_b2_clothes/snapshots/0123abc",
        "segformer_b2_clothes",
    ],
)
def test_a_repository_is_found_in_every_hub_form(tmp_path, place):
    folder = model_folder(tmp_path / "w" / place)
    assert weights.locate("segformer_b2_clothes", tmp_path / "w") == folder
    assert weights.locate("mattmdjaga/segformer_b2_clothes", str(tmp_path / "w")) == folder


def test_the_snapshot_that_main_names_comes_first(tmp_path):
    cached = tmp_path / "models--some--model"
    model_folder(cached / "snapshots" / "aaa")
    newest = model_folder(cached / "snapshots" / "bbb")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("bbb")
    assert weights.locate("some/model", tmp_path) == newest


def test_a_single_file_is_found_by_name_or_in_its_repository(tmp_path):
    nested = tmp_path / "levihsu" / "OOTDiffusion" / "checkpoints" / "humanparsing"
    nested.mkdir(parents=True)
    (nested / "parsing_lip.onnx").write_bytes(b"x")
    assert weights.locate("schp_lip_onnx", tmp_path) == nested / "parsing_lip.onnx"
    (tmp_path / "parsing_lip.onnx").write_bytes(b"x")
    assert weights.locate("schp_lip_onnx", tmp_path) == tmp_path / "parsing_lip.onnx"


def test_the_better_of_several_accepted_files_wins(tmp_path):
    for size in ("lite", "full"):
        (tmp_path / f"pose_landmarker_{size}.task").write_bytes(b"x")
    assert weights.locate("pose_landmarker", tmp_path).name == "pose_landmarker_full.task"


def test_the_given_folder_comes_before_the_environment_and_the_cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    cached = model_folder(Path(constants.HF_HUB_CACHE) / "models--some--model" / "snapshots" / "abc")
    assert weights.locate("some/model") == cached
    environment = model_folder(tmp_path / "env" / "some" / "model")
    monkeypatch.setenv("VTON_WEIGHTS", str(tmp_path / "env"))
    assert weights.locate("some/model") == environment
    given = model_folder(tmp_path / "given" / "some" / "model")
    assert weights.locate("some/model", tmp_path / "given") == given


def test_missing_weights_name_the_command_and_the_folders(tmp_path):
    with pytest.raises(weights.MissingWeights) as caught:
        weights.locate("schp_lip", tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "python -m annotators fetch schp_lip" in message
    assert "exp-schp-201908261155-lip.pth" in message
    assert str(tmp_path) in message
    assert not weights.available("schp_lip", tmp_path)


def test_a_folder_that_lacks_a_shard_is_missing(tmp_path):
    folder = model_folder(tmp_path / "some" / "model")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert not weights.available("some/model", tmp_path)
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"y")
    assert weights.available("some/model", tmp_path)


@pytest.mark.parametrize("name", ["parsnig", "a/b/c", "../up", "/no/such/folder", ""])
def test_unknown_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="unknown weights|no such file"):
        weights.locate(name, tmp_path)


def test_a_model_folder_may_be_named_by_its_path(tmp_path):
    folder = model_folder(tmp_path / "mine")
    assert weights.locate(str(folder)) == folder


def test_digests_of_files_and_folders(tmp_path):
    folder = model_folder(tmp_path / "m", b"one")
    one = hashlib.sha256(b"one").hexdigest()
    assert weights.digest(folder / "model.safetensors") == one
    assert weights.digest(folder) == one
    (folder / "pytorch_model.bin").write_bytes(b"not loaded where safetensors are")
    assert weights.digest(folder) == one
    (folder / "more.safetensors").write_bytes(b"two")
    assert weights.digest(folder) not in (one, hashlib.sha256(b"two").hexdigest())
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no weight files"):
        weights.digest(tmp_path / "empty")


def test_a_changed_file_has_a_new_digest(tmp_path):
    file = tmp_path / "x.pth"
    file.write_bytes(b"one")
    before = weights.digest(file)
    file.write_bytes(b"another")
    assert weights.digest(file) != before


def entry_for(*urls, sha256=None):
    sources = tuple(weights.Source(url=url) for url in urls)
    return weights.Weights("thing", "a test", "MIT", sources, ("thing.bin",), 1, sha256)


def test_a_file_comes_with_its_licence_said_first(server, tmp_path):
    server.files["/thing.bin"] = BYTES
    said = []
    digest = hashlib.sha256(BYTES).hexdigest()
    path = fetching.download(entry_for(f"{server.url}/thing.bin", sha256=digest), tmp_path, said.append)
    assert path == tmp_path / "thing.bin"
    assert path.read_bytes() == BYTES
    assert [item.name for item in tmp_path.iterdir() if item.name != "home"] == ["thing.bin"]
    assert len(said) == 1
    assert "licence: MIT" in said[0]
    assert "about 1 MB" in said[0]
    fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, said.append)
    assert "already there" in said[1]
    assert len(server.requests) == 1


def test_a_dropped_connection_is_resumed(server, tmp_path):
    server.files["/thing.bin"] = BYTES
    server.cut = 300_000
    path = fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, lambda line: None)
    assert path.read_bytes() == BYTES
    assert [range_ for _, _, range_, _ in server.requests] == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_an_interrupted_download_goes_on_in_the_next_command(server, tmp_path):
    server.files["/thing.bin"] = BYTES
    server.cut = 100_000
    with pytest.raises(weights.FetchError, match="run the command again to resume"):
        fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, lambda line: None)
    assert not (tmp_path / "thing.bin").exists()
    server.cut, server.requests[:] = 0, []
    path = fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, lambda line: None)
    assert path.read_bytes() == BYTES
    assert [range_ for _, _, range_, _ in server.requests] == ["bytes=500000-"]


def test_two_versions_of_a_file_are_never_joined(server, tmp_path):
    server.files["/thing.bin"] = BYTES
    server.cut = 100_000
    with pytest.raises(weights.FetchError):
        fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, lambda line: None)
    server.cut, server.files["/thing.bin"] = 0, BYTES[::-1]
    path = fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, lambda line: None)
    assert path.read_bytes() == BYTES[::-1]


def test_a_wrong_digest_leaves_nothing_behind(server, tmp_path):
    server.files["/thing.bin"] = BYTES
    with pytest.raises(weights.FetchError, match="sha256 is .* not ff"):
        fetching.download(entry_for(f"{server.url}/thing.bin", sha256="ff"), tmp_path, lambda line: None)
    assert not [item for item in tmp_path.iterdir() if item.suffix in (".bin", ".part")]


def test_refused_and_missing_addresses_give_one_line_and_mirrors_are_tried(server, tmp_path):
    with pytest.raises(weights.FetchError, match="HTTP 403.*accept its terms at http") as caught:
        fetching.download(entry_for(f"{server.url}/gated/thing.bin"), tmp_path, lambda line: None)
    assert "\n" not in str(caught.value)
    server.files["/mirror/thing.bin"] = BYTES
    said = []
    urls = [f"{server.url}/gone/thing.bin", f"{server.url}/mirror/thing.bin"]
    assert fetching.download(entry_for(*urls), tmp_path, said.append).read_bytes() == BYTES
    assert "HTTP 404; trying" in said[1]


def test_nothing_is_asked_of_the_network_when_offline(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(weights.FetchError, match="HF_HUB_OFFLINE is set"):
        fetching.download(entry_for(f"{server.url}/thing.bin"), tmp_path, lambda line: None)
    assert not server.requests


HUB_FILES = {
    "config.json": b"{}",
    "model.safetensors": BYTES,
    "pytorch_model.bin": b"an older copy",
    "preprocessor_config.json": b"{}",
    "tf_model.h5": b"another framework's",
    "training_args.bin": b"a pickle",
    "README.md": b"words",
    "onnx/model.onnx": b"more",
}


@pytest.fixture
def hub(server, monkeypatch):
    server.files.update({f"/some/model/resolve/abc/{name}": body for name, body in HUB_FILES.items()})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_a_repository_comes_from_the_hub_endpoint(hub, tmp_path):
    path = fetching.fetch("some/model", tmp_path / "w", lambda line: None)
    assert path == tmp_path / "w" / "some" / "model"
    assert sorted(item.name for item in path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert sorted(item.name for item in (tmp_path / "w").iterdir()) == ["some"]
    assert weights.locate("some/model", tmp_path / "w") == path
    assert weights.digest(path) == hashlib.sha256(BYTES).hexdigest()


def test_without_a_folder_a_repository_goes_to_the_cache_and_is_found_there(hub, tmp_path, monkeypatch):
    said = []
    path = fetching.fetch("some/model", "", said.append)
    assert weights.locate("some/model") == path
    monkeypatch.setenv("VTON_WEIGHTS", str(tmp_path / "v"))
    assert fetching.fetch("some/model", "", said.append) == tmp_path / "v" / "some" / "model"


def test_the_hubs_own_digest_is_checked(hub, tmp_path):
    hub.lie = True
    with pytest.raises(weights.FetchError, match="sha256 is"):
        fetching.fetch("some/model", tmp_path / "w", lambda line: None)
    assert not weights.available("some/model", tmp_path / "w")


def test_a_gated_repository_gives_one_line_with_its_terms_page(hub, tmp_path):
    with pytest.raises(weights.FetchError) as caught:
        fetching.fetch("some/gated", tmp_path / "w", lambda line: None)
    assert str(caught.value) == (
        "some/gated is gated: accept its terms at https://huggingface.co/some/gated and set HF_TOKEN"
    )


def test_an_unknown_repository_gives_one_line(hub, tmp_path):
    with pytest.raises(weights.FetchError, match="nobody/nothing is not on the hub") as caught:
        fetching.fetch("nobody/nothing", tmp_path / "w", lambda line: None)
    assert "\n" not in str(caught.value)


def command(*words, **environment):
    """`python -m annotators …` in a fresh process with no weights of this machine."""
    known = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "VTON_WEIGHTS"))}
    return subprocess.run(
        [sys.executable, "-m", "annotators", *words],
        cwd=REPOSITORY,
        env=known | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_token_and_endpoint_of_the_environment_are_used(hub, tmp_path):
    home = {"HF_HOME": str(tmp_path / "h"), "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret"}
    done = command("fetch", "some/model", "--weights", str(tmp_path / "w"), **home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "w" / "some" / "model")
    tokens = {authorization for _, path, _, authorization in hub.requests if "some/model" in path}
    assert tokens == {"Bearer hf_secret"}
    assert "hf_secret" not in done.stderr


def test_offline_the_command_says_so_in_one_line(tmp_path):
    done = command("fetch", "blip_base", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "HF_HUB_OFFLINE" in done.stderr


def test_the_list_shows_licences_and_what_is_here(tmp_path):
    (tmp_path / "selfie_segmenter.tflite").write_bytes(b"x")
    done = command("list", "--weights", str(tmp_path), HF_HOME=str(tmp_path / "h"))
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "Apache-2.0" in lines["selfie_segmenter"]
    assert lines["selfie_segmenter"].rstrip().endswith("present")
    assert lines["schp_lip_onnx"].rstrip().endswith("missing")


def test_help_answers_at_once_and_shows_examples():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = command("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0
    assert "python -m annotators fetch segformer_b2_clothes" in done.stdout
    assert seconds < 1, "of the processor: a busy machine is not the command's fault"


@pytest.mark.parametrize("words", [["fetch", "parsnig"], ["fetch"], ["lsit"], []])
def test_wrong_usage_ends_with_2(words, tmp_path):
    done = command(*words, HF_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_wrong_name_is_one_line_with_what_is_allowed(tmp_path):
    done = command("fetch", "parsnig", HF_HOME=str(tmp_path))
    assert done.stderr.count("\n") == 1
    assert "segformer_b2_clothes" in done.stderr


def test_importing_the_table_imports_nothing_heavy():
    code = "import annotators.common.weights, sys; print([m for m in ('torch', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "place",
    [
        "mattmdjaga/segformer_b2_clothes",
        "mattmdjaga--segformer_b2_clothes",
        "models--mattmdjaga--segformer_b2_clothes/snapshots/0123abc",
        "segformer_b2_clothes",
    ],
)
def test_what_lies_on_a_store_is_copied_once(bucket, tmp_path, monkeypatch, place):
    """Of a folder with many models only what is asked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model_folder(tmp_path / "w" / place)
    model_folder(tmp_path / "w" / "another/model")
    (tmp_path / "w" / "selfie_segmenter.tflite").write_bytes(BYTES)
    url = bucket.upload(tmp_path / "w", "weights")
    for folder, variable in ((url, ""), ("", url)):
        monkeypatch.setenv("VTON_WEIGHTS", variable)
        copy = weights.locate("segformer_b2_clothes", folder)
        assert weights.digest(copy) == weights.digest(tmp_path / "w" / place)
        assert weights.locate("selfie_segmenter", folder).read_bytes() == BYTES
        with pytest.raises(weights.MissingWeights, match=f"looked in {url}, "):
            weights.locate("blip_base", folder)
    assert len(bucket.server.matching("GET .*model.safetensors")) == 1
    assert not bucket.server.matching("GET .*another/model/model.safetensors")
    with pytest.raises(UsageError, match=f"^weights are downloaded to this machine, not to {url}; allowed is"):
        fetching.fetch("blip_base")
