"""Bases from the hub: what is needed and no more, from the cache when offline, and every failure in one line."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.file_server import Server, server  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import catvton  # noqa: E402
from vton_models.catvton.model import CatVTON  # noqa: E402
from vton_models.networks import bases, component_names, components  # noqa: E402

__all__ = ["server"]  # a fixture
PIN = "owner/base@" + "abc"


@pytest.fixture
def hub(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A tiny base, with the other files that such repositories have, and an empty cache."""
    from huggingface_hub import constants

    catvton.build(catvton.Config.tiny(text_cross_attention=True)).save_base(tmp_path / "base")
    for path in (path for path in (tmp_path / "base").rglob("*") if path.is_file()):
        name = path.relative_to(tmp_path / "base").as_posix()
        server.files[f"/owner/base/resolve/abc/{name}"] = path.read_bytes()
    for name in ("unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin", "model.ckpt"):
        server.files[f"/owner/base/resolve/abc/{name}"] = b"not needed"
    for name in ("config.json", "diffusion_pytorch_model.safetensors"):
        server.files[f"/owner/vae/resolve/abc/{name}"] = (tmp_path / "base/vae" / name).read_bytes()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return server


def loaded(words: str, **changes: object) -> CatVTON:
    model = catvton.build(catvton.Config.tiny(**changes))
    model.load_base(words)
    return model


def files(hub: Server) -> set[str]:
    """What was downloaded, by name in its repository, whether from the branch or the revision."""
    paths = [path for kind, path, *_ in hub.requests if kind == "GET" and "/resolve/" in path]
    return {path.partition("/resolve/")[2].partition("/")[2] for path in paths}


def test_only_what_is_needed_comes_and_the_revision_is_noted(hub: Server) -> None:
    model = loaded("owner/base")
    weights = {f"{name}/diffusion_pytorch_model.safetensors" for name in ("unet", "vae")}
    assert files(hub) == {"unet/config.json", "vae/config.json", *weights}
    assert model.base["path"] == "owner/base"
    assert {name: one["path"] for name, one in model.base["networks"].items()} == {"unet": PIN, "vae": PIN}
    assert bases.of_note(model.base) == bases.Bases(PIN)
    loaded("owner/base", text_cross_attention=True)
    assert {name for name in files(hub) if "text" in name or "tokenizer" in name} == {
        "text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer/words.json",
    }  # fmt: skip


def test_a_network_may_be_a_whole_repository(hub: Server) -> None:
    model = loaded("owner/base@abc,vae=owner/vae")
    assert model.base["networks"]["vae"]["path"] == "owner/vae@abc"
    assert "vae/config.json" not in files(hub)


def test_what_may_be_lacking_is_fetched_where_it_is(hub: Server) -> None:
    networks = {"unet": components.Network("x"), "pairs": components.Network("x", derived=True)}
    assert set(bases.locate(bases.Bases("owner/base"), networks)) == {"unet"}
    with pytest.raises(UsageError, match="owner/base has no pairs/config.json"):
        bases.locate(bases.Bases("owner/base", {"pairs": "owner/base"}), networks)
    for name in ("config.json", "model.safetensors"):
        hub.files[f"/owner/base/resolve/abc/pairs/{name}"] = b"{}"
    assert set(bases.locate(bases.Bases("owner/base"), networks)) == {"unet", "pairs"}


def test_offline_the_cache_serves_and_nothing_is_asked(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded("owner/base")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    again = loaded("owner/base")
    assert again.base == first.base and not hub.requests
    with pytest.raises(UsageError, match="owner/other isn't in the cache of the hub, and HF_HUB_OFFLINE is set"):
        bases.check(bases.parse("owner/other"), again.config.networks)
    with pytest.raises(UsageError, match="owner/base has no text_encoder/config.json; its networks are unet, vae"):
        loaded("owner/base", text_cross_attention=True)


def test_without_a_way_to_the_hub_the_cache_serves(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded("owner/base")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert loaded("owner/base").base["digest"] == first.base["digest"]
    with pytest.raises(UsageError, match="owner/other can't be had: .*; nor is it in the cache") as caught:
        loaded("owner/other")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nobody/nothing", "nobody/nothing is not on the hub, or private"),
        ("some/gated", "some/gated is gated: accept its terms at"),
        ("owner/vae", "owner/vae has no unet/config.json; its networks are none"),
        ("owner/base,vae=nobody/vae", "nobody/vae is not on the hub"),
    ],
)
def test_what_the_hub_has_not_is_one_line(hub: Server, words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        loaded(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"], [1]),
        (["model.fp16.safetensors", "model.safetensors", "model.non_ema.safetensors"], [1]),
        (["model.fp16.safetensors", "pytorch_model.bin"], [1]),
        (["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors", "flax_model.bin"], [0, 1]),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.bin"], [0, 1]),
        (["training_args.bin", "optimizer.bin", "config.json"], []),
    ],
)
def test_which_files_hold_the_weights(names: list[str], chosen: list[int]) -> None:
    assert component_names.weights(names) == [names[place] for place in chosen]
