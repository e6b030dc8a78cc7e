"""Bases: one for all networks or several, folders or hub ids; read in their dtype, and compared by their digests."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support import toy_system  # noqa: E402
from support.object_store import Bucket  # noqa: E402

import vton_models.catvton.model  # noqa: E402, F401
from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import catvton  # noqa: E402
from vton_models.networks import (  # noqa: E402
    attention,
    bases,
    components,
    digests,
    memory,
    stable_diffusion,
    weights,
)
from vton_models.networks.bases import Bases  # noqa: E402

NETWORKS = {
    "unet": components.Network("diffusers.UNet2DConditionModel"),
    "garment_unet": components.Network("diffusers.UNet2DConditionModel", published="unet"),
}


def shifted(folder: Path, by: float, config: catvton.Config) -> dict[str, str]:
    """Writes a base of its own values; the digests of its networks."""
    model = catvton.build(config)
    with torch.no_grad():
        for parameter in model.parameters().values():
            parameter.add_(by)
    model.save_base(folder)
    return {name: digests.of_network(network) for name, network in model.networks.items()}


@pytest.mark.parametrize(
    ("words", "shared", "apart"),
    [
        ("sd15", "sd15", {}),
        ("owner/name@main", "owner/name@main", {}),
        ("unet=a,vae=b/c", "", {"unet": "a", "vae": "b/c"}),
        ("sd,1/5,vae=owner/name", "sd,1/5", {"vae": "owner/name"}),
    ],
)
def test_words_come_apart_and_together(words: str, shared: str, apart: Mapping[str, str]) -> None:
    parsed = bases.parse(words)
    assert (parsed.shared, parsed.apart, str(parsed)) == (shared, apart, words)


def test_a_folder_may_be_called_like_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("unet=a,vae=b").mkdir()
    assert bases.parse("unet=a,vae=b") == Bases("unet=a,vae=b")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (".,unte=.", "'unte' is no network; there are unet, garment_unet"),
        ("unet=.", "nothing is named for garment_unet; the networks are unet, garment_unet"),
        ("unet=.,unet=.", "unet is named twice"),
        (".,unet=", "unet is named without a place"),
        ("no-such-folder", "no-such-folder doesn't exist"),
        ("/no/such/folder,unet=.", "/no/such/folder doesn't exist"),
    ],
)
def test_wrong_words_say_what_is_allowed(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bases.check(bases.parse(words), NETWORKS)


def test_a_network_is_found_by_its_own_its_published_name_or_as_a_folder(tmp_path: Path) -> None:
    for folder in ("published/unet", "own/unet", "own/garment_unet", "alone"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text("{}")

    def places(words: str) -> list[str]:
        located = bases.locate(bases.parse(words), NETWORKS)
        return [one.folder.relative_to(tmp_path).as_posix() for one in located.values()]

    assert places(f"{tmp_path}/published") == ["published/unet", "published/unet"]
    assert places(f"{tmp_path}/own") == ["own/unet", "own/garment_unet"]
    assert places(f"{tmp_path}/own,garment_unet={tmp_path}/published") == ["own/unet", "published/unet"]
    assert places(f"unet={tmp_path}/own,garment_unet={tmp_path}/alone") == ["own/unet", "alone"]


def test_each_network_comes_from_its_base_and_is_noted_with_its_digest(tmp_path: Path) -> None:
    one, two = (shifted(tmp_path / name, by, catvton.Config.tiny()) for name, by in (("one", 0.1), ("two", 0.2)))
    model = catvton.build(catvton.Config.tiny())
    words = f"{tmp_path / 'one'},vae={tmp_path / 'two' / 'vae'}"
    model.load_base(words)
    assert digests.of_network(model.unet) == one["unet"] and digests.of_network(model.vae) == two["vae"]
    assert model.base["path"] == words and model.base["networks"] == {
        "unet": {"path": str(tmp_path / "one"), "digest": one["unet"]},
        "vae": {"path": str(tmp_path / "two" / "vae"), "digest": two["vae"]},
    }
    model.save(tmp_path / "run")
    noted = json.loads((tmp_path / "run/config.json").read_text())["base"]
    again = catvton.build(catvton.Config.tiny())
    again.load_base(bases.of_note(noted))
    again.load(tmp_path / "run")
    again.load_base(tmp_path / "one")
    with pytest.raises(UsageError, match="was trained from base sha256.*; this base is sha256.*: another vae$"):
        again.load(tmp_path / "run")


def test_frozen_networks_are_read_in_their_dtype_and_hashed_as_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = catvton.Config.tiny(text_cross_attention=True)
    stored = shifted(tmp_path / "base", 0.1, config)
    read: dict[str, list[torch.dtype]] = {}
    component = weights.component

    def watching(cls: Any, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
        read.setdefault(folder.name, []).append(dtype)
        return component(cls, folder, dtype)

    monkeypatch.setattr(weights, "component", watching)
    model = catvton.build(config)
    memory.choose_dtypes(model, memory.Use("low", "cuda", training=True))
    model.load_base(tmp_path / "base")
    assert read["unet"] == [torch.float32] and read["vae"] == [torch.bfloat16], "not in float32 first"
    assert read["text_encoder"][0] == torch.bfloat16
    assert {parameter.dtype for parameter in model.trainable().values()} == {torch.float32}
    assert {name: one["digest"] for name, one in model.base["networks"].items()} == stored


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (memory.Use("low", "cpu"), {}),
        (memory.Use("full", "cuda"), {}),
        (memory.Use("full", "cpu", training=True, mixed_precision="bf16"), {}),
        (memory.Use("low", "cuda"), {"unet": torch.bfloat16, "vae": torch.bfloat16}),
        (memory.Use("low", "cuda", training=True), {"vae": torch.bfloat16}),
        (memory.Use("full", "cuda", training=True, mixed_precision="fp16"), {"vae": torch.float16}),
        (memory.Use("low", "cuda", training=True, mixed_precision="fp16"), {"vae": torch.float16}),
    ],
)
def test_which_networks_are_in_16_bits(use: memory.Use, expected: dict[str, torch.dtype]) -> None:
    model = catvton.build(catvton.Config.tiny())
    memory.choose_dtypes(model, use)
    assert model.dtypes == expected


def test_networks_of_torchs_own_kind_have_bases_too(tmp_path: Path) -> None:
    model = toy_system.build(toy_system.Config.tiny())
    with torch.no_grad():
        model.networks["garment_encoder"].weight.add_(1)
    model.save_base(tmp_path / "toy")
    other = toy_system.build(toy_system.Config.tiny())
    other.save_base(tmp_path / "other")
    other.load_base(f"denoiser={tmp_path / 'other'},garment_encoder={tmp_path / 'toy'}")
    assert torch.equal(other.networks["garment_encoder"].weight, model.networks["garment_encoder"].weight)
    assert not other.networks["garment_encoder"].weight.requires_grad
    with pytest.raises(UsageError, match="garment_encoder has in_channels 3; allowed is 11"):
        other.load_base(f"denoiser={tmp_path / 'other' / 'garment_encoder'},garment_encoder={tmp_path / 'toy'}")


class Derived(catvton.model.CatVTON):
    """CatVTON with a network that no published base has."""

    def derive(self, name: str) -> None:
        self.networks[name].begin_as(self.unet)


@dataclasses.dataclass(frozen=True)
class DerivedConfig(catvton.Config):
    @property
    def networks(self) -> dict[str, components.Network]:
        own = super().networks
        arguments = {"widths": stable_diffusion.self_attention_widths(own["unet"].arguments)}
        pairs = "vton_models.networks.attention.KeyValues"
        return own | {"garment_attention": components.Network(pairs, arguments, (".",), derived=True)}


def test_what_a_base_lacks_is_derived_from_its_networks(tmp_path: Path) -> None:
    """Its size too; a base that has it brings its own, and the note tells them apart."""
    wider = stable_diffusion.TINY_UNET | {"in_channels": 9, "block_out_channels": (16, 32)}
    shifted(tmp_path / "plain", 0.1, catvton.Config.tiny(unet=wider))
    model = Derived(DerivedConfig.tiny())
    model.load_base(tmp_path / "plain")
    attn = model.unet.get_submodule(f"{attention.blocks(model.unet)[0]}.attn1")
    own = model.networks["garment_attention"][0].to_k.weight
    assert torch.equal(own, attn.to_k.weight) and own.shape == (16, 16)
    assert model.base["networks"]["garment_attention"]["path"] == ""
    again = Derived(DerivedConfig.tiny())
    again.load_base(bases.of_note(model.base))
    assert again.base["digest"] == model.base["digest"]
    with torch.no_grad():
        own.add_(1)
    model.save_base(tmp_path / "whole")
    again.load_base(tmp_path / "whole")
    assert torch.equal(again.networks["garment_attention"][0].to_k.weight, own)
    assert bases.difference(model.base, again.base), "another garment_attention"
    with pytest.raises(UsageError, match=r"garment_attention|config.json"):
        again.load_base(bases.parse(f"{tmp_path / 'whole'},garment_attention={tmp_path / 'plain'}"))


def test_parts_of_trained_names_may_have_gaps() -> None:
    network = components.Network("torch.nn.Linear", trained=(".up_blocks.*.attn1.",))
    assert network.trains("up_blocks.0.attentions.1.attn1.to_q.weight")
    assert not network.trains("down_blocks.0.attentions.1.attn1.to_q.weight")
    assert not network.trains("up_blocks.0.attentions.1.attn2.to_q.weight")


def test_a_network_may_lie_in_bases_under_further_names() -> None:
    network = components.Network("torch.nn.Linear", published="unet_encoder", in_bases=("unet",))
    assert network.folders("garment_unet") == ("garment_unet", "unet_encoder", "unet")


def test_bases_on_a_store(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are copied to this machine, and keep the names by which they were asked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digests_there = shifted(tmp_path / "base", 0.25, catvton.Config.tiny())
    url = bucket.upload(tmp_path / "base", "bases/own")
    model = catvton.build(catvton.Config.tiny())
    model.load_base(bases.parse(f"unet={url}/unet,vae={url}"))
    assert {name: digests.of_network(network) for name, network in model.networks.items()} == digests_there
    assert model.base["path"] == f"unet={url}/unet,vae={url}"
    with pytest.raises(UsageError, match=f"^the base {url}-none: there is no such file or folder"):
        bases.check(bases.parse(f"{url}-none"), {})
